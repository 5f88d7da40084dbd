"""`hub connector check`: lint, connection, rights, sample rows; nothing is submitted."""

import base64
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import hub
from tests.conftest import PostgresPart
from tests.unit.connectors.databases import Server, TablePlace, minutes

SITE = """\
site: trial
name_zh: 试点
prefix: trial.
partitions: 3
rulebook: rulebook.yaml
calendar: calendar.json
sealing_key_file: key
departments:
  - id: market
    name_zh: 市场监管局
    authorities: [11330900MA0000015E]
    states: [licence.granted.v1]
    databases: [{name: licences, file: sources/licences.yaml}]
targets: []
"""
SOURCE = """\
url: %s
password_file: ../password
table: %s
key: id
stamp: {column: touched}
rows:
  kind: licence.granted.v1
  fields:
    XK_XDR_MC: who
    XK_XDR_SHXYM: code
    XK_XDR_LB: {always: 法人及非法人组织}
    XK_WSH: "no"
    XK_JDRQ: decided
    XK_FRDB: {always: 甲某}
"""


class CheckedSite:
    """A site with one database source over a table."""

    def __init__(self, folder: Path, table: TablePlace) -> None:
        self.file = folder / "sources" / "licences.yaml"
        self.file.parent.mkdir()
        (folder / "site.yaml").write_text(SITE, encoding="utf-8")
        (folder / "key").write_text(base64.b64encode(bytes(32)).decode(), encoding="ascii")
        (folder / "password").chmod(0o600)
        self.text = SOURCE % (table.described.url, table.table)

    def check(self, text: str = "") -> Result:
        """Run the command on this text."""
        self.file.write_text(text or self.text, encoding="utf-8")
        return CliRunner().invoke(hub, ["connector", "check", str(self.file)])


@pytest.fixture
def table(tmp_path: Path, postgres: PostgresPart) -> TablePlace:
    """Return a table with a good and a bad row."""
    made = TablePlace(tmp_path, Server(postgres.dsn))
    made.put(1, made.server.now() - minutes(1))
    made.put(2, made.server.now(), code="91330900MA0000015X", who="坏代码有限公司")
    return made


@pytest.fixture
def trial(tmp_path: Path, table: TablePlace) -> CheckedSite:
    """Return the site over it."""
    return CheckedSite(tmp_path, table)


def test_sample_rows_are_shown_with_what_the_hub_would_say(trial: CheckedSite) -> None:
    """Exit 1 since rows would not be accepted; values are shown as mapped, personal ones masked."""
    result = trial.check()
    assert result.exit_code == 1, result.output
    assert "试读 2 行，未报送" in result.output
    assert "CREDIT_CODE_CHECK_DIGIT" in result.output
    assert "许1号" in result.output
    assert "touched: moment" in result.output


def test_personal_values_are_masked(trial: CheckedSite, table: TablePlace) -> None:
    """A natural person's row shows nothing of its content; a representative's name is masked."""
    table.put(3, table.server.now(), code="110101199003078515", who="某自然人")
    result = trial.check()
    assert "PERSON_NOT_ENABLED" in result.output
    for personal in ("110101199003078515", "某自然人", "甲某"):
        assert personal not in result.output


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("XK_WSH:", "XK_WSHH:", 12),
        ("stamp:", "stmp:", 5),
        ("kind: licence.granted.v1", "kind: licence.granted.v9", 7),
    ],
)
def test_a_typo_is_refused_with_its_line(trial: CheckedSite, old: str, new: str, line: int) -> None:
    """File, line and remedy, before anything is connected."""
    result = trial.check(trial.text.replace(old, new))
    assert result.exit_code == 2
    assert f"licences.yaml:{line}: " in result.output
    assert "处理办法" in result.output


@pytest.mark.parametrize("where", ["rows", "rows, as a parameter", "result"])
def test_a_password_in_the_address_is_refused_and_not_shown(trial: CheckedSite, where: str) -> None:
    """It belongs into a file of its own, however it is written and whichever database it is of."""
    text = {
        "rows": trial.text.replace("hub@", "hub:geheim@"),
        "rows, as a parameter": trial.text.replace("/hub\n", "/hub?password=geheim\n", 1),
        "result": trial.text + "result: {table: r, url: 'postgresql://hub:geheim@127.0.0.1/hub'}\n",
    }[where]
    assert text != trial.text
    result = trial.check(text)
    assert result.exit_code == 2
    assert "password_file" in result.output
    assert "geheim" not in result.output


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('XK_WSH: "no"', "XK_WSH: nonesuch", "nonesuch"), ("table: t_", "table: u_", "no table u_")],
)
def test_what_the_database_does_not_have_is_named(
    trial: CheckedSite, old: str, new: str, said: str
) -> None:
    """A column or table that is not there, with the remedy."""
    result = trial.check(trial.text.replace(old, new))
    assert result.exit_code == 2
    assert said in result.output
    assert "处理办法" in result.output


def test_a_refused_password_is_a_persons_matter(trial: CheckedSite, tmp_path: Path) -> None:
    """Not tried again for ever, and not shown."""
    (tmp_path / "password").write_text("wrong-secret", encoding="utf-8")
    result = trial.check()
    assert result.exit_code == 2
    assert "28P01" in result.output
    assert "wrong-secret" not in result.output


def test_a_file_no_site_names_is_refused(tmp_path: Path, trial: CheckedSite) -> None:
    """A source that `site.yaml` does not list would never run."""
    other = tmp_path / "sources" / "other.yaml"
    other.write_text(trial.text, encoding="utf-8")
    result = CliRunner().invoke(hub, ["connector", "check", str(other)])
    assert result.exit_code == 2
    assert "databases:" in result.output


def test_a_citizens_number_in_a_text_is_masked(trial: CheckedSite, table: TablePlace) -> None:
    """The row is refused for it; what is shown of it must not be what it is refused for."""
    table.put(3, table.server.now(), no="许3号 110101199003078515")
    result = trial.check()
    assert "PERSONAL_ID_IN_TEXT" in result.output
    assert "110101199003078515" not in result.output


def test_a_time_of_day_python_cannot_hold_is_no_reason_to_stop(
    trial: CheckedSite, table: TablePlace
) -> None:
    """24:00 is one to PostgreSQL: it stays as the server writes it, and the row is judged."""
    table.server.execute(f"ALTER TABLE {table.table} ADD until TIME")
    table.server.execute(f"UPDATE {table.table} SET until = '24:00'")
    result = trial.check(trial.text.replace("XK_FRDB: {always: 甲某}", "XK_NR: until"))
    assert "24:00" in result.output
