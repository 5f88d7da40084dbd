"""Platforms reached through a front-end database (前置库): rows in, receipt rows out.

The platform owns the database. Per kind of record it keeps one table: the national columns, each in
lower case, beside the columns of `CONTROL`; one row per record, its newest version. Its own job
reads the rows and writes what became of each delivery into one table of receipts (`RECEIPTS`).
GB/T 39443-2020 5.6 (数据库对接接口) says that much; the rest is docs/front-end-database.md.

A row is written only over an older one, so that no late or repeated transaction can put an old
version back. A transaction that ended without an answer is looked up by its row.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, Literal, NamedTuple

from hub.domain.dates import LAST_MOMENT
from hub.targets.delivery import (
    FINAL_STAGE,
    RECORD_UNKNOWN,
    Accepted,
    Delivered,
    Delivery,
    Expected,
    NeverSeen,
    NotHere,
    Overtaken,
    Refused,
    Retry,
    Unknown,
    Verdict,
    read_moment,
)

CONTROL: Final = (
    "record_key", "delivery_id", "version", "send_order", "action", "digest", "reason", "sent_at",
)  # fmt: skip
"""Columns of every table of records that the hub fills besides the national ones."""
RECEIPTS: Final = (
    "receipt_id", "delivery_id", "stage", "digest", "code", "message", "platform_at",
)  # fmt: skip
"""Columns of the table of receipts, which only the platform fills."""

NOT_TRIED: Final = "not tried"
"""Code of a row whose turn did not come within the time-out."""
LAYOUT: Final = "layout"
"""Code of a table or column that is not there."""

_BEIJING: Final = timezone(timedelta(hours=8))
_MAX_CODE: Final = 64
_MAX_MESSAGE: Final = 500

Phase = Literal["before", "commit"]
"""`commit`: COMMIT may have reached the server; `before`: it was certainly not sent."""


class RowStanding(NamedTuple):
    """The table's row of a record now."""

    delivery: str
    version: int
    sequence: int
    digest: str


class ReceiptRow(NamedTuple):
    """One row of the platform's receipts; texts empty where it wrote nothing."""

    number: int
    stage: str
    digest: str
    code: str
    message: str
    at: int | None
    """The platform's own time, business milliseconds; None when unreadable."""


class Found(NamedTuple):
    """The database answered: for a sent row, after its COMMIT succeeded."""

    row: RowStanding | None
    receipts: tuple[ReceiptRow, ...] = ()
    """Those about the delivery asked for, by their number."""
    is_newer_answered: bool = False
    """Whether the platform has answered the other delivery that holds the row."""


class TransactionFailed(NamedTuple):
    """A transaction that did not end well: SQLSTATE (PostgreSQL) or error number (MariaDB)."""

    phase: Phase
    code: str


Nature = Literal["busy", "row", "layout", "away"]
"""Whose trouble an error is: a lock or a collision, this row's content, tables, the server."""

_BUSY: Final = frozenset({
    NOT_TRIED,
    "40001", "40P01", "55P03", "55006", "57014",  # serialization, deadlock, locks, time-out
    "1205", "1213", "1317", "1969", "3024",  # lock wait, deadlock, interrupted, statement time
})  # fmt: skip
_LAYOUT: Final = frozenset({
    LAYOUT,
    "1044", "1045", "1046", "1049", "1054", "1064", "1136", "1142", "1143", "1146", "1227", "1364",
    "1370", "1698",
})  # fmt: skip
_LAYOUT_CLASSES: Final = ("42", "28", "3D", "3F", "0A")
_AWAY: Final = frozenset({
    "", "25006",  # no code: the connection; read-only
    "3", "1020", "1021", "1028", "1030", "1040", "1041", "1053", "1114", "1129", "1130", "1203",
    "1226", "1290", "1792", "1836", "1927", "2002", "2003", "2006", "2013", "2055", "4031",
})  # fmt: skip
_AWAY_CLASSES: Final = ("08", "53", "57", "58", "XX")
_ROLLED_BACK: Final = ("40", "23", "55")
"""Classes of SQLSTATE that say, even at COMMIT, that nothing was committed."""
_ROLLED_BACK_NUMBERS: Final = frozenset({"1205", "1213"})


def nature_of(code: str) -> Nature:
    """Say whose trouble an error code is; what is not known is the row's."""
    is_state = len(code) == 5  # noqa: PLR2004  (SQLSTATE; MariaDB's numbers have four digits)
    if code in _BUSY:
        return "busy"
    if code in _LAYOUT or (is_state and code.startswith(_LAYOUT_CLASSES)):
        return "layout"
    if code in _AWAY or (is_state and code.startswith(_AWAY_CLASSES)):
        return "away"
    return "row"


def is_undone(failed: TransactionFailed) -> bool:
    """Whether it is certain that nothing was committed."""
    if failed.phase == "before":
        return True
    is_state = len(failed.code) == 5  # noqa: PLR2004  (SQLSTATE)
    return failed.code in _ROLLED_BACK_NUMBERS or (
        is_state and failed.code.startswith(_ROLLED_BACK)
    )


def content_of(fields: dict[str, str], columns: frozenset[str]) -> dict[str, str | None]:
    """Return every content column of a table with its value, None for what is not delivered.

    All of them, so that nothing of an earlier version stays behind; a withdrawal empties the row.
    """
    told = {code.lower(): value for code, value in fields.items()}
    return {name: told.get(name) for name in sorted(columns.difference(CONTROL))}


def missing_columns(fields: dict[str, str], columns: frozenset[str]) -> list[str]:
    """Return the columns a delivery needs and the table has not."""
    wanted = {*CONTROL, *(code.lower() for code, value in fields.items() if value)}
    return sorted(wanted - columns)


def moment_of(told: object) -> int | None:
    """Read a time of the platform's; without a zone it is Beijing's, the only one in China."""
    if isinstance(told, str):
        return read_moment(told)
    if not isinstance(told, datetime):
        return None
    moment = told if told.tzinfo is not None else told.replace(tzinfo=_BEIJING)
    epoch = datetime.fromtimestamp(0, tz=moment.tzinfo)
    at = (moment - epoch) // timedelta(milliseconds=1)
    return at if 0 <= at < LAST_MOMENT else None


@dataclass(frozen=True, slots=True)
class DatabaseProtocol:
    """Protocol of the kind `database`: a delivery is a row, a question is its key.

    `reasons` maps the platform's refusal codes to the hub's; an unknown one passes as it is.
    """

    reasons: dict[str, str]

    def delivery_request(self, delivery: Delivery) -> Delivery:
        """Return what becomes a row."""
        return delivery

    def status_request(self, asked: Expected) -> Expected:
        """Return what is looked up."""
        return asked

    def interpret_response(self, reply: Found | TransactionFailed, expected: Expected) -> Verdict:
        """Say what came of a row: with COMMIT done, what the table holds in its place."""
        if isinstance(reply, TransactionFailed):
            if is_undone(reply):
                return _again(reply)
            return Unknown(f"COMMIT without an answer ({reply.code or 'connection lost'})")
        row = reply.row
        if row is None:
            return Unknown("the row is not there after its COMMIT")
        if row.delivery == expected.delivery:
            return _in_place(row, expected)
        return Refused("VERSION_OLD", f"版本不新于前置库中的版本 {row.version} / the row is newer")

    def interpret_status(self, reply: Found | TransactionFailed, expected: Expected) -> Verdict:
        """Say what became of a delivery: the platform's receipts first, then its row."""
        if isinstance(reply, TransactionFailed):
            if nature_of(reply.code) in ("away", "layout"):
                return _again(reply)
            return Unknown(f"look-up: {reply.code}")
        told = self._receipt(reply.receipts, expected)
        return told if told is not None else _judge_row(reply, expected)

    def _receipt(self, receipts: tuple[ReceiptRow, ...], expected: Expected) -> Verdict | None:
        """The first final receipt, else the first acknowledgement; others prove nothing."""
        acknowledged: Verdict | None = None
        for receipt in receipts:
            if receipt.stage == "refused" and receipt.code:
                return self._refused(receipt, expected)
            if receipt.digest != expected.digest or receipt.at is None:
                continue
            accepted = Accepted(receipt.stage, str(receipt.number), receipt.at)
            if receipt.stage == FINAL_STAGE[expected.action]:
                return accepted
            if receipt.stage == "acknowledged" and acknowledged is None:
                acknowledged = accepted
        return acknowledged

    def _refused(self, receipt: ReceiptRow, expected: Expected) -> Verdict:
        known = self.reasons.get(receipt.code)
        message = f"{receipt.code}: {receipt.message}" if known else receipt.message
        code = (known or receipt.code)[:_MAX_CODE]
        if code == RECORD_UNKNOWN and expected.action == "withdraw":
            return NotHere(receipt.at)
        return Refused(code, message[:_MAX_MESSAGE], receipt.at)


def _again(failed: TransactionFailed) -> Retry:
    """Nothing happened. The tables' and the server's trouble is never a record's fault."""
    nature = nature_of(failed.code)
    why = f"{nature}: {failed.code or 'no connection'}"
    return Retry(why, is_whole_target=nature in ("away", "layout"))


def _judge_row(found: Found, expected: Expected) -> Verdict:
    """Unanswered: the row is there, or was never, or a newer one has taken its place."""
    row = found.row
    if row is None:
        return NeverSeen()
    if row.delivery == expected.delivery:
        return _in_place(row, expected)
    if (row.version, row.sequence) < (expected.version, expected.sequence):
        return NeverSeen()
    # Unanswered, the platform may still be at work on what was there before.
    return Overtaken() if found.is_newer_answered else Delivered()


def _in_place(row: RowStanding, expected: Expected) -> Verdict:
    if row.digest != expected.digest:
        return Unknown("the row under this delivery holds other content")
    return Delivered()
