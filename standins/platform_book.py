"""The book a stand-in platform keeps: its own truth, in its own SQLite file.

Nothing here knows the hub. A platform that shared code with what it is meant to check would agree
with its mistakes. The file survives `kill -9` of the platform: an answer is sent only after COMMIT,
and a committed page is in the kernel's hands (a power cut is not what these platforms are for).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    delivery TEXT PRIMARY KEY, record TEXT NOT NULL, version INTEGER NOT NULL,
    action TEXT NOT NULL, kind TEXT NOT NULL, fields TEXT NOT NULL, digest TEXT NOT NULL,
    payload TEXT NOT NULL, stage TEXT NOT NULL, receipt TEXT NOT NULL, code TEXT NOT NULL,
    message TEXT NOT NULL, at INTEGER NOT NULL, publish_at INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (publish_at)
    WHERE publish_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS live (
    record TEXT PRIMARY KEY, version INTEGER NOT NULL, delivery TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, verb TEXT NOT NULL,
    delivery TEXT NOT NULL, record TEXT NOT NULL, version INTEGER NOT NULL, verdict TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS requests_delivery ON requests (delivery);
CREATE TABLE IF NOT EXISTS positions (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_COMMITMENT = ("promisor_code", "promisor_name", "commitment_code", "committed_on")
_CELLS = {
    "licence.granted.v1": ("XK_XDR_SHXYM", "XK_XDR_MC", "XK_WSH", "XK_JDRQ"),
    "penalty.imposed.v1": ("CF_XDR_SHXYM", "CF_XDR_MC", "CF_WSH", "CF_JDRQ"),
    "court_enforcement.listed.v1": ("debtor_code", "debtor_name", "case_number", "listed_on"),
    "commitment.made.v1": _COMMITMENT,
    "commitment.performed.v1": _COMMITMENT,
}
"""Kind → fields a row must have; the first is the credit code."""
_REQUIRED = {
    "delivery": str,
    "record": str,
    "version": int,
    "action": str,
    "kind": str,
    "fields": dict,
    "digest": str,
}


class ClockFile:
    """The business clock file, read anew when it changes.

    The formula is the site's: origin + (real now - real origin) x factor, milliseconds.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = -1
        self._origins = (0, 0, 1.0)

    def now(self) -> int:
        """Return business milliseconds since the epoch."""
        mark = self._path.stat().st_mtime_ns
        if mark != self._mark:
            told = json.loads(self._path.read_text(encoding="utf-8"))
            self._origins = (
                int(told["origin_real_ms"]),
                int(told["origin_business_ms"]),
                float(told["factor"]),
            )
            self._mark = mark
        real, business, factor = self._origins
        return int(business + (time.time() * 1000 - real) * factor)


@dataclass(frozen=True, slots=True)
class Request:
    """One well-formed request to publish or withdraw a record."""

    delivery: str
    record: str
    version: int
    action: str
    kind: str
    fields: dict[str, str]
    digest: str
    payload: str
    """SHA-256 of the whole body in canonical form: what 'same payload' means."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the platform has to say about one delivery: a receipt or a refusal."""

    delivery: str
    stage: str
    receipt: str
    digest: str
    code: str
    message: str
    at: int

    def body(self) -> dict[str, object]:
        """Return the answer as the interface document prints it."""
        moment = dt.datetime.fromtimestamp(self.at / 1000, dt.UTC)
        at = moment.isoformat(timespec="milliseconds")
        if self.stage == "refused":
            return {
                "delivery": self.delivery,
                "stage": self.stage,
                "code": self.code,
                "message": self.message,
                "retryable": False,
                "at": at,
            }
        return {
            "delivery": self.delivery,
            "receipt": self.receipt,
            "stage": self.stage,
            "at": at,
            "digest": self.digest,
        }


def canonical(content: object) -> bytes:
    """Return the one byte form of a JSON value that digests are taken of."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def digest_of(content: object) -> str:
    """Return the SHA-256 of the canonical form, hex."""
    return hashlib.sha256(canonical(content)).hexdigest()


def has_check_digit(code: str) -> bool:
    """Tell whether an 18-character credit code ends in its GB 32100-2015 check character."""
    if len(code) != len(_WEIGHTS) + 1 or any(sign not in _ALPHABET for sign in code):
        return False
    total = sum(
        _ALPHABET.index(sign) * weight for sign, weight in zip(code, _WEIGHTS, strict=False)
    )
    return _ALPHABET[-total % 31] == code[-1]


def parse(body: bytes) -> Request | str:
    """Read a request body; return what is wrong with its form as a sentence instead."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return "不是合法的 JSON / not JSON"
    if not isinstance(told, dict):
        return "应为 JSON 对象 / not a JSON object"
    for name, kind in _REQUIRED.items():
        if not isinstance(told.get(name), kind) or isinstance(told.get(name), bool):
            return f"缺少或类型不符 / missing or of the wrong type: {name}"
    if told["action"] not in {"publish", "withdraw"} or told["kind"] not in _CELLS:
        return "未知的 action 或 kind / unknown action or kind"
    if not all(isinstance(value, str) for value in told["fields"].values()):
        return "字段值应为文本 / a field is not text"
    kept = {name: told[name] for name in _REQUIRED}
    return Request(**kept, payload=digest_of(told))


def faults_in(request: Request) -> tuple[str, str] | None:
    """Judge the content of a request: None, or the platform's rule code and message."""
    if digest_of(dict(request.fields)) != request.digest:
        return "DIGEST_MISMATCH", "内容与摘要不符 / fields do not match their digest"
    if request.action == "withdraw":
        if request.fields:
            return "FIELDS_UNEXPECTED", "撤下不应带字段 / a withdrawal carries no fields"
        return None
    cells = _CELLS.get(request.kind, ())
    for name in cells:
        if not request.fields.get(name):
            return "FIELD_MISSING", f"必填项为空 / required field is empty: {name}"
    if cells and not has_check_digit(request.fields[cells[0]]):
        return "CREDIT_CODE_INVALID", "统一社会信用代码校验不通过 / credit code check failed"
    return None


class Book:
    """The platform's records, deliveries and every request it received.

    One connection, one open transaction: statements see each other at once, `commit` makes a whole
    batch durable. Nothing may be answered before the `commit` that follows it.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        self._open = False

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        self._db.close()

    def _begin(self) -> sqlite3.Connection:
        if not self._open:
            self._db.execute("BEGIN IMMEDIATE")
            self._open = True
        return self._db

    def commit(self) -> None:
        """Make everything since the last commit survive the platform's own death."""
        if self._open:
            self._db.execute("COMMIT")
            self._open = False

    def note(self, verb: str, request: Request, verdict: str) -> None:
        """Write down that a request came in, and what was answered (or done instead)."""
        self._begin().execute(
            "INSERT INTO requests (received_at, verb, delivery, record, version, verdict)"
            " VALUES (?,?,?,?,?,?)",
            (
                int(time.time() * 1000),
                verb,
                request.delivery,
                request.record,
                request.version,
                verdict,
            ),
        )

    def times_seen(self, delivery: str) -> int:
        """Return how many requests named this delivery before."""
        row = self._db.execute(
            "SELECT count(*) FROM requests WHERE delivery = ?", (delivery,)
        ).fetchone()
        return int(row[0])

    def find(self, delivery: str) -> Entry | None:
        """Return what is known of a delivery, or None when it was never taken in."""
        row = self._db.execute(
            "SELECT delivery, stage, receipt, digest, code, message, at FROM deliveries"
            " WHERE delivery = ?",
            (delivery,),
        ).fetchone()
        return Entry(*row) if row else None

    def apply(
        self, request: Request, now: int, refusal: tuple[str, str] | None, delay: int
    ) -> Entry | None:
        """Take a request in, once; None = this key was used for another payload.

        `now` and `delay` are business milliseconds; a positive delay acknowledges first and
        publishes later. `refusal` is the code and message to refuse with, whatever the content.
        """
        row = self._db.execute(
            "SELECT payload FROM deliveries WHERE delivery = ?", (request.delivery,)
        ).fetchone()
        if row is not None:
            return self.find(request.delivery) if row[0] == request.payload else None
        verdict = refusal or faults_in(request) or self._old_version(request)
        if verdict is not None:
            return self._keep(request, now, "refused", verdict, None)
        final = "withdrawn" if request.action == "withdraw" else "published"
        stage, publish_at = ("acknowledged", now + delay) if delay > 0 else (final, None)
        self._begin().execute(
            "INSERT INTO live VALUES (?,?,?) ON CONFLICT (record) DO UPDATE"
            " SET version = excluded.version, delivery = excluded.delivery",
            (request.record, request.version, request.delivery),
        )
        return self._keep(request, now, stage, ("", ""), publish_at)

    def _old_version(self, request: Request) -> tuple[str, str] | None:
        row = self._db.execute(
            "SELECT version FROM live WHERE record = ?", (request.record,)
        ).fetchone()
        if row is None or request.version >= row[0]:
            return None  # the live version again: a resend, perhaps with other fields cleared
        return "VERSION_OLD", f"版本旧于在用版本 {row[0]} / older than the live version"

    def _keep(
        self,
        request: Request,
        now: int,
        stage: str,
        verdict: tuple[str, str],
        publish_at: int | None,
    ) -> Entry:
        # Derived, not drawn: a platform that lost its answer must give the same receipt again.
        receipt = hashlib.sha256(f"{self._name}|{request.delivery}".encode()).hexdigest()[:20]
        receipt = "" if stage == "refused" else f"{self._name[:1].upper()}-{receipt}"
        self._begin().execute(
            "INSERT INTO deliveries VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                request.delivery,
                request.record,
                request.version,
                request.action,
                request.kind,
                canonical(dict(request.fields)).decode(),
                request.digest,
                request.payload,
                stage,
                receipt,
                *verdict,
                now,
                publish_at,
            ),
        )
        return Entry(request.delivery, stage, receipt, request.digest, *verdict, now)

    def publish_due(self, now: int) -> list[tuple[Entry, str]]:
        """Finish what was acknowledged and is due by `now`; return entries with their record."""
        rows = self._db.execute(
            "SELECT delivery, record, action, publish_at FROM deliveries"
            " WHERE publish_at IS NOT NULL AND publish_at <= ? LIMIT 500",
            (now,),
        ).fetchall()
        finished = []
        for delivery, record, action, publish_at in rows:
            stage = "withdrawn" if action == "withdraw" else "published"
            self._begin().execute(
                "UPDATE deliveries SET stage = ?, at = ?, publish_at = NULL WHERE delivery = ?",
                (stage, publish_at, delivery),
            )
            entry = self.find(delivery)
            if entry is not None:
                finished.append((entry, record))
        return finished

    def positions(self, topic: str) -> dict[int, int]:
        """Return the next offset to read of each partition of a topic."""
        rows = self._db.execute("SELECT partition, next FROM positions WHERE topic = ?", (topic,))
        return dict(rows.fetchall())

    def advance(self, topic: str, partition: int, following: int) -> None:
        """Move a position, in the same transaction as the effects of what was read."""
        self._begin().execute(
            "INSERT INTO positions VALUES (?,?,?) ON CONFLICT (topic, partition)"
            " DO UPDATE SET next = excluded.next",
            (topic, partition, following),
        )

    def setting(self, name: str) -> str | None:
        """Return a setting that outlives the process, or None."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def settings(self, head: str, value: str) -> list[str]:
        """Return the names that begin with `head` and have this value."""
        rows = self._db.execute(
            "SELECT name FROM settings WHERE substr(name, 1, ?) = ? AND value = ? ORDER BY name",
            (len(head), head, value),
        )
        return [str(name) for (name,) in rows]

    def names(self, head: str) -> list[str]:
        """Return the names of settings that begin with `head`."""
        rows = self._db.execute(
            "SELECT name FROM settings WHERE substr(name, 1, ?) = ? ORDER BY name",
            (len(head), head),
        )
        return [str(name) for (name,) in rows]

    def verdicts(self, verdict: str) -> int:
        """Count the requests that were noted with this verdict."""
        row = self._db.execute("SELECT count(*) FROM requests WHERE verdict = ?", (verdict,))
        return int(row.fetchone()[0])

    def set_setting(self, name: str, value: str) -> None:
        """Keep a setting."""
        self._begin().execute(
            "INSERT INTO settings VALUES (?,?) ON CONFLICT (name)"
            " DO UPDATE SET value = excluded.value",
            (name, value),
        )


def dump(path: Path) -> dict[str, dict[str, object]]:
    """Return the live book: record -> version, stage, digest, fields. Safe beside a live writer."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(
            "SELECT live.record, live.version, stage, digest, fields"
            " FROM live JOIN deliveries USING (delivery) ORDER BY live.record"
        )
        return {
            record: {
                "version": version,
                "stage": stage,
                "digest": digest,
                "fields": json.loads(fields),
            }
            for record, version, stage, digest, fields in rows
        }
    finally:
        connection.close()
