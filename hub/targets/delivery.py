"""Deliveries to a platform and the meaning of its answers, for any kind of target.

Eight meanings, one type each, matched exhaustively:

* `Delivered`: it is where the platform will find it, and the platform has not said a word yet;
* `Accepted`: a valid receipt for this delivery and this content;
* `Refused`: the platform says no to this content, for good;
* `Retry`: it certainly did nothing; send again, later;
* `Unknown`: it may have happened. Never guessed: asked, or sent again under the same id;
* `NeverSeen`: asked, and it has never taken this delivery in;
* `NotHere`: it was to withdraw a record that it does not hold;
* `Overtaken`: a newer version took its place before the platform answered; nothing more will come.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, NamedTuple, TypeAlias

from hub.domain.dates import LAST_MOMENT

Action = Literal["publish", "withdraw"]

FINAL_STAGE: Final[dict[str, str]] = {"publish": "published", "withdraw": "withdrawn"}
"""The last stage of each action; `acknowledged` comes before it, or not at all."""

RECORD_UNKNOWN: Final = "RECORD_UNKNOWN"
"""The code with which a platform refuses to withdraw what it does not hold."""

_MAX_CODE: Final = 64
_MAX_MESSAGE: Final = 500
_MAX_RECEIPT: Final = 200


class Delivery(NamedTuple):
    """One version of one record on its way to one target."""

    delivery: str
    """Hex of 16 bytes: the idempotency key, the same for every attempt (see `delivery_id`)."""
    record: str
    """Record key, hex."""
    version: int
    sequence: int
    """Grows with every delivery of the record: orders also those of one version."""
    action: Action
    kind: str
    fields: dict[str, str]
    """National column code to canonical text, what the target is cleared for; {} to withdraw."""
    digest: str
    """SHA-256 of the fields in canonical form, hex."""
    reason: str
    """Why it is withdrawn, as the department said it (行政处罚法 art. 48: 公开说明理由)."""
    department: str = ""
    """Id of the department that submitted the record."""


class Expected(NamedTuple):
    """A delivery that left: what is asked about, and what an answer is held against."""

    delivery: str
    record: str
    """Record key, hex."""
    version: int
    sequence: int
    action: Action
    kind: str
    digest: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """Handed over for good, unanswered: a row committed, a file renamed into place.

    `platform_at` is the time of it by the clock of whoever keeps it, business milliseconds, or
    None when nothing said so.
    """

    platform_at: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A valid receipt; `platform_at` is the platform's own time, business milliseconds."""

    stage: str
    receipt: str
    platform_at: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A final no: the platform's own code and message, and its own time when it gave one."""

    code: str
    message: str
    platform_at: int | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Nothing happened. `is_whole_target`: it is not about this record, the platform is away.

    `may_be_record`: it may yet be about this record alone, which shows when others are served.
    """

    why: str
    is_whole_target: bool = False
    after_seconds: float | None = None
    may_be_record: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have happened."""

    why: str


@dataclass(frozen=True, slots=True)
class NeverSeen:
    """The platform was asked and does not know the delivery."""


@dataclass(frozen=True, slots=True)
class NotHere:
    """Nothing to withdraw: the platform does not hold the record, at its own time."""

    platform_at: int | None = None


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A newer version has taken its place, and the platform has answered that one."""


Verdict: TypeAlias = (
    Delivered | Accepted | Refused | Retry | Unknown | NeverSeen | NotHere | Overtaken
)


def canonical_json(content: object) -> bytes:
    """Return the one byte form digests are taken of: keys sorted, no blanks, UTF-8."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def digest_of(fields: dict[str, str]) -> str:
    """SHA-256 of the fields in canonical form, hex: what `published content` means."""
    return sha256(canonical_json(fields)).hexdigest()


def delivery_id(partition: int, sequence: int, target: str, digest: str, repeat: int = 0) -> str:
    """Identity of a delivery: 16 bytes, hex, of the ledger's place, the target and the content.

    It follows from the ledger alone, so a courier that sends again uses the same id, even after
    losing everything. `repeat` counts what must not be taken for the same: a refused withdrawal
    tried again, a take-down after an older version has appeared.
    """
    named = f"{partition}\x1f{sequence}\x1f{target}\x1f{digest}"
    if repeat:
        named += f"\x1f{repeat}"
    return sha256(named.encode()).hexdigest()[:32]


def render_body(delivery: Delivery) -> bytes:
    """Return the request body, the same bytes for every attempt."""
    return canonical_json(
        {
            "delivery": delivery.delivery,
            "record": delivery.record,
            "version": delivery.version,
            "action": delivery.action,
            "kind": delivery.kind,
            "fields": delivery.fields,
            "digest": delivery.digest,
            "reason": delivery.reason,
        }
    )


MOST_VALUES: Final = 1_500_000
"""In one answer; an acknowledgement of 50,000 rows has two thirds of them."""
_BEFORE_VALUES: Final = (b"{", b"[", b",", b":")


def read_json(value: bytes) -> dict[str, object] | None:
    """Read a foreign JSON object; None when it is not one, or has too many values."""
    if sum(map(value.count, _BEFORE_VALUES)) > MOST_VALUES:
        return None  # each would be an object in memory: 16 MiB of them are half a gigabyte
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def read_receipt(told: dict[str, object], expected: Expected) -> Verdict:
    """Hold a receipt or refusal against what was sent; what does not match proves nothing.

    A 2xx without a valid receipt is `Unknown`: the effect may be there, of this or of another.
    """
    if told.get("delivery") != expected.delivery:
        return Unknown("answer is about another delivery")
    moment = read_moment(told.get("at"))
    if told.get("stage") == "refused":
        return refusal(told, expected, moment)
    receipt, stage = _text(told.get("receipt")), told.get("stage")
    if told.get("digest") != expected.digest:
        return Unknown("receipt for other content")
    if not 0 < len(receipt) <= _MAX_RECEIPT:
        return Unknown("no receipt")
    if moment is None or stage not in ("acknowledged", FINAL_STAGE[expected.action]):
        return Unknown("receipt without the platform's time or with another action's stage")
    return Accepted(str(stage), receipt, moment)


def refusal(told: dict[str, object], expected: Expected, moment: int | None = None) -> Verdict:
    """Read a refusal; one without a code leaves nothing to act on."""
    code = _text(told.get("code"))
    if not code:
        return Unknown("refusal without a code")
    if code == RECORD_UNKNOWN and expected.action == "withdraw":
        return NotHere(moment)
    return Refused(code[:_MAX_CODE], _text(told.get("message"))[:_MAX_MESSAGE], moment)


def _text(told: object) -> str:
    """Read a text that can be written again and shown.

    JSON can say half a character, which UTF-8 cannot; terminals and pages obey control characters
    and marks of direction.
    """
    if not isinstance(told, str):
        return ""
    return "".join(
        each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in told
    )


def read_moment(told: object) -> int | None:
    """Read an RFC 3339 time; business milliseconds since the epoch, or None.

    The year 1 of an unset clock and the year 9999 of "never" are not times of real events.
    """
    if not isinstance(told, str):
        return None
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    epoch = datetime.fromtimestamp(0, tz=moment.tzinfo)
    at = (moment - epoch) // timedelta(milliseconds=1)
    return at if 0 <= at < LAST_MOMENT else None
