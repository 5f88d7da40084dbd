"""Configuration means one thing: what may be read in two ways is refused with file, line, remedy.

At most five cases of each mechanism count. Nothing here needs a broker.
"""

import os
import re
import time
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from hub.adapters.clocks import FileBusinessClock, write_business_clock
from hub.cli import hub as command_line
from hub.config.basis_document import basis_document
from hub.config.repository import DEPLOY, ROOT
from hub.config.settings import read_settings
from hub.config.site import LoadedSite, load_site
from hub.errors import ConfigurationError
from hub.io.typed_yaml import (
    MOST_DEPTH,
    MOST_OCTETS,
    MOST_VALUES,
    StrictModel,
    read_plain,
    read_typed,
)
from hub.targets.http.client import check_address

SITE = f"""\
site: trial
name_zh: 试点
prefix: trial.
partitions: 3
rulebook: {DEPLOY}/rulebooks/national-2026.yaml
calendar: {DEPLOY}/calendars/cn-2007-2026.json
sealing_key_file: secrets/key
departments:
  - id: market
    name_zh: 市场监管局
    authorities: [11330900MA0001018Y]
    states: [licence.granted.v1]
    files: [{{name: files, inbox: inbox/market, results: results/market}}]
  - id: housing
    name_zh: 住建局
    authorities: [11330900MA0002010D]
    states: [licence.granted.v1]
    files: [{{name: files, inbox: inbox/housing, results: results/housing}}]
targets:
  - id: city
    name_zh: 市网站
    number: 1
    kind: http
    role: display
    public: true
    clearance: [public]
    kinds: [licence.granted.v1]
    url: https://city.example
    token_file: secrets/token
"""
SITE_WITH_A_DROP = f"""\
{SITE}\
  - id: nation
    name_zh: 国家
    number: 2
    kind: file
    role: report
    public: false
    clearance: [public]
    kinds: [licence.granted.v1]
    drop:
      folder: drop
      layout: xml
      sender: s
      receiver: r
      departments: {{market: "0015", housing: "0016"}}
      tables: {{licence.granted.v1: "01"}}
"""
SECONDS = 3.0
"""Nothing that a person may write keeps the hub reading for longer."""


class Part(StrictModel):
    """A file of settings, for the reader alone."""

    name: str = ""
    count: int = 0
    share: float = 0.0
    is_on: bool = False
    names: tuple[str, ...] = ()


def site(folder: Path, *changes: tuple[str, str], text: str = SITE) -> LoadedSite:
    """Load the site with these changes."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return load_site(folder)


def refused(folder: Path, octets: bytes, name: str = "part.yaml") -> ConfigurationError:
    """Read a file that must be refused, within its time, and with file and remedy in both words."""
    file = folder / name
    file.write_bytes(octets)
    began = time.process_time()
    with pytest.raises(ConfigurationError) as caught:
        read_typed(file, Part)
    assert time.process_time() - began < SECONDS
    problem = caught.value.problem
    assert problem.file == str(file)
    assert problem.remedy_zh
    assert problem.remedy_en
    return caught.value


def test_the_site_that_is_changed_below_is_a_good_one(tmp_path: Path) -> None:
    """Else every refusal would prove nothing."""
    assert [each.id for each in site(tmp_path).site.departments] == ["market", "housing"]


# --- 1: a key twice ---


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    clearance: [public]\n", "    clearance: [public]\n    clearance: [government]\n", 27),
        ("prefix: trial.\n", 'prefix: trial.\n"prefix": other.\n', 4),
        ("targets:\n", "targets: []\ntargets:\n", 20),
        (
            "{name: files, inbox: inbox/market,",
            "{name: files, name: files, inbox: inbox/market,",
            13,
        ),
    ],
)
def test_a_key_stands_once(tmp_path: Path, old: str, new: str, line: int) -> None:
    """The last one won without a word; a clearance was what stood in the second line."""
    with pytest.raises(ConfigurationError, match="twice") as caught:
        site(tmp_path, (old, new))
    assert caught.value.line == line


def test_a_key_of_a_calendar_stands_once(tmp_path: Path) -> None:
    """JSON's own reader lets the last one win, too."""
    error = refused(tmp_path, b'{\n"name": "a",\n"name": "b"\n}\n', "part.json")
    assert error.line == 3


# --- 2: values of another type ---


@pytest.mark.parametrize(
    "text",
    ["is_on: 1", 'is_on: "true"', 'count: "5"', "count: true", "name: 5"],
)
def test_a_value_is_of_the_type_that_was_asked_for(tmp_path: Path, text: str) -> None:
    """`count: true` was a 1, and a quoted `yes` was true."""
    assert refused(tmp_path, f"names: []\n{text}\n".encode()).line == 2


# --- 3: words that YAML takes for something else ---


@pytest.mark.parametrize("word", ["yes", "010", "0x1F", "1_000", ".inf"])
def test_what_yaml_would_turn_into_something_else_is_refused(tmp_path: Path, word: str) -> None:
    """In a list of texts as much as where a number belongs."""
    assert refused(tmp_path, f"names:\n  - a\n  - {word}\n".encode()).line == 3


def test_days_and_times_are_texts_as_written(tmp_path: Path) -> None:
    """A day is no object of Python's, and 12:30 is not 750 minutes."""
    file = tmp_path / "part.yaml"
    file.write_text("names: [2026-03-01, 12:30, 2026-02-30]\n", encoding="utf-8")
    assert read_typed(file, Part).names == ("2026-03-01", "12:30", "2026-02-30")


@pytest.mark.parametrize("day", ["2026-02-30", "2026-3-1", '"20260301"', '""', "never"])
def test_a_day_exists(tmp_path: Path, day: str) -> None:
    """`clock_from: 2026-02-30` ended in a traceback."""
    with pytest.raises(ConfigurationError, match="clock_from") as caught:
        site(tmp_path, ("    kind: http\n", f"    kind: http\n    clock_from: {day}\n"))
    assert caught.value.line == 24


# --- 4: characters nobody sees ---


@pytest.mark.parametrize(
    "octets",
    [
        b"name: a\x00b", b'name: "a\\0b"', b"name: a\x1bb", "name: a\u202eb".encode(),
        b'name: "\\u200b"',
    ],
)  # fmt: skip
def test_a_character_that_nobody_sees_is_refused(tmp_path: Path, octets: bytes) -> None:
    """As it stands and as an escape; a NUL in a path was a traceback."""
    error = refused(tmp_path, b"count: 1\n" + octets + b"\n")
    assert error.line == 2
    assert "U+" in str(error)


def test_a_mistake_in_json_has_its_line(tmp_path: Path) -> None:
    """As one in YAML has."""
    assert refused(tmp_path, b'{"name": "a",\n"names": [],\n"count": "5"}', "part.json").line == 3


@pytest.mark.parametrize(
    "octets", [b"name: \xd6\xd0\xce\xc4", b'name: "\\ud800"', b'name: "\\UFFFFFFFF"']
)
def test_what_is_no_text_is_refused(tmp_path: Path, octets: bytes) -> None:
    """GBK from a Windows editor, half a character, and one beyond all."""
    refused(tmp_path, b"count: 1\n" + octets + b"\n")


@pytest.mark.parametrize(
    ("escape", "name"),
    [
        (r"\u0000", "U+0000"), (r"\u202e", "U+202E"), (r"\ud800", "U+D800"), (r"\b", "U+0008"),
        (r"\udb40\udc41", "U+E0041"),
    ],
)  # fmt: skip
def test_an_escape_of_json_brings_in_nothing_that_nobody_sees(
    tmp_path: Path, escape: str, name: str
) -> None:
    """In a key and in a text; in a list that Windows indented with tabs the line is known, too."""
    for part in (f'"name": "a{escape}"', f'"na{escape}me": ""', f'"names": ["\\\\", "{escape}"]'):
        error = refused(tmp_path, f'{{\n\t"count": 1,\n\t{part}}}'.encode(), "part.json")
        assert error.line == 3
        assert name in str(error)
    with pytest.raises(ConfigurationError):
        read_plain(tmp_path / "part.json")


def test_what_json_escapes_for_good_is_text(tmp_path: Path) -> None:
    """Line ends, quotes, a backslash before a `u`, and a character of two halves."""
    file = tmp_path / "part.json"
    file.write_bytes(rb'{"name": "\ud840\udc00\n\"\\u202e\/\u4e2d", "names": ["NaN", "[["]}')
    assert read_typed(file, Part) == Part(name='\U00020000\n"\\u202e/中', names=("NaN", "[["))


# --- 5: numbers without end ---


@pytest.mark.parametrize(
    "octets",
    [
        b"count: " + b"9" * 5000,
        b"share: 1e999",
        b"share: 0." + b"1" * 5000,
        b"%YAML " + b"1" * 5000,
    ],
)  # fmt: skip
def test_a_number_is_bounded(tmp_path: Path, octets: bytes) -> None:
    """5,000 digits were a traceback of Python's."""
    refused(tmp_path, octets + b"\n")


def test_a_number_of_a_calendar_is_bounded(tmp_path: Path) -> None:
    """JSON has numbers without end, too, and what it calls NaN."""
    assert refused(tmp_path, b'{"count":\n' + b"9" * 5000 + b"}", "part.json").line == 2
    refused(tmp_path, b'{"share": NaN}', "part.json")


# --- 6: depth ---


@pytest.mark.parametrize(
    "octets", [b"[" * 200_000, b"{a: " * 200_000, b"- " * 200_000, b"? " * 200_000]
)
def test_depth_is_bounded(tmp_path: Path, octets: bytes) -> None:
    """No recursion error, and no minutes."""
    assert str(MOST_DEPTH) in str(refused(tmp_path, octets)) or b"?" in octets


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (b'{"count": 1,\n"count": 2}', 2), (b'{"share":\n\t1e400}', 2), (b'{"name":\nNaN}', 2),
        (b'{"share":\n-Infinity}', 2), (b'{"name":\n1__0}', 2), (b'{"name":\n"a\\x"}', 2),
        (b'{"name":\nabc}', 2), (b"{'name': 1}", 1), (b'{"name": "",\n}', 2), (b'{"name":\n"a', 2),
        (b'{"nmae":\n"a"}', 1), (b'{"count":\n"1"}', 1), (b'{"name": "a"}\n{}', 2),
    ],
)  # fmt: skip
def test_a_json_file_is_json_by_the_same_rules(tmp_path: Path, octets: bytes, line: int) -> None:
    """What only YAML would take is refused there: `NaN` was a text."""
    assert refused(tmp_path, octets, "part.json").line == line


def test_a_text_without_an_end_is_read_once(tmp_path: Path) -> None:
    """Half a million escaped quotes, each of which looked like the beginning of another text."""
    refused(tmp_path, b'{"name": "' + b'\\"' * 500_000, "part.json")


def test_a_business_clock_is_read_by_the_same_rules(tmp_path: Path) -> None:
    """A scripted clock of a test site; a list in it was a traceback."""
    file = tmp_path / "clock.json"
    write_business_clock(file, 5, 0.0)
    assert FileBusinessClock(file).now() == 5
    good = file.read_text("utf-8")
    for bad in ("[]", good.replace(": 5", ": 1e400"), good.replace(": 5", ": NaN"), good * 2):
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(ConfigurationError) as caught:
            FileBusinessClock(file).now()
        assert caught.value.problem.file == str(file)


def test_depth_is_counted_alike_in_json_and_yaml(tmp_path: Path) -> None:
    """As deep as may be, and one deeper, in the line where it is."""
    for name in ("part.json", "part.yaml"):
        file = tmp_path / name
        file.write_text("[" * MOST_DEPTH + '"x"' + "]" * MOST_DEPTH, encoding="utf-8")
        assert isinstance(read_plain(file), list)
        file.write_text("[\n" * 33 + '"x"' + "]" * 33, encoding="utf-8")
        with pytest.raises(ConfigurationError, match="32"):
            read_plain(file)


def test_depth_of_a_calendar_is_bounded(tmp_path: Path) -> None:
    """JSON's own reader recurses until Python stops it."""
    refused(tmp_path, b"[" * 200_000, "part.json")


# --- 7: size, and what is no file ---


def test_a_file_is_of_bounded_size(tmp_path: Path) -> None:
    """Nobody writes a megabyte of settings; a wrong path leads to a table."""
    refused(tmp_path, b"#" * (MOST_OCTETS + 1))


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "nothing"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, what: str) -> None:
    """A pipe without a writer waits for ever, a device never ends."""
    file = tmp_path / "part.yaml"
    if what == "pipe":
        os.mkfifo(file)
    elif what == "device":
        file.symlink_to("/dev/zero")
    elif what == "folder":
        file.mkdir()
    with pytest.raises(ConfigurationError):
        read_typed(file, Part)


# --- 8: aliases and merge keys ---


def test_a_bomb_of_aliases_ends(tmp_path: Path) -> None:
    """Forty lists, each twice the one before."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    assert "TOO_MANY_VALUES" in str(refused(tmp_path, "\n".join(lines).encode()))
    text = b"name: &a " + b"x" * 1_000 + b"\nnames: [" + b"*a, " * 5_000 + b"b]"
    assert "written out" in str(refused(tmp_path, text))


def filled(begin: bytes, unit: bytes, end: bytes) -> bytes:
    """A file as large as one may be."""
    return begin + unit * ((MOST_OCTETS - len(begin) - len(end)) // len(unit)) + end


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (filled(b"names: [", b"a,", b"a]"), "part.yaml"),
        (filled(b"names: [", b"{},", b"a]"), "part.yaml"),
        (filled(b"names:\n", b"-\n", b""), "part.yaml"),
        (filled(b"names: [", b"a: b,", b"a]"), "part.yaml"),
        (filled(b"name: &a b\nnames: [", b"*a,", b"a]"), "part.yaml"),
        (filled(b"name: &a b\nnames: [", b"&a b,", b"a]"), "part.yaml"),
        (b"".join(b"k%d: 1\n" % n for n in range(80_000)), "part.yaml"),
        (filled(b'{"names":[', b"1,", b"1]}"), "part.json"),
        (filled(b'{"names":[', b"[],", b"1]}"), "part.json"),
        (filled(b'{"names":{', b'"":1,', b'"a":1}}'), "part.json"),
    ],
    ids=[
        "list", "maps", "block", "pairs", "aliases", "anchors", "keys", "json", "json lists",
        "json keys",
    ],
)  # fmt: skip
def test_keys_and_values_are_counted(tmp_path: Path, octets: bytes, name: str) -> None:
    """A list of a megabyte has half a million of them, and took longer than all the rest.

    In JSON each was an error, and then the whole was read as YAML for the line of the first.
    """
    assert "TOO_MANY_VALUES" in str(refused(tmp_path, octets, name))


def test_values_are_counted_alike_in_json_and_yaml(tmp_path: Path) -> None:
    """The last that is taken; with its list, its key and the whole."""
    most = MOST_VALUES - 3
    for name in ("part.json", "part.yaml"):
        text = '{"names": [' + ", ".join(['"a"'] * most) + "]}"
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert len(read_typed(tmp_path / name, Part).names) == most
        refused(tmp_path, text.replace("[", '["a", ').encode(), name)


@pytest.mark.parametrize("name", ["part.json", "part.yaml"])
def test_as_many_mistakes_as_there_may_be_values_are_told_in_time(
    tmp_path: Path, name: str
) -> None:
    """The first of them, with its line."""
    text = b'{"name": "", "names":\n[' + b"1," * (MOST_VALUES - 8) + b"1]}"
    assert refused(tmp_path, text, name).line == 2


@pytest.mark.parametrize(
    "octets",
    [
        filled(b"name: a", b"\n ", b"b"), filled(b'name: "', b"a\n", b'"'),
        filled(b"", b"#\n", b""), filled(b"name: |\n", b" a\n", b""),
        filled(b'name: "', b"\\x41", b'"'),
    ],
    ids=["lines", "quoted lines", "comments", "block", "escapes"],
)  # fmt: skip
def test_a_megabyte_of_one_text_is_read_in_time(tmp_path: Path, octets: bytes) -> None:
    """Text that is not counted costs no more than its octets."""
    (tmp_path / "part.yaml").write_bytes(octets)
    began = time.process_time()
    read_plain(tmp_path / "part.yaml")
    assert time.process_time() - began < SECONDS


def test_a_bomb_of_merges_ends(tmp_path: Path) -> None:
    """It had no end: each mapping merges the one before nine times."""
    lines = ["a0: &a0 {k0: 1}"]
    lines += [f"a{n}: &a{n}\n  <<: [{', '.join(['*a' + str(n - 1)] * 9)}]" for n in range(1, 12)]
    error = refused(tmp_path, "\n".join(lines).encode())
    assert error.line == 3


@pytest.mark.parametrize("octets", [b"names: &a [*a]", b"name: *nobody", b"names: &a {b: *a}"])
def test_an_alias_stands_for_something_else_that_is_whole(tmp_path: Path, octets: bytes) -> None:
    """A list that holds itself has no end."""
    refused(tmp_path, octets)


def test_an_alias_stands_for_what_was_written(tmp_path: Path) -> None:
    """The shipped site names its kinds once."""
    file = tmp_path / "part.yaml"
    file.write_text("- &some [a, b]\n- *some\n", encoding="utf-8")
    assert read_plain(file) == [["a", "b"], ["a", "b"]]


# --- 9: tags, keys and documents ---


@pytest.mark.parametrize(
    "octets",
    [
        b"name: !!python/object/apply:os.system [true]", b"name: !!binary aGE=", b"? [a]\n: b",
        b"count: 1\n---\ncount: 2", b"name: a\n\tcount: 1",
    ],
)  # fmt: skip
def test_what_is_not_plain_is_refused(tmp_path: Path, octets: bytes) -> None:
    """Tags, lists as keys, a second document, tabs."""
    refused(tmp_path, octets)


@pytest.mark.parametrize("octets", [b"", b"# nothing", b"[]", b"text", b"null"])
def test_a_file_holds_keys_and_values(tmp_path: Path, octets: bytes) -> None:
    """An empty file was `None` in the message, at line 0."""
    assert refused(tmp_path, b"" + octets).line == 1 or octets.startswith(b"#")


# --- 10: folders ---


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("inbox: inbox/housing", "inbox: inbox/market"),
        ("results: results/housing", "results: inbox/market/done"),
        ("inbox: inbox/housing", "inbox: inbox"),
        ("inbox: inbox/housing", "inbox: other/../inbox/market"),
        ("inbox: inbox/housing", "inbox: secrets"),
    ],
)
def test_folders_are_one_party_s_each(tmp_path: Path, old: str, new: str) -> None:
    """Else one department reads or overwrites what is another's; the line is named."""
    with pytest.raises(ConfigurationError, match="one folder, or one lies in the other") as caught:
        site(tmp_path, (old, new))
    assert caught.value.line in {13, 18}


@pytest.mark.parametrize(
    "changes",
    [
        [(f"rulebook: {DEPLOY}/rulebooks", "rulebook: inbox/housing/rulebooks")],
        [(f"calendar: {DEPLOY}/calendars", "calendar: results/housing")],
        [("partitions: 3\n", "partitions: 3\nbusiness_clock: inbox/housing/clock\n")],
        [("results/market}", "results/market, mapping: inbox/housing/deep/map.yaml}")],
        [
            (
                "    files: [{name: files, inbox: inbox/market, results: results/market}]\n",
                "    databases: [{name: table, file: results/housing/table.yaml}]\n",
            )
        ],
        [("inbox: inbox/housing", f"inbox: {DEPLOY}")],
    ],
    ids=["rulebook", "calendar", "clock", "mapping", "database", "around"],
)
def test_no_department_may_write_what_the_site_reads(
    tmp_path: Path, changes: list[tuple[str, str]]
) -> None:
    """Whoever writes the rulebook or a mapping says what becomes of everybody's rows."""
    with pytest.raises(ConfigurationError, match="one folder, or one lies in the other"):
        site(tmp_path, *changes)


def test_folders_are_compared_where_files_land(tmp_path: Path) -> None:
    """A link makes two names of one folder."""
    (tmp_path / "inbox" / "market").mkdir(parents=True)
    (tmp_path / "inbox" / "housing").symlink_to("market")
    with pytest.raises(ConfigurationError, match="one folder"):
        site(tmp_path)


@pytest.mark.parametrize(
    "folder",
    [
        "/", "/etc", "/etc/hub/inbox", "/proc/self", "/usr/local/share/inbox", "/var/lib", "/home",
        "~", f"{ROOT}", f"{ROOT}/hub/adapters", f"{ROOT.parent}", "link/hub",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "old", ["inbox: inbox/housing", "results: results/housing", "folder: drop"]
)
def test_a_folder_of_the_system_is_nobody_s_inbox(tmp_path: Path, folder: str, old: str) -> None:
    """What lies there would be moved away, or read as a department's; links are followed."""
    (tmp_path / "link").symlink_to("/etc")
    key, _, _ = old.partition(": ")
    place = str(Path(folder).expanduser())
    with pytest.raises(ConfigurationError, match=f"SYSTEM_FOLDER: {re.escape(place)} is") as caught:
        site(tmp_path, (old, f"{key}: {place}"), text=SITE_WITH_A_DROP)
    assert caught.value.line in {18, 39}
    assert caught.value.problem.remedy_en


@pytest.mark.parametrize(
    "folder",
    [
        "/srv/market", "/var/lib/hub/inbox", "/data", "/mnt/exchange", "~/exchange/inbox",
        "/etcetera", "/opt/exchange", f"{DEPLOY}/sites/mine/inbox",
    ],
)  # fmt: skip
def test_a_folder_made_for_it_is_one(tmp_path: Path, folder: str) -> None:
    """Wherever an operator puts it, also in the home of an account or beside a site that ships."""
    place = Path(folder).expanduser()
    loaded = site(tmp_path, ("inbox: inbox/housing", f"inbox: {place}"))
    assert loaded.site.departments[1].files[0].inbox == place


def test_an_inbox_may_lie_in_the_site_folder_wherever_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In /etc/hub/site, where a site that is installed has its folder; not beside it."""
    monkeypatch.setattr("hub.config.site._OF_THE_SYSTEM", (str(tmp_path.parent),))
    assert len(site(tmp_path).site.departments) == 2
    with pytest.raises(ConfigurationError, match="SYSTEM_FOLDER"):
        site(tmp_path, ("inbox: inbox/housing", "inbox: ../beside"))


# --- 11: who speaks for whom, and what there is ---


@pytest.mark.parametrize(
    "code", ['"*"', "11330900MA000101*", "11330900MA0001018X", '"11330900MA0001018Y "', '""']
)
def test_an_authority_is_one_authority(tmp_path: Path, code: str) -> None:
    """Nothing stands for all of them, and a wrong check character for none."""
    with pytest.raises(ConfigurationError, match="credit code") as caught:
        site(tmp_path, ("[11330900MA0001018Y]", f"[{code}]"))
    assert caught.value.line == 11


def test_a_target_shows_kinds_there_are(tmp_path: Path) -> None:
    """A misspelt kind was shown nowhere, without a word."""
    with pytest.raises(ConfigurationError, match=r"no kind of record licence\.grant") as caught:
        site(tmp_path, ("kinds: [licence.granted.v1]", "kinds: [licence.grant.v1]"))
    assert caught.value.line == 27


BAD: Final = {
    "plain http": ("https://city.example", "http://city.example", "must be https"),
    "no address": ("    url: https://city.example\n", "", "lacks settings: url"),
    "no token": ("    token_file: secrets/token\n", "", "lacks settings: token_file"),
    "no drop": ("    kind: http\n", "    kind: file\n", "lacks settings: drop"),
    "acts for nobody": (
        "    authorities: [11330900MA0002010D]\n",
        "    authorities: [11330900MA0002010D]\n    may_act_on: [markt]\n",
        "no department markt",
    ),
}  # fmt: skip
DOORS: Final = (
    "topics plan", "topics apply", "basis plan", "basis adopt", "deploy render --to {folder}/out",
    "deploy list", "backup create --to {folder}/out", "audit verify", "doctor", "run registrar",
    "run courier city", "connector",
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), BAD.values(), ids=BAD)
def test_what_one_command_refuses_every_command_does(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    """Some of it was found by the courier alone, when it was started; a basis had it by then."""
    with pytest.raises(ConfigurationError):
        site(tmp_path, (old, new))
    for door in DOORS:
        words = [*door.format(folder=tmp_path).split(), "--site", str(tmp_path)]
        refused = CliRunner(env={"HUB_STATE": str(tmp_path / "state")}).invoke(command_line, words)
        assert refused.exit_code == 2, door
        assert said in refused.output, door
        assert "Remedy" in refused.output, door
    assert sorted(each.name for each in tmp_path.iterdir()) == ["site.yaml"]


def test_a_drop_has_a_code_for_each_department_and_kind(tmp_path: Path) -> None:
    """A file's name is made of them."""
    assert site(tmp_path, text=SITE_WITH_A_DROP).site.targets[1].drop is not None
    with pytest.raises(ConfigurationError, match=r"departments of target nation lacks housing"):
        site(tmp_path, (', housing: "0016"', ""), text=SITE_WITH_A_DROP)
    with pytest.raises(ConfigurationError, match=r"lacks settings: licence\.granted\.v1"):
        site(tmp_path, ('{licence.granted.v1: "01"}', "{}"), text=SITE_WITH_A_DROP)


# --- 12: addresses ---


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@city.example", "https://city.example/?token=secret",
        "https://city.example\\\\@evil.example", "https://city.example/#secret",
        "https://city.example:port/secret",
    ],
)  # fmt: skip
def test_an_address_holds_no_secret_and_one_host(tmp_path: Path, url: str) -> None:
    """Refused where the site is read, and the message does not repeat it."""
    with pytest.raises(ConfigurationError, match="token_file") as caught:
        site(tmp_path, ("url: https://city.example", f'url: "{url}"'))
    assert caught.value.line == 28
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigurationError):
        check_address(url.replace("\\\\", "\\"))


# --- 13: ports ---


def test_two_parts_have_two_ports() -> None:
    """The second one would say that its port is taken, and by whom nobody knows."""
    with pytest.raises(ConfigurationError, match="HUB_KAFKA_PORT"):
        read_settings({"HUB_KAFKA_PORT": "9100", "HUB_POSTGRES_PORT": "9100"})


@pytest.mark.parametrize("slots", ["[[0, 1, 2], []]", "[[0], [0, 1, 2]]", "[[0, 1]]"])
def test_slots_have_partitions_of_their_own(tmp_path: Path, slots: str) -> None:
    """Each slot is a worker with a port; three hundred empty ones would reach another's."""
    with pytest.raises(ConfigurationError, match="slots"):
        site(tmp_path, ("partitions: 3\n", f"partitions: 3\nslots: {slots}\n"))


# --- rules and calendars ---


@pytest.mark.parametrize("name", ["rulebook", "calendar"])
def test_rules_and_calendar_are_read_as_strictly(tmp_path: Path, name: str) -> None:
    """They were read by another reader, and their faults were pydantic's own."""
    suffix = "yaml" if name == "rulebook" else "json"
    file = tmp_path / f"wrong.{suffix}"
    file.write_text('{"version": "a",\n "version": "b"}\n', encoding="utf-8")
    line = next(line for line in SITE.splitlines() if line.startswith(name))
    loaded = site(tmp_path, (line, f"{name}: {file}"))
    with pytest.raises(ConfigurationError, match="twice") as caught:
        basis_document(loaded)
    assert (caught.value.file, caught.value.line) == (str(file), 2)
    file.write_text('{"version": "a"}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="missing key"):
        basis_document(loaded)
