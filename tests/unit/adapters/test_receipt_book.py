"""A receipts' book that a disk has damaged: thrown away and made anew, no worker ends by it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.adapters.receipt_book import ReceiptBook, RecordNews, StoredAnswer
from hub.core.keys import GENESIS
from hub.errors import UnavailableError
from hub.workers.receipts import made_anew

SEEN = GENESIS._replace(next_offset=2_000)


def filled(path: Path) -> None:
    """A book with some pages of answers."""
    with closing(ReceiptBook(path)) as book:
        answers = [
            StoredAnswer("market/files", n, "f" * 64, 1, n, bytes(16), "accepted", ())
            for n in range(2_000)
        ]
        book.apply(answers, {0: SEEN})


@pytest.mark.parametrize("first", [0, 4096 * 4])
def test_a_damaged_book_is_thrown_away_and_the_follower_begins_again(
    tmp_path: Path, first: int
) -> None:
    """Whether its head is gone or a page in its middle: the ledger holds all of it."""
    path = tmp_path / "receipts.sqlite"
    filled(path)
    content = path.read_bytes()
    path.write_bytes(content[:first] + b"\xff" * 40_960 + content[first + 40_960 :])
    with (
        pytest.raises(UnavailableError, match="made anew"),
        made_anew(path),
        closing(ReceiptBook(path)) as book,
    ):
        list(book.rows_of("f" * 64))
    with closing(ReceiptBook(path)) as book:
        assert book.heads() == {}


def test_what_is_no_damage_is_no_reason_to_throw_it_away(tmp_path: Path) -> None:
    """A disk that is full today holds a whole book."""
    path = tmp_path / "receipts.sqlite"
    filled(path)
    with pytest.raises(sqlite3.OperationalError), made_anew(path):
        raise sqlite3.OperationalError
    with closing(ReceiptBook(path)) as book:
        assert book.heads() == {0: SEEN}


def test_a_number_that_is_used_again_takes_no_answer_away(tmp_path: Path) -> None:
    """The first file's row keeps its answer, the other file's row gets its own."""
    record = bytes(16)
    with closing(ReceiptBook(tmp_path / "receipts.sqlite")) as book:
        book.apply(
            [
                StoredAnswer("market/files", 1, "a", 0, 2, record, "accepted", ()),
                StoredAnswer(
                    "market/files", 1, "b", 0, 2, record, "quarantined", (), is_final=False
                ),
                StoredAnswer("market/files", 1, "a", 0, 2, record, "duplicate", (), is_final=False),
            ],
            {},
        )
        assert [each.outcome for each in book.rows_of("a")] == ["accepted"]
        assert [each.outcome for each in book.rows_of("b")] == ["quarantined"]


def test_news_of_a_record_costs_the_same_however_many_rows_name_it(tmp_path: Path) -> None:
    """A file of 200,000 rows of one record, each news of it, held everybody's answers for hours."""
    record = bytes(16)
    steps = 0

    def counted() -> int:
        nonlocal steps
        steps += 1
        return 0

    with closing(ReceiptBook(tmp_path / "receipts.sqlite")) as book:
        book.apply([StoredAnswer("m/f", 1, "b", 0, 1, record, "accepted", ())], {})
        work = []
        for rows in range(0, 8_000, 2_000):
            answers = [
                StoredAnswer("m/f", n, "a", 0, n, record, "corrected", ())
                for n in range(rows + 1, rows + 2_001)
            ]
            book.apply(answers, {})
            steps = 0
            book._connection.set_progress_handler(counted, 100)
            book.apply([RecordNews(record, "", "")] * 100, {})
            book._connection.set_progress_handler(None, 0)
            work.append(steps)
        assert work[-1] < work[0] * 1.1
        assert [source for source, _ in book.changed_sources()] == ["a", "b"]
        assert dict(book.changed_sources())["b"] == 5, "told with each: it names the record, too"
