"""The samples in both READMEs and docs/demo-run.md: taken from real runs, put in by this program.

    python -m demo.readme            put docs/samples/*.txt into the pages
    python -m demo.readme --take     run the commands and the demo first, and keep what they print

A block in a page stands between `<!-- sample: docs/samples/demo.txt -->` and `<!-- /sample -->`;
with ` § departments` behind the file's name it is the section whose title holds that word, with
` § glimpse` twelve of its lines. A test compares blocks and files: nobody mends one by hand.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from hub.config.repository import ROOT

PAGES: Final = (ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "docs" / "demo-run.md")
SAMPLES: Final = ROOT / "docs" / "samples"

OFFLINE: Final[dict[str, tuple[str, ...]]] = {
    "explain-deadline.txt": (
        "hub", "explain", "deadline", "--kind", "penalty.imposed.v1", "--decided-on", "2026-09-24",
    ),
    "validate.txt": (
        "hub", "validate", "--kind", "licence.granted.v1",
        "demo/dataset/inbox/ecology-environment/licences/20260921T1026-licences.csv",
    ),
}  # fmt: skip
"""Samples that need no broker, by file: arguments of `./run`."""

_BLOCK: Final = re.compile(
    r"(<!-- sample: (?P<file>[\w./-]+)(?: § (?P<section>[^>]+?))? -->\n).*?(<!-- /sample -->)",
    re.DOTALL,
)
_TRACE: Final = re.compile(r"^ +\./run (hub trace --document '([^']+)')", re.MULTILINE)
_PROGRESS: Final = "progress"
"""The part of the demo's output before its first section."""
_GLIMPSE: Final = "glimpse"
_KILLED: Final = "kill -9"
_IS_BACK: Final = "is back at work"
_GLIMPSED_CHECKS: Final = (
    "read = sum of outcomes", "the book of nation equals the ledger", "hub audit verify",
    "hub audit replay",
)  # fmt: skip


def filled(text: str) -> str:
    """A page with every block as its sample file is now. Raises `KeyError` for no section."""
    return _BLOCK.sub(_block, text)


def _block(found: re.Match[str]) -> str:
    content = (ROOT / found["file"]).read_text(encoding="utf-8")
    if found["section"] is not None:
        parts = sections(content)
        content = glimpse(parts) if found["section"] == _GLIMPSE else parts[found["section"]]
    return f"{found[1]}```text\n{content.strip(chr(10))}\n```\n{found[4]}"


def sections(text: str) -> dict[str, str]:
    """The demo's output by section: the English words of each title, `progress` before the first.

    A title is a line `── 部门 departments`; its key is what stands between 中文 and any bracket.
    """
    parts = re.split(r"^── ", text, flags=re.MULTILINE)
    named = {_PROGRESS: parts[0]}
    for part in parts[1:]:
        title = part.split("\n", 1)[0]
        words = re.search(r"[a-z][a-z ]+", title)
        if words is not None:
            named[words[0].strip()] = f"── {part}"
    return named


def glimpse(parts: dict[str, str]) -> str:
    """Twelve lines of a demo: the days about the kill, how it ended, and what was checked.

    `parts` are its `sections`. Raises `StopIteration` when a line is not there.
    """
    days = parts[_PROGRESS].splitlines()

    def at(words: str) -> int:
        return next(n for n, line in enumerate(days) if words in line)

    head, killed, back = at("日期 date"), at(_KILLED), at(_IS_BACK)
    shown = {head, head + 1, killed - 1, killed, killed + 1, back, back + 1, at("办结 end")}
    checks = parts["checks"].splitlines()
    return "\n".join(
        (
            *(days[n] for n in sorted(shown)),
            *(next(line for line in checks if words in line) for words in _GLIMPSED_CHECKS),
        )
    )


def run(*arguments: str) -> str:
    """What `./run ARGUMENTS` prints, without this machine's path."""
    done = subprocess.run(
        ["./run", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout.replace(f"{ROOT}/", "")


def take() -> None:
    """Run the commands and the demo; keep what they print under docs/samples."""
    SAMPLES.mkdir(exist_ok=True)
    taken = {name: run(*arguments) for name, arguments in OFFLINE.items()}
    taken["demo.txt"] = run("demo", "--keep")
    try:
        traced = _TRACE.search(taken["demo.txt"])
        if traced is not None:
            taken["trace.txt"] = run("hub", "trace", "--document", traced[2])
        taken["due.txt"] = run("hub", "due", "--limit", "10")
        taken["status.txt"] = run("hub", "status")
    finally:
        run("demo", "--stop")
    for name, content in taken.items():
        (SAMPLES / name).write_text(content, encoding="utf-8")


def main() -> None:
    """Take samples when asked to; fill the pages."""
    if "--take" in sys.argv[1:]:
        take()
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


def used_in(path: Path) -> list[str]:
    """The sample files a page shows, from the root."""
    return [found["file"] for found in _BLOCK.finditer(path.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    main()
