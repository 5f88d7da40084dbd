"""The stand-in that takes files: what its clients may rely on, and how it misbehaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from standins.file_receiver import Receiver, undeclared
from standins.platform_book import Book, ClockFile, digest_of, dump

NAME = "001501_20261103_0000{}.xml"
CODE = "91330900MA00000156"


class Counter:
    """A receiver and the hand that fills its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("out", "ack"):
            (folder / name).mkdir()
        clock = {"origin_real_ms": 0, "origin_business_ms": 1_793_600_000_000, "factor": 0}
        (folder / "clock.json").write_text(json.dumps(clock), encoding="utf-8")
        self.open()

    def open(self) -> None:
        """Begin, or begin again after a kill."""
        self.book = Book(self.folder / "book.sqlite", "nation")
        self.receiver = Receiver(
            self.folder,
            self.book,
            ClockFile(self.folder / "clock.json"),
            self.folder / "control.json",
        )

    def put(self, number: int, *rows: int, repeat: str = "no") -> None:
        """Put a file with its manifest."""
        lines = []
        for row in rows:
            fields = {
                "XK_XDR_MC": "舟山示例贸易有限公司", "XK_XDR_SHXYM": CODE, "XK_WSH": f"{row}号",
                "XK_JDRQ": "2026-11-02",
            }  # fmt: skip
            inner = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
            lines.append(
                f'<row delivery="{row:032x}" digest="{digest_of(fields)}" record="{row:032x}"'
                f' version="1" repeat="{repeat}"><fields>{inner}</fields></row>'
            )
        content = (
            "<ExchangeMessage version='1'><Header><flow>publish</flow>"
            f"<item>licence.granted.v1</item></Header><Body>{''.join(lines)}</Body>"
            "</ExchangeMessage>"
        ).encode()
        name = NAME.format(number)
        (self.folder / "out" / name).write_bytes(content)
        manifest = {"sha256": hashlib.sha256(content).hexdigest(), "rows": len(rows)}
        (self.folder / "out" / f"{name}.manifest.json").write_text(json.dumps(manifest))

    def conduct(self, *following: list[str | int]) -> None:
        """Give orders for the next files."""
        orders = {"following": following, "late_seconds": 0.0}
        (self.folder / "control.json").write_text(json.dumps(orders), encoding="utf-8")

    def acks(self) -> list[dict[str, object]]:
        """Every acknowledgement, in order of its name."""
        found = sorted((self.folder / "ack").glob("0*.ack.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in found]


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """A counter of one's own."""
    made = Counter(tmp_path)
    yield made
    made.book.close()


def test_a_file_is_taken_acknowledged_and_removed(counter: Counter) -> None:
    """The book has its rows; the acknowledgement says file, digest, newest number, each row."""
    counter.put(1, 7, 8)
    counter.receiver.step()
    (told,) = counter.acks()
    assert (told["file"], told["last"], told["missing"]) == (NAME.format(1), NAME.format(1), [])
    rows = told["rows"]
    assert isinstance(rows, list)
    assert [row["stage"] for row in rows] == ["published", "published"]
    assert len(dump(counter.folder / "book.sqlite")) == 2
    assert list((counter.folder / "out").iterdir()) == []


def test_without_a_manifest_or_with_another_digest_a_file_does_not_count(counter: Counter) -> None:
    """Half a file is no file."""
    counter.put(1, 7)
    path = counter.folder / "out" / NAME.format(1)
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    counter.put(2, 8)
    (counter.folder / "out" / f"{NAME.format(2)}.manifest.json").unlink()
    counter.receiver.step()
    assert counter.acks() == []
    path.write_bytes(whole)
    counter.receiver.step()
    assert len(counter.acks()) == 1


def test_a_missing_number_is_named(counter: Counter) -> None:
    """Number 2 came before number 1."""
    counter.put(2, 7)
    counter.receiver.step()
    assert counter.acks()[0]["missing"] == [NAME.format(1)]


def test_the_same_file_again_is_answered_again_and_another_content_is_refused(
    counter: Counter,
) -> None:
    """One name, one content, one effect."""
    for _time in range(2):
        counter.put(1, 7)
        counter.receiver.step()
    first, second = counter.acks()
    assert first["rows"] == second["rows"]
    counter.put(1, 9)
    counter.receiver.step()
    assert (counter.acks()[2]["status"], counter.acks()[2]["code"]) == ("refused", "NAME_TAKEN")
    assert len(dump(counter.folder / "book.sqlite")) == 1


def test_a_repeat_that_is_not_declared_is_noted(counter: Counter) -> None:
    """A declared one is not; neither has a second effect."""
    counter.put(1, 7)
    counter.put(2, 7, repeat="yes")
    counter.receiver.step()
    assert undeclared(counter.folder / "book.sqlite") == 0
    counter.put(3, 7)
    counter.receiver.step()
    counter.book.commit()
    assert undeclared(counter.folder / "book.sqlite") == 1


@pytest.mark.parametrize(
    ("manner", "acknowledged", "is_known"),
    [
        ("lose", 0, False), ("lose_applied", 0, True), ("skip", 0, False), ("twice", 2, True),
        ("unknown", 2, True), ("wrong_digest", 2, True), ("partial", 2, True), ("late", 1, True),
    ],
)  # fmt: skip
def test_it_misbehaves_as_told(
    counter: Counter,
    manner: str,
    acknowledged: int,
    is_known: bool,  # noqa: FBT001 - a table
) -> None:
    """In the end there is a good acknowledgement, unless the file was lost or left lying."""
    counter.conduct([manner, 1])
    counter.put(1, 7, 8)
    counter.receiver.step()
    counter.receiver.step()
    assert len(counter.acks()) == acknowledged
    assert bool(dump(counter.folder / "book.sqlite")) == is_known
    if acknowledged:
        assert counter.acks()[-1]["file"] == NAME.format(1)


def test_killed_after_the_effect_it_still_acknowledges(counter: Counter) -> None:
    """What it owes is in its book."""
    counter.conduct(["late", 1])
    counter.put(1, 7)
    counter.receiver._obey()
    counter.receiver._consider(NAME.format(1))
    counter.book.close()
    counter.open()
    counter.receiver.step()
    assert len(counter.acks()) >= 1
