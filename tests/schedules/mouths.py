"""How a courier of each kind reaches the model platform, and how it hears back."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Literal, Protocol

from hub.targets.database.protocol import (
    DatabaseProtocol,
    Found,
    ReceiptRow,
    RowStanding,
    TransactionFailed,
)
from hub.targets.delivery import Delivery, Expected
from hub.targets.file.protocol import (
    Answered,
    Filed,
    FileProtocol,
    Filing,
    Question,
    Unfiled,
    Unsure,
)
from hub.targets.file.protocol import WriteFailed as FolderFailed
from hub.targets.http.protocol import HttpProtocol, HttpRequest, HttpResponse, NoAnswer
from hub.targets.platform import CallResult, How, TargetProtocol
from tests.schedules.platform import PlatformEntry, Said, ScheduledPlatform, Sent

KINDS = ("http", "kafka", "database", "file")
TIMEOUT_SECONDS = 8.0
_RETRY_AFTER = "2"


class Mouth(Protocol):
    """Carries calls to the platform and its words back; `now` is engine seconds."""

    protocol: TargetProtocol[Any, Any] | None

    def call(self, how: How, call: object, now: float) -> None:
        """One call of the protocol."""

    def landed(self, now: float) -> list[CallResult]:
        """What has come back by now."""

    def cancel_all(self) -> None:
        """What is on its way is not wanted any more; its effect may come all the same."""


def body_of(said: Said) -> dict[str, object]:
    """What a platform says of a delivery, with what fate did to it."""
    entry = said.entry
    assert entry is not None
    sent = entry.sent
    body: dict[str, object] = {"delivery": sent.delivery, "stage": entry.stage, "at": _time(entry)}
    if entry.stage == "refused":
        body |= {"code": entry.code, "message": ""}
    else:
        body |= {"receipt": sent.delivery[:8], "digest": sent.digest}
    match said.spoil:
        case "delivery":
            body["delivery"] = sent.delivery[::-1]
        case "digest" if "digest" in body:
            body["digest"] = "0" * 64
        case "receipt" if "receipt" in body:
            body["receipt"] = ""
    return body


def _time(entry: PlatformEntry) -> str:
    moment = dt.datetime(2026, 11, 3, tzinfo=dt.UTC) + dt.timedelta(milliseconds=entry.at)
    return moment.isoformat(timespec="milliseconds")


class _Later:
    """Answers on their way."""

    def __init__(self, platform: ScheduledPlatform) -> None:
        self.platform = platform
        self._waiting: list[tuple[float, CallResult]] = []

    def answer(self, delivery: str, how: How, reply: object, at: float) -> None:
        self._waiting.append((at, CallResult(delivery, how, reply)))

    def landed(self, now: float) -> list[CallResult]:
        """What has come back by now."""
        come = [landed for at, landed in self._waiting if at <= now]
        self._waiting = [one for one in self._waiting if one[0] > now]
        return come

    def next_at(self) -> float:
        """When the next one comes."""
        return min((at for at, _landed in self._waiting), default=float("inf"))

    def cancel_all(self) -> None:
        """Nobody waits for them any more."""
        self._waiting = []


class HttpMouth(_Later):
    """Requests and status codes."""

    protocol = HttpProtocol("t")

    def call(self, how: How, call: HttpRequest, now: float) -> None:
        """One request."""
        if how == "send":
            told = json.loads(call.body)
            order = told["version"]
            sent = Sent(
                told["delivery"], told["record"], told["version"], order, told["action"],
                told["digest"],
            )  # fmt: skip
            self.records[sent.delivery] = sent.record
            said = self.platform.send(sent, now)
        else:
            said = self.platform.ask(call.delivery, self.records.get(call.delivery, ""), now)
        at = now + (TIMEOUT_SECONDS if said.how == "silence" else 0.05)
        self.answer(call.delivery, how, _http(said), at)

    def __init__(self, platform: ScheduledPlatform) -> None:
        super().__init__(platform)
        self.records: dict[str, str] = {}


def _http(said: Said) -> HttpResponse | NoAnswer:
    match said.how:
        case "silence":
            return NoAnswer(may_have_arrived=True, why="time-out")
        case "no connection":
            return NoAnswer(may_have_arrived=False, why="no connection")
        case "status":
            return HttpResponse(
                said.status, _RETRY_AFTER if said.status in (429, 503) else "", b"{}"
            )
        case "unknown here":
            return HttpResponse(404, "", b'{"code": "NOT_FOUND"}')
    if said.spoil == "not json":
        return HttpResponse(200, "", b"<html>")
    body = body_of(said)
    return HttpResponse(422 if body["stage"] == "refused" else 200, "", json.dumps(body).encode())


class TopicMouth:
    """No calls: messages in order, answers whenever. `read` is fed by the machine."""

    protocol = None

    def __init__(self, platform: ScheduledPlatform) -> None:
        self.platform = platform
        self.answers: list[tuple[float, bytes]] = []

    def read(self, value: bytes, now: float) -> None:
        """One message of the delivery topic, in its order."""
        told = json.loads(value)
        sent = Sent(
            told["delivery"], told["record"], told["version"], told["version"], told["action"],
            told["digest"],
        )  # fmt: skip
        said = self.platform.send(sent, now)
        if said.how == "answer":
            value = b"<html>" if said.spoil == "not json" else json.dumps(body_of(said)).encode()
            self.answers.append((now + self.platform.chance.choice([0.0, 0.0, 3.0]), value))

    def tell(self, entry: PlatformEntry, now: float) -> None:
        """Say unasked what was published."""
        self.answers.append((now, json.dumps(body_of(Said("answer", entry))).encode()))

    def call(self, how: How, call: object, now: float) -> None:
        """Refuse: deliveries leave with their intents."""
        raise AssertionError(how, call, now)

    def landed(self, _now: float) -> list[CallResult]:
        """Nothing lands."""
        return []

    def cancel_all(self) -> None:
        """Nothing is on its way."""

    def next_at(self) -> float:
        """When the next answer comes."""
        return min((at for at, _value in self.answers), default=float("inf"))


class DatabaseMouth(_Later):
    """Rows of a table, and the receipts of a job that reads them."""

    protocol = DatabaseProtocol({})

    def __init__(self, platform: ScheduledPlatform) -> None:
        super().__init__(platform)
        self.table: dict[str, Sent] = {}
        self.receipts: dict[str, list[ReceiptRow]] = {}
        self.travelling: list[tuple[float, Sent]] = []

    def call(self, how: How, call: Delivery | Expected, now: float) -> None:
        """One row, or one look."""
        if isinstance(call, Expected):
            reply: Found | TransactionFailed = self._find(call)
            if self.platform.is_wild and self.platform.chance.random() < 0.1:
                reply = TransactionFailed("before", self.platform.chance.choice(["", "57014"]))
            self.answer(call.delivery, how, reply, now + 0.05)
            return
        sent = Sent(
            call.delivery, call.record, call.version, call.sequence, call.action, call.digest
        )
        self.platform.posts.append((now, sent))
        fate = self.platform._fate()
        poison = call.record in self.platform.manners.poisoned and call.action == "publish"
        at = now + 0.05
        if fate or poison:
            whose = "" if fate in ("503", "no connection", "403", "429") else sent.record
            self.platform.excuses.append((now, whose, fate))
        if poison:
            reply = TransactionFailed("before", "22001")
        elif fate in ("500", "429"):
            reply = TransactionFailed("before", "40001")
        elif fate in ("503", "no connection", "403"):
            reply = TransactionFailed("before", "57P01")
        elif fate in ("late effect", "lost"):
            if fate == "late effect":
                when = now + self.platform.chance.random() * self.platform.longest_effect * 0.98
                self.travelling.append((when, sent))
            reply, at = TransactionFailed("commit", ""), now + TIMEOUT_SECONDS
        else:
            self._write(sent)
            is_silent = fate == "applied, silent"
            reply = (
                TransactionFailed("commit", "57P01") if is_silent else Found(self._row(sent.record))
            )
        self.answer(call.delivery, how, reply, at)

    def _write(self, sent: Sent) -> None:
        there = self.table.get(sent.record)
        if there is None or (there.version, there.order) < (sent.version, sent.order):
            self.table[sent.record] = sent

    def _row(self, record: str) -> RowStanding | None:
        there = self.table.get(record)
        if there is None:
            return None
        return RowStanding(there.delivery, there.version, there.order, there.digest)

    def _find(self, asked: Expected) -> Found:
        row = self._row(asked.record)
        is_answered = row is not None and row.delivery in self.receipts
        return Found(row, tuple(self.receipts.get(asked.delivery, ())), is_answered)

    def tick(self, now: float) -> None:
        """Late rows arrive; the job reads what it has not seen, at its own pace."""
        for when, sent in self.travelling:
            if when <= now:
                self._write(sent)
        self.travelling = [one for one in self.travelling if one[0] > now]
        for sent in self.table.values():
            if sent.delivery in self.receipts:
                continue
            if self.platform.is_wild and self.platform.chance.random() < 0.5:
                self.platform.excuses.append((now, sent.record, "the job sleeps"))
                continue
            entry = self.platform.apply(sent, now)
            row = ReceiptRow(
                len(self.receipts) + 1, entry.stage, sent.digest, entry.code, "", entry.at
            )
            self.receipts[sent.delivery] = [row]
            self.answer(sent.delivery, "answer", Found(None, (row,)), now)


class FileMouth(_Later):
    """Rows of files that lie in a folder, and acknowledgements that come in the files' order."""

    protocol = FileProtocol({})

    def __init__(self, platform: ScheduledPlatform) -> None:
        super().__init__(platform)
        self.files: dict[str, Sent] = {}
        self.unread: list[Sent] = []

    def call(self, how: How, call: Filing | Question, now: float) -> None:
        """One row to be filed, or one question to the folder's own book."""
        at = now + 0.05
        reply: object
        if isinstance(call, Question):
            entry = self.platform.entries.get(call.delivery)
            if entry is not None and entry.stage != "acknowledged":
                reply = Answered(body_of(Said("answer", entry)))
            else:
                reply = Filed("f") if call.delivery in self.files else Unfiled()
            self.answer(call.delivery, how, reply, at)
            return
        row = call.row
        sent = Sent(row.delivery, row.record, row.version, row.sequence, row.action, row.digest)
        self.platform.posts.append((now, sent))
        fate = self.platform._fate()
        if fate:
            whose = "" if fate in ("503", "no connection", "403", "429") else sent.record
            self.platform.excuses.append((now, whose, fate))
        if fate in ("500", "429", "503", "no connection", "403"):
            reply = FolderFailed("disk")
        elif fate in ("lost", "late effect", "applied, silent"):
            if fate == "applied, silent":
                self._file(sent)
            reply, at = Unsure("the folder does not answer"), now + TIMEOUT_SECONDS
        else:
            self._file(sent)
            reply = Filed("f")
        self.answer(call.delivery, how, reply, at)

    def _file(self, sent: Sent) -> None:
        if sent.delivery not in self.files:
            self.files[sent.delivery] = sent
            self.unread.append(sent)

    def tick(self, now: float) -> None:
        """The platform reads files in their order, when it likes, and acknowledges each row."""
        while self.unread:
            sent = self.unread[0]
            if self.platform.is_wild and self.platform.chance.random() < 0.5:
                self.platform.excuses.append((now, sent.record, "unread"))
                return
            del self.unread[0]
            entry = self.platform.apply(sent, now)
            reply = Answered(body_of(Said("answer", entry)))
            self.answer(sent.delivery, "answer", reply, now)


MOUTHS: dict[str, type] = {
    "http": HttpMouth, "kafka": TopicMouth, "database": DatabaseMouth, "file": FileMouth,
}  # fmt: skip
Kind = Literal["http", "kafka", "database", "file"]
