"""The command line: what is listed exists, mistakes are told, nothing loads before its use."""

import subprocess
import sys
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hub.cli import COMMANDS, EXIT_REFUSED, CommandFile, hub
from hub.config.settings import Settings, read_settings
from hub.errors import ConfigurationError, UnavailableError, remedy_in

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_listed_command_has_its_file(entry: CommandFile) -> None:
    """A line in `COMMANDS` without its module would fail at a user's desk."""
    module = f"{entry.folder}.{entry.name}"
    assert find_spec(module) is not None, module


def test_help_lists_every_command_without_loading_any() -> None:
    """`./run hub --help` answers at once, also when a library of one command is broken."""
    program = (
        "import sys; from click.testing import CliRunner; from hub.cli import hub;"
        "print(CliRunner().invoke(hub, ['--help']).output);"
        "sys.exit(any('.commands.' in name and name.split('.')[0] in ('hub', 'connectors')"
        " for name in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for entry in COMMANDS:
        assert f"  {entry.name} " in result.stdout


def test_a_refusal_is_told_in_both_languages_with_place_and_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong site folder ends with a message and exit status 2, never with a stack trace."""

    @click.command("dev")
    def failing() -> None:
        raise ConfigurationError(
            "拼写有误", "a typo", remedy_zh="改正", remedy_en="mend it", file="site.yaml", line=7
        )

    monkeypatch.setattr("hub.commands.dev.command", failing)
    result = CliRunner().invoke(hub, ["dev"])
    assert result.exit_code == EXIT_REFUSED
    assert result.stderr.splitlines() == [
        "site.yaml:7: 拼写有误",
        "a typo",
        "处理办法：改正",
        "Remedy: mend it",
    ]


def test_a_brokers_own_words_are_told_in_chinese_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library speaks English, and says nothing of what to do."""

    @click.command("dev")
    def failing() -> None:
        raise UnavailableError("Local: Timed out")

    monkeypatch.setattr("hub.commands.dev.command", failing)
    lines = CliRunner().invoke(hub, ["dev"]).stderr.splitlines()
    assert lines[0] == "Kafka 未完成操作：Local: Timed out"
    assert lines[2].startswith("处理办法：")
    assert remedy_in("\n".join(lines))[1].startswith("does Kafka run")
    assert remedy_in("坏\nbad\n处理办法：修 / Remedy: mend") == ("修", "mend")


@pytest.mark.parametrize(
    ("modules", "spared"),
    [
        ("hub.commands.run", "psycopg sqlalchemy aiohttp faust openpyxl jgo"),
        ("hub.workers.registrar", "psycopg sqlalchemy aiohttp faust openpyxl jgo"),
        ("hub.workers.courier", "psycopg sqlalchemy aiohttp faust openpyxl jgo"),
        ("hub.workers.receipts", "psycopg sqlalchemy aiohttp faust openpyxl jgo"),
        ("hub.workers.projector", "sqlalchemy aiohttp faust openpyxl jgo"),
        ("connectors.commands.connector", "psycopg sqlalchemy aiohttp faust openpyxl jgo"),
    ],
)
def test_a_worker_imports_its_own_libraries_alone(modules: str, spared: str) -> None:
    """Imports are most of a start, and after a power cut all workers start at once."""
    program = f"import sys, {modules}; print(*({set(spared.split())} & sys.modules.keys()))"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "\n"), result.stderr


def test_every_setting_names_its_variable_and_is_documented() -> None:
    """An operator finds each environment variable in docs/parts.md."""
    page = (ROOT / "docs" / "parts.md").read_text(encoding="utf-8")
    source = (ROOT / "hub" / "config" / "settings.py").read_text(encoding="utf-8")
    for field in fields(Settings):
        assert f'"{_variable(field.name)}"' in source
        assert f"`{_variable(field.name)}`" in page


def test_an_empty_variable_counts_as_unset() -> None:
    """`KAFKA_BOOTSTRAP= ./run test` means the embedded broker."""
    settings = read_settings({"KAFKA_BOOTSTRAP": "", "HUB_STATE": "", "HUB_KAFKA_PORT": ""})
    assert settings.kafka_bootstrap is None
    assert settings.kafka_port is None
    assert settings.state_folder == Path(".state").absolute()


@pytest.mark.parametrize("port", ["9092x", "0", "65536", "-1"])
def test_a_port_that_is_no_port_number_is_refused_by_name(port: str) -> None:
    """The message names the variable to mend."""
    with pytest.raises(ConfigurationError, match="HUB_KAFKA_PORT"):
        read_settings({"HUB_KAFKA_PORT": port})


def _variable(field: str) -> str:
    named = {"kafka_bootstrap": "KAFKA_BOOTSTRAP"}
    return named.get(field, f"HUB_{field.removesuffix('_folder').upper()}")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("validate --kind licence.granted.v1 nowhere.csv", "请核对路径"),
        ("validate --kind licence.granted.v1", "缺少必填项"),
        ("validate --kind nothing nowhere.csv", "、licence.granted.v1"),
        ("explain deadline --kind penalty.imposed.v1 --decided-on 2026-02-30", "不是有效的日期"),
        ("due --nothing", "没有这个选项：--nothing"),
        ("nothing", "写法有误"),
    ],
)
def test_a_mistyped_command_is_explained_in_chinese_first(typed: str, said: str) -> None:
    """The words of the library are English only; the people who type are not."""
    result = CliRunner().invoke(hub, typed.split())
    assert result.exit_code == EXIT_REFUSED
    assert said in result.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nowhere", "站点没有目标 nowhere"),
        ("city --document 1 --from 2026-10-01", "--document 不与 --from、--to 同用"),
        ("city --from 2026-10-02 --to 2026-10-01", "--from 2026-10-02 晚于 --to 2026-10-01"),
    ],
)
def test_a_resend_of_nothing_is_refused_before_anything_is_sent(typed: str, said: str) -> None:
    """Else it says "sent", and every partition walks its whole ledger for no record."""
    words = ["resend", *typed.split(), "--site", str(ROOT / "deploy/sites/county")]
    result = CliRunner().invoke(hub, words)
    assert result.exit_code == EXIT_REFUSED
    assert said in result.stderr.splitlines()[0]
    assert "Remedy: " in result.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("topics rotate worker.receipt", "站点没有用户 county.worker.receipt"),
        ("topics rotate worker.receipts", "没有口令目录"),
        ("slots give --partition 9 --to 1", "站点没有分区 9"),
    ],
)
def test_what_the_operator_mistypes_makes_no_user_and_moves_nothing(typed: str, said: str) -> None:
    """A mistyped user would be made anew, and called rotated."""
    words = [*typed.split(), "--site", str(ROOT / "deploy/sites/county")]
    broker = {"KAFKA_BOOTSTRAP": "127.0.0.1:9", "HUB_KAFKA_SECRETS": None}
    result = CliRunner(env=broker).invoke(hub, words)
    assert result.exit_code == EXIT_REFUSED
    assert said in result.stderr.splitlines()[0]


def test_a_password_in_a_connection_string_is_not_shown() -> None:
    """`hub dev status` is pasted into messages."""
    environment = {
        "KAFKA_BOOTSTRAP": "kafka:9092",
        "HUB_POSTGRES_DSN": "postgresql://hub:canary@db/hub",
    }
    result = CliRunner(env=environment).invoke(hub, ["dev", "status"])
    assert "host=db" in result.output
    assert "canary" not in result.output
