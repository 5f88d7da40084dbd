"""The deploy files made out for the county, once for all tests that only read them."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from click.testing import CliRunner

from hub.cli import hub
from hub.config.repository import DEPLOY
from hub.config.site import load_site
from hub.provisioning.deployment import Process, processes_of

SITE = DEPLOY / "sites" / "county"


def processes() -> tuple[Process, ...]:
    """What the county runs."""
    return processes_of(load_site(SITE).site)


def render(site: Path, folder: Path) -> Path:
    """Run `hub deploy render`; returns the folder."""
    words = ["deploy", "render", "--site", str(site), "--to", str(folder)]
    result = CliRunner().invoke(hub, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder


@cache
def county() -> Path:
    """Where the county's files are; nobody writes there."""
    return render(SITE, Path(mkdtemp(prefix="county-")) / "made")
