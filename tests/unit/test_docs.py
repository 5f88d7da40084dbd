"""The documents say what the code does: commands, workers, topics, decisions, samples, links."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

import demo.readme as samples
from hub.cli import COMMANDS, CommandFile, hub
from hub.config.repository import DEPLOY, ROOT, SCHEMAS, TOPICS
from tools import commands_page

README = ROOT / "README.md"
README_ZH = ROOT / "README.zh-CN.md"
LONGEST_README = 150
"""Lines that a stranger reads to the end; what is longer is a page of its own."""
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
ADRS = ROOT / "docs" / "adr"
PAGES = (
    README,
    README_ZH,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "demo" / "README.md",
)
IN_CHINESE = [
    path
    for path in sorted((ROOT / "docs").glob("*.zh-CN.md"))
    if path.with_name(path.name.replace(".zh-CN.md", ".md")).exists()
]
"""Pages beside an English one, for an operator who reads none; others are Chinese alone."""
_ENGLISH = re.compile(r"[A-Za-z][A-Za-z0-9 ',;.\-]{11,}")
_COMMENT = re.compile(r"(^|\s)(#|--) .*$")
_MARK = re.compile(r"#+(?= )|\||\d+\.(?= )|-(?= )")
"""What begins a heading, a row of a table, a step, a point."""


@cache
def text(path: Path) -> str:
    """A page."""
    return path.read_text(encoding="utf-8")


def subcommands(entry: CommandFile) -> list[str]:
    """The commands of a group, or nothing."""
    command = hub.get_command(click.Context(hub), entry.name)
    return sorted(command.commands) if isinstance(command, click.Group) else []


@pytest.mark.parametrize("page", [README, README_ZH], ids=lambda page: page.name)
def test_a_readme_is_read_to_its_end(page: Path) -> None:
    """The duty, the promise, the path, two commands, a glimpse of a run, limits, links."""
    assert len(text(page).splitlines()) <= LONGEST_README


def test_the_page_of_commands_is_what_their_help_says() -> None:
    """docs/commands.md is what `python -m tools.commands_page` prints."""
    assert text(COMMANDS_PAGE) == commands_page.document()


def test_the_page_of_commands_has_every_command_and_option() -> None:
    """Each command and sub-command has its heading; each option a person may give its row."""
    page = text(COMMANDS_PAGE)
    parts = {part.split("\n", 1)[0]: part for part in re.split(r"^#+ ", page, flags=re.MULTILINE)}
    for entry in COMMANDS:
        command = hub.get_command(click.Context(hub), entry.name)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else {}
        for name, each in (
            (entry.name, command),
            *((f"{entry.name} {n}", c) for n, c in below.items()),
        ):
            for option in each.params:
                assert (
                    not isinstance(option, click.Option) or option.opts[0] in parts[f"hub {name}"]
                )


def test_a_page_beside_a_command_is_beside_one_there_is() -> None:
    """A command that was renamed would lose its link and nobody would notice."""
    known = {context.command_path for _command, context in commands_page.documented()}
    assert set(commands_page.SEE) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_a_page_names_is_there(page: Path) -> None:
    """A command that was renamed must not live on in the documents."""
    known = {entry.name: subcommands(entry) for entry in COMMANDS}
    for name, following in re.findall(r"(?:`|\./run )hub ([a-z]+)(?: ([a-z][a-z-]*))?", text(page)):
        assert name in known, f"hub {name}"
        if following and known[name]:
            assert following in known[name], f"hub {name} {following}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Files exist, and headings behind `#` do too."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def anchors(path: Path) -> set[str]:
    """Headings as a forge links to them: lower case, blanks to hyphens, other signs dropped."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_named_in_a_page_exist(page: Path) -> None:
    """A path in back quotes that begins with a folder of ours is a path."""
    folders = "hub|connectors|standins|tests|topics|deploy|avro_schemas|demo|bench|docs"
    for name in re.findall(rf"`((?:{folders})/[\w./\-]*)`", text(page)):
        assert (ROOT / name).exists(), name


def test_every_decision_is_listed_and_numbered() -> None:
    """A decision nobody can find is taken again, the other way."""
    found = sorted(ADRS.glob("*.md"))
    assert [path.name[:5] for path in found] == [f"{n:04}-" for n in range(1, len(found) + 1)]
    for path in found:
        assert f"adr/{path.name}" in text(ROOT / "docs" / "architecture.md"), path.name


@pytest.mark.parametrize("path", sorted(ADRS.glob("*.md")), ids=lambda path: path.stem[:4])
def test_a_decision_says_why_and_what_was_rejected(path: Path) -> None:
    """One page: its number, then context, decision, consequences, rejected."""
    assert text(path).startswith(f"# {path.name[:4]} ")
    headings = re.findall(r"^## (.+)$", text(path), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Rejected"]
    assert len(text(path).splitlines()) <= 80


def test_every_worker_is_documented() -> None:
    """An operator must know what to start: architecture says what it does, operating how."""
    (entry,) = (entry for entry in COMMANDS if entry.name == "run")
    for name in (*subcommands(entry), "connector"):
        for page in ("architecture.md", "operating.md"):
            command = "hub connector" if name == "connector" else f"hub run {name}"
            assert command in text(ROOT / "docs" / page), f"docs/{page}: {command}"


def test_the_layers_on_the_page_are_those_that_are_enforced() -> None:
    """In the order of `pyproject.toml`; a module that nobody finds on the page is put anywhere."""
    project = tomllib.loads(text(ROOT / "pyproject.toml"))
    (contract,) = (c for c in project["tool"]["importlinter"]["contracts"] if c["id"] == "layers")
    page = text(ROOT / "docs" / "architecture.md")
    (shown,) = re.findall(r"^```\n(cli .*?)^```$", page, re.MULTILINE | re.DOTALL)
    said = [re.split(r" {2,}", line)[0].strip() for line in shown.splitlines()]
    assert said == [layer for layer in contract["layers"] if layer != "__main__"]


def test_every_folder_is_on_the_page() -> None:
    """A newcomer looks there for what a folder is for."""
    page = text(ROOT / "docs" / "architecture.md")
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"}
    known = {"hub", "connectors", "docs", "build", "dist"}  # elsewhere on the page, or built
    assert {name for name in folders - known if f"`{name}/" not in page} == set()


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_is_reached_from_the_readme(page: Path) -> None:
    """By links alone, over however many pages."""
    seen, ahead = set(), [README]
    while ahead:
        one = ahead.pop()
        if one in seen or one.suffix != ".md":
            continue
        seen.add(one)
        targets = re.findall(r"\]\(([^)#\s]+)", text(one))
        found = ((one.parent / each).resolve() for each in targets if ":" not in each)
        ahead += [each for each in found if each.is_file()]
    assert page in seen


@pytest.mark.parametrize("path", sorted(TOPICS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_topic_is_linked_from_the_architecture(path: Path) -> None:
    """A topic without a place in the picture is read by nobody."""
    assert f"(../topics/{path.name})" in text(ROOT / "docs" / "architecture.md")


def test_every_kind_rulebook_and_calendar_is_in_the_changelog() -> None:
    """Auditors learn from it which contracts and rules a version has."""
    page = text(ROOT / "CHANGELOG.md")
    assert re.search(r"^## \[(Unreleased|0\.1\.0)\]", page, re.MULTILINE)
    for path in SCHEMAS.glob("*.v[0-9]*.avsc"):
        assert path.name.removesuffix(".avsc") in page, path.name
    for path in (*DEPLOY.glob("rulebooks/*.yaml"), *DEPLOY.glob("calendars/*.json")):
        assert path.stem in page, path.name


@pytest.mark.parametrize("page", samples.PAGES, ids=lambda page: page.name)
def test_samples_in_a_page_are_the_files(page: Path) -> None:
    """Run `.venv/bin/python -m demo.readme`; nobody mends a sample by hand."""
    assert samples.used_in(page)
    assert text(page) == samples.filled(text(page))


def test_every_section_of_the_demo_is_shown() -> None:
    """A section that the demo gains must not be missing from the tour."""
    page = ROOT / "docs" / "demo-run.md"
    for name in samples.sections(text(samples.SAMPLES / "demo.txt")):
        assert f"<!-- sample: docs/samples/demo.txt § {name} -->" in text(page)


def test_a_glimpse_shows_the_kill_the_return_the_end_and_the_checks() -> None:
    """Twelve lines for a stranger, each as the demo printed it, in its order."""
    printed = text(samples.SAMPLES / "demo.txt")
    shown = samples.glimpse(samples.sections(printed)).splitlines()
    places = [printed.splitlines().index(line) for line in shown]
    assert places == sorted(places)
    for words in ("kill -9", "is back at work", "办结 end", "audit verify", "audit replay"):
        assert sum(words in line for line in shown) == 1, words


def test_an_offline_sample_is_what_the_command_prints() -> None:
    """The one that depends on nothing but the repository is run again."""
    name = "explain-deadline.txt"
    assert text(samples.SAMPLES / name) == samples.run(*samples.OFFLINE[name])


def english_of(page: Path) -> Path:
    """The page that a Chinese one says the same as."""
    return page.with_name(page.name.replace(".zh-CN.md", ".md"))


def skeleton(page: Path) -> list[str]:
    """Headings by level, code but for its comments, rows, points and paragraphs, in their order."""
    found, is_code, before = [], False, ""
    for line in text(page).splitlines():
        said = line.strip()
        if said.startswith("```"):
            is_code = not is_code
            found.append(said)
        elif is_code:
            found.append(_COMMENT.sub(r"\1\2", line))
        elif mark := _MARK.match(said):
            found.append(mark[0])
        elif said and not before:
            found.append("paragraph")
        before = said
    return found


def code_spans(page: Path) -> list[tuple[str, set[str]]]:
    """For each heading, what stands in back quotes under it: commands, options, files, metrics."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text(page), flags=re.MULTILINE | re.DOTALL)
    return [
        (
            part.partition("\n")[0],
            {" ".join(span.split()) for span in re.findall(r"`([^`]+)`", part)},
        )
        for part in re.split(r"^#+ ", prose, flags=re.MULTILINE)[1:]
    ]


def test_what_an_operator_needs_is_there_in_chinese() -> None:
    """To run a site, to install it, to connect a department's table."""
    names = {page.name.removesuffix(".zh-CN.md") for page in IN_CHINESE}
    assert names >= {"operating", "deploying", "database-sources"}


@pytest.mark.parametrize("page", IN_CHINESE, ids=lambda page: page.name)
def test_a_chinese_page_is_built_as_its_english_one(page: Path) -> None:
    """What one page gains, the other gains: headings, steps, rows, paragraphs; code is the same."""
    assert skeleton(page) == skeleton(english_of(page))


@pytest.mark.parametrize("page", IN_CHINESE, ids=lambda page: page.name)
def test_a_chinese_page_names_what_its_english_one_names(page: Path) -> None:
    """Commands, options, files and metrics, heading by heading; nobody translates those."""
    for (title, named), (english, wanted) in zip(
        code_spans(page), code_spans(english_of(page)), strict=True
    ):
        assert named == wanted, f"{title} / {english}"


@pytest.mark.parametrize("page", IN_CHINESE, ids=lambda page: page.name)
def test_a_chinese_page_and_its_english_one_name_each_other_at_the_top(page: Path) -> None:
    """Above the first heading of a section; and the Chinese README leads to the Chinese page."""
    english = english_of(page)
    assert f"English: [{english.name}]({english.name})" in text(page).split("\n## ")[0]
    assert f"中文：[{page.name}]({page.name})" in text(english).split("\n## ")[0]
    assert f"(docs/{page.name})" in text(README_ZH)


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Place and call of every error that ends a worker or a source."""
    for path in sorted((*(ROOT / "hub").rglob("*.py"), *(ROOT / "connectors").rglob("*.py"))):
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {
                "IntegrityError", "FencedError", "SourceError", "UnavailableError",
            }:  # fmt: skip
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_message_that_stops_a_worker_has_its_remedy() -> None:
    """Put the message and what to do into docs/operating.md, under *When a worker stops*."""
    page = re.sub(r"\s+", " ", text(ROOT / "docs" / "operating.md"))
    missing = {}
    for place, call in raised():
        phrases = [
            phrase.strip(" ,.;'")
            for each in ast.walk(call)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
            for phrase in _ENGLISH.findall(each.value)
            if not phrase.startswith("Remedy")
        ]
        if phrases and not any(phrase in page for phrase in phrases):
            missing[place] = phrases[:3]
    assert missing == {}


def first_words(call: ast.Call) -> str:
    """What a message begins with, up to its first break, with … for each value in it."""
    message = call.args[0] if call.args else None
    parts = message.values if isinstance(message, ast.JoinedStr) else [message]
    said = "".join(
        str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts if part
    )
    return re.split(r"[：（；，\n]| / ", said)[0]


def test_every_message_that_stops_a_worker_has_its_remedy_in_chinese() -> None:
    """Its first words, with … for what differs, in docs/operating.zh-CN.md at the same place."""
    page = text(ROOT / "docs" / "operating.zh-CN.md")
    said = {place: first_words(call) for place, call in raised()}
    assert {place: words for place, words in said.items() if words not in page} == {}


def test_what_is_said_of_security_names_the_test_that_tried_it() -> None:
    """Each paragraph and point of docs/security.md, but for what is not there yet."""
    for section in text(ROOT / "docs/security.md").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title == "Not there yet":
            continue
        points = re.split(r"\n\n|\n(?=- )", re.sub(r"^(#|\|).*$", "", body, flags=re.MULTILINE))
        for point in filter(str.strip, points):
            named = re.findall(r"`(tests/[\w/.]+)`", point)
            assert named or point.rstrip().endswith(":"), f"{title}: {point.strip()[:80]}"
            assert all((ROOT / path).exists() for path in named), named
