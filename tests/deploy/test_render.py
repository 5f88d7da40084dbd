"""`hub deploy`: every process of a site is there once, and nothing of another site."""

import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hub.cli import EXIT_REFUSED, hub
from hub.config.repository import DEPLOY
from hub.config.site import Site, load_site
from hub.errors import ConfigurationError
from hub.provisioning.deployment import SINGLE_PORTS, Process, processes_of, rendered
from tests.deploy.county import SITE, county, processes, render

DEMO = load_site(DEPLOY / "sites" / "demo").site


def known_workers() -> set[str]:
    """Every command that is a worker: those of `hub run`, and the connector."""
    run = hub.get_command(click.Context(hub), "run")
    assert isinstance(run, click.Group)
    return {*run.commands, "connector"}


def test_every_worker_the_hub_knows_is_deployed() -> None:
    """A worker that is added needs its place in `hub/provisioning/deployment.py`."""
    assert {process.kind for process in processes()} == known_workers()


def test_nothing_is_rendered_or_backed_up_into_the_site_folder(tmp_path: Path) -> None:
    """The site folder is copied: into itself that never ends."""
    shutil.copy(SITE / "site.yaml", tmp_path)
    result = CliRunner().invoke(
        hub, ["deploy", "render", "--site", str(tmp_path), "--to", str(tmp_path / "made")]
    )
    assert result.exit_code == EXIT_REFUSED
    assert "输出目录在站点目录之内" in result.stderr
    assert not (tmp_path / "made").exists()
    with pytest.raises(ConfigurationError, match="inside the site folder"):
        load_site(tmp_path).require_outside(tmp_path / "backup" / "today")


@pytest.mark.parametrize("site", [DEMO, load_site(SITE).site], ids=lambda site: site.site)
def test_no_two_processes_share_a_port_or_a_unit(site: Site) -> None:
    """On one machine they run side by side."""
    found = processes_of(site)
    assert len({process.port for process in found}) == len(found)
    assert len({process.unit for process in found}) == len(found)
    named = {*(t.id for t in site.targets), *(d.id for d in site.departments)}
    named -= {d.id for d in site.departments if not d.sources}
    assert named <= {process.instance for process in found}


def test_slots_ports_and_single_workers_never_meet() -> None:
    """The widest site there can be: every slot, every target's number."""
    slots = tuple((n,) for n in range(256))
    targets = tuple(
        DEMO.targets[0].model_copy(update={"id": f"t{n}", "number": n}) for n in range(64)
    )
    wide = DEMO.model_copy(update={"slots": slots, "partitions": 256, "targets": targets})
    ports = [process.port for process in processes_of(wide)]
    assert len(set(ports)) == len(ports)
    assert not set(ports[: 256 + 64]) & set(SINGLE_PORTS.values())


def test_a_block_is_repeated_with_names_command_and_port() -> None:
    """And a line for some kinds is there for those alone; longer words are left as they are."""
    text = (
        "before courier-province\n"
        "  # for each process: courier-province 9110\n"
        "  courier-province: [run, courier, province, 9110] # as courier-province-2 19110\n"
        "  county.worker.courier.province hub-courier@province.service\n"
        "  files # only connector, receipts\n"
        "  # end\n"
    )
    two = (Process("registrar", "0", 1), Process("connector", "b-c", 2), Process("receipts", "", 3))
    assert rendered(text, two, "x", "t.").splitlines() == [
        "before courier-province",
        '  registrar-0: [run, registrar, --slot, "0", 1] # as registrar-0-2 19110',
        "  t.worker.registrar.0 hub-registrar@0.service",
        "  connector-b-c: [connector, --department, b-c, 2] # as connector-b-c-2 19110",
        "  t.worker.connector.b-c hub-connector@b-c.service",
        "  files",
        "  receipts: [run, receipts, 3] # as receipts-2 19110",
        "  t.worker.receipts hub-receipts.service",
        "  files",
    ]


BEGIN = "# for each process: courier-province 9110\n"


@given(st.lists(st.sampled_from([BEGIN, "# end\n", "line\n"]), max_size=6))
def test_blocks_that_do_not_pair_are_refused(lines: list[str]) -> None:
    """Half a block would leave out, or take in, what follows it."""
    depth, fine = 0, True
    for line in lines:
        depth += {BEGIN: 1, "# end\n": -1}.get(line, 0)
        fine = fine and depth in {0, 1}
    if fine and depth == 0:
        rendered("".join(lines), (), "x", "t.")
    else:
        with pytest.raises(ConfigurationError, match="do not pair"):
            rendered("".join(lines), (), "x", "t.")


def test_nothing_in_use_is_written_over(tmp_path: Path) -> None:
    """Files that a person changed by hand are not lost: the folder must be empty."""
    (tmp_path / "mine").write_text("x", encoding="ascii")
    words = ["deploy", "render", "--site", str(SITE), "--to", str(tmp_path)]
    result = CliRunner().invoke(hub, words)
    assert result.exit_code == 2
    assert "not empty" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_no_departments_file_is_copied(tmp_path: Path) -> None:
    """Inboxes, results and drop folders may lie in the site folder; what is in them is not its own.

    Neither are secrets, wherever the site or a database source keeps them.
    """
    site = tmp_path / "site"
    shutil.copytree(DEPLOY / "sites" / "demo", site)
    text = (site / "site.yaml").read_text(encoding="utf-8")
    (site / "site.yaml").write_text(text.replace("../../", f"{DEPLOY}/"), encoding="utf-8")
    loaded = load_site(site)
    folders = [f for f in loaded.exchange_folders() if f.resolve().is_relative_to(site)]
    assert {f.relative_to(site).parts[0] for f in folders} == {"inbox", "results", "exchange"}
    secret = [f for f in loaded.secret_files() if f.resolve().is_relative_to(site)]
    left = [*(folder / "licences" / "a.csv" for folder in folders), *secret]
    for file in (*left, site / "mappings" / "market.yaml"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x", encoding="utf-8")
    made = render(site, tmp_path / "made") / "site"
    assert (made / "mappings" / "market.yaml").exists()
    assert (made / "site.yaml").exists()
    assert [f for f in left if (made / f.relative_to(site)).exists()] == []


def test_no_marker_is_left_and_no_secret_is_copied() -> None:
    """What is written is what is installed."""
    for file in county().rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            assert "# for each" not in text, file
            assert "# end\n" not in text, file
    assert not (county() / "site" / "secrets").exists()
    assert {file.name for file in (county() / "systemd/ports").iterdir()} == {
        f"{process.unit}.env" for process in processes() if process.instance
    }


def test_the_list_names_units_and_ports() -> None:
    """For the operator: what to look at, and where."""
    result = CliRunner().invoke(hub, ["deploy", "list", "--site", str(SITE)])
    assert "hub-courier@province.service  127.0.0.1:9110" in result.output.splitlines()
    assert len(result.output.splitlines()) == len(processes())
