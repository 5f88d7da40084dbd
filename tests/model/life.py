"""One life: steps, carried out by the hub and by the model side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hub.core.record import LedgerRecord
from hub.domain.partitioning import partition_of
from tests.driver.rows import (
    AGENTS_CODE,
    COURT_CODE,
    DELISTED,
    LISTED,
    MADE,
    exit_row,
    framed,
)
from tests.model import world
from tests.model.hub_side import PRIMARY, Hub, events_of, running
from tests.model.model import Model, ModelAnswer
from tests.model.record import Duty, LifeState, Record
from tests.model.rules import DAY_MS, Rules, day_of
from tests.model.statement import (
    CORRECTED,
    FINDING,
    LIFTED,
    MOVED_IN,
    MOVED_OUT,
    RESTORED,
    UNREADABLE,
    WITHDRAWN,
    ModelStatement,
    RecordIdentity,
)

Step = dict[str, Any]
HOUR_MS = DAY_MS // 24
ROW_BEARING = {"row": "", "correct": CORRECTED, "restore": RESTORED, "in": MOVED_IN}
SUBMITTING = {*ROW_BEARING, "withdraw", "exit", "out", "finding", "unreadable", "garbage", "again",
              "lift"}  # fmt: skip
STATUS = {
    LifeState.QUARANTINED: "Q", LifeState.LIVE: "L", LifeState.WITHDRAWN: "W",
    LifeState.TAKEN_BACK: "W", LifeState.MOVED: "M", LifeState.AWAITED: "H",
}  # fmt: skip
STOPS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
"""What a fault in the code raises; whatever was submitted, the registrar goes on."""


class DifferenceError(AssertionError):
    """The hub and the model say different things."""

    def __init__(self, what: str, hub: object, model: object) -> None:
        super().__init__(f"{what}: {hub} ≠ {model}")
        self.what, self.hub, self.model = what, hub, model


@dataclass
class Line:
    """A step as it is told."""

    at: int
    step: Step
    hub: str = ""
    model: str = ""


@dataclass
class Life:
    """A hub, a model and what happened to both."""

    partitions: int
    hub: Hub = field(init=False)
    model: Model = field(init=False)
    sent: list[ModelStatement] = field(default_factory=list)
    pending: list[tuple[ModelStatement, ModelAnswer]] = field(default_factory=list)
    numbers: Counter[tuple[str, str]] = field(default_factory=Counter)
    keys: dict[RecordIdentity, bytes] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)
    basis: int = 0
    is_jump: bool = False
    has_other_marks: bool = False
    """Whether a basis with other marks of *due soon* was adopted."""
    settled_at: set[RecordIdentity] = field(default_factory=set)
    """Identities at which a move arrived."""

    def __post_init__(self) -> None:
        self.hub = Hub(self.partitions)
        rules = Rules(world.basis(0, self.partitions))
        self.model = Model(world.contracts(), rules, world.START)

    # --- carrying out ----------------------------------------------------------------------------

    def live(self, steps: list[Step]) -> None:
        """Carry out every step, then two more years. Raises `DifferenceError`."""
        for step, following in zip(steps, [*steps, {}][1:], strict=True):
            self.lines.append(Line(self.model.now, step))
            self.take(step, following)
        self.lines.append(Line(self.model.now, {"do": "wait", "hours": 24 * 730}))
        if self.pending:
            self.settle()
        self._wait(24 * 730 * HOUR_MS)
        self.lines.append(Line(self.model.now, {"do": "crash", "lose": True}))
        self._end()

    def take(self, step: Step, following: Step) -> None:
        """Carry out one step."""
        do = step["do"]
        if do in SUBMITTING:
            statement = self.statement(step)
            if statement is None:
                return
            self.said[do] += 1
            self.hub.pipe(statement)
            answer = self.model.submit(statement)
            self.sent.append(statement)
            self.pending.append((statement, answer))
            if not (step.get("together") and self._is_neighbour(statement, following)):
                self.settle()
            return
        if self.pending:
            self.settle()
        if do == "report":
            self._report(step)
        elif do == "wait":
            self._wait(step["hours"] * HOUR_MS, at_once=step.get("jump", False))
        elif do == "adopt" and step["basis"] != self.basis:
            self.basis = step["basis"]
            self.hub.driver.adopt_number(self.basis)
            rules = Rules(world.basis(self.basis, self.partitions))
            self.has_other_marks |= rules.marks != self.model.rules.marks
            self.model.adopt(rules)
            self.settle()
        elif do == "crash":
            self.hub.crash(lose_disk=step["lose"])
            self.settle()

    def _is_neighbour(self, statement: ModelStatement, following: Step) -> bool:
        """Whether the next step is read from the same place, so that its order is sure."""
        if following.get("do") not in {"row", "correct", "withdraw"}:
            return False
        following_key = following.get("fault") != "code"
        code = world.COMPANIES[following["company"]]
        place = partition_of(code.encode(), self.partitions)
        return (
            following_key
            and following["by"] == statement.department
            and place == statement.partition
        )

    def settle(self) -> None:
        """Let both work until nothing is left to do, and compare."""
        self.model.settle()
        try:
            written = self.hub.run()
        except STOPS as error:
            raise DifferenceError("枢纽停机", f"{type(error).__name__}: {error}", "继续") from error
        self.model.settle()
        self.compare(written)

    def _wait(self, milliseconds: int, *, at_once: bool = False) -> None:
        """Time passes, from one timer to the next or at once."""
        end = self.model.now + milliseconds
        if at_once:
            self.is_jump = True
            self._go_to(end)
            self.is_jump = False
            return
        while (at := self.model.next_timer()) is not None and at < end:
            self._go_to(at)
        self._go_to(end)

    def _go_to(self, at: int) -> None:
        self.hub.driver.now = at
        self.model.advance(at)
        self.settle()

    # --- statements ------------------------------------------------------------------------------

    def statement(self, step: Step) -> ModelStatement | None:
        """What a step submits; None when there is nothing it could mean."""
        if step["do"] == "again":
            return self._again(step)
        if step["do"] == "lift" and self.keys.keys().isdisjoint(self.model.records):
            return None
        kind, key, value = self._content(step)
        if kind not in world.contracts().by_kind:
            return None
        source = (str(step["by"]), str(step.get("stream", "a")))
        self.numbers[source] += 1
        place = partition_of(key.encode(), self.partitions)
        is_valid = bool(step.get("valid"))
        return ModelStatement(
            *source, self.numbers[source], kind, key, value, place, self._version(step),
            is_valid,
        )  # fmt: skip

    def _version(self, step: Step) -> int | None:
        version = step.get("version")
        days = {"future": 40, "soon": 3, "now": 0}.get(str(version))
        if days is not None:
            return self.model.now // 1000 + days * 86_400
        return None if version is None else int(version)

    def _again(self, step: Step) -> ModelStatement | None:
        """A number that was used before, with what it said, with another's, or another version."""
        if not self.sent:
            return None
        first: ModelStatement = self.sent[-1 - step["back"] % len(self.sent)]
        if "version" in step:
            return replace(
                first, source_version=step["version"], says_valid=bool(step.get("valid"))
            )
        if not step.get("other"):
            return first
        other = self.sent[-1 - step["other"] % len(self.sent)]
        if other.department != first.department:
            return None
        return ModelStatement(
            first.department, first.stream, first.number, other.kind, other.key, other.value,
            other.partition, other.source_version, other.says_valid,
        )  # fmt: skip

    def _content(  # noqa: PLR0911 - one for each kind of statement
        self, step: Step
    ) -> tuple[str, str, bytes]:
        """Kind, key and value."""
        do, kind = step["do"], step.get("kind", "")
        if do in ROW_BEARING:
            return self._row(step, do, kind)
        if do == "lift":
            return LIFTED, *self._lifting(step)
        code = world.COMPANIES[step["company"]]
        if do == "garbage":
            return kind, code, b"\x00garbage"
        if do == "unreadable":
            return UNREADABLE, f"?{step['by']}/{len(self.sent):016x}", self._unreadable(step)
        number, name = world.document_number(kind, step["number"]), world.name_of(step)
        if do == "exit":
            day = step.get("exited_on") or day_of(self.model.now).isoformat()
            row = exit_row(
                case_number=number, debtor_name=name, debtor_code=code, exited_on=day,
                court_code=COURT_CODE,
            )  # fmt: skip
            return DELISTED, code, framed(DELISTED, row)
        if do == "finding":
            return FINDING, code, self._finding(step, number, name, code)
        reference = {
            "subject_kind": kind, "document_number": number, "subject_name": name,
            "credit_code": code, "reason": "" if step.get("fault") else "依申请",
            "authority_code": world.authority_of(kind, foreign=step.get("foreign", False)),
        }  # fmt: skip
        if do == "withdraw":
            return WITHDRAWN, code, framed(WITHDRAWN, reference)
        return MOVED_OUT, code, self._departure(step, kind, reference)

    def _departure(self, step: Step, kind: str, reference: dict[str, str]) -> bytes:
        moving = {
            "move_id": world.move_id(step["move"], kind),
            "new_credit_code": world.COMPANIES[step["to"]],
        }  # fmt: skip
        names = world.contracts().by_kind[MOVED_OUT].names
        if "new_document_number" in names:
            if step["to_number"] != step["number"]:
                moving["new_document_number"] = world.document_number(kind, step["to_number"])
            if step["to"] != step["company"]:
                moving["new_subject_name"] = world.NAMES[step["to"]]
        return framed(MOVED_OUT, reference | moving)

    def _row(self, step: Step, do: str, kind: str) -> tuple[str, str, bytes]:
        fault = step.get("fault", "")
        row = world.row_of(step, self.model.now)
        if fault == "spelling" and kind in world.HEADS:
            row[f"{world.HEADS[kind]}_WSH"] = world.document_number(kind, step["number"], 1)
        key = world.key_of(row, kind, step["by"], fault)
        if do == "row":
            return kind, key, framed(kind, row)
        content: dict[str, Any] = {
            "subject_kind": kind, "row": framed(kind, row),
            "reason": "" if fault == "no reason" else "内容有误",
        }  # fmt: skip
        verb = ROW_BEARING[do]
        if verb not in world.contracts().by_kind:
            return verb, key, b""
        names = world.contracts().by_kind[verb].names
        if do == "restore":
            content["decided_by"] = "舟山市示例局"
        if do == "in":
            content["move_id"] = world.move_id(step["move"], kind)
            content["previous_credit_code"] = world.COMPANIES[step["from"]]
            content["previous_subject_name"] = world.NAMES[step["from"]]
            content["previous_document_number"] = world.document_number(kind, step["from_number"])
        if step.get("redetermined_on"):
            content["redetermined_on"] = step["redetermined_on"]
        return verb, key, framed(verb, {n: v for n, v in content.items() if n in names})

    def _unreadable(self, step: Step) -> bytes:
        return framed(
            UNREADABLE,
            {
                "subject_kind": step["kind"], "cause": step.get("cause", "unreadable"),
                "reason_code": "ROW_SHIFTED", "position": f"{len(self.sent)}",
                "file_fingerprint": "ab" * 32, "sealed": b"sealed",
            },
        )  # fmt: skip

    def _lifting(self, step: Step) -> tuple[str, bytes]:
        """A duty of what is quarantined is lifted, or of anything else."""
        every = [identity for identity in self.keys if identity in self.model.records]
        faulty = [i for i in every if self.model.records[i].standing is LifeState.QUARANTINED]
        among = every if step.get("any") or not faulty else faulty
        about = among[-1 - step["pick"] % len(among)]
        self.lines[-1].step = step | {"told": f"解除{about.document}@{about.code[-4:]}的义务"}
        row = {"record": self.keys[about].hex(), "answered_by": "ab" * 16}
        return about.code, framed(LIFTED, row)

    def _finding(self, step: Step, number: str, name: str, code: str) -> bytes:
        about = RecordIdentity("commitment", world.authority_of(MADE), number, "", code)
        key = self.keys.get(about, b"\x00" * 16).hex()
        return framed(
            FINDING,
            {
                "authority_code": AGENTS_CODE, "document_number": f"{step['content']:064x}",
                "subject_name": name, "credit_code": code, "commitment_code": number,
                "commitment_record": key, "due_on": "2026-11-09",
                "accepting_unit_code": world.authority_of(MADE), "department": step["for"],
            },
        )  # fmt: skip

    # --- platforms -------------------------------------------------------------------------------

    def _report(self, step: Step) -> None:
        """A platform answers something it was named for."""
        named = self._named()
        if not named:
            return
        identity, target, version, action = named[-1 - step["pick"] % len(named)]
        here = {t.number: t.name for t in self.model.rules.targets}
        if target not in here or identity not in self.keys:
            return
        stage = step["stage"]
        if action == "withdraw":
            stage = "withdrawn" if stage in {"published", "acknowledged"} else stage
        elif stage == "withdrawn":
            stage = "published"
        now = self.model.now
        said = step.get("hours_ago")
        platform_at = None if said is None else max(0, now - said * HOUR_MS)
        at = now - step.get("courier_hours_ago", 0) * HOUR_MS
        content = {
            "outcome": "00", "delivery": "00", "record": self.keys[identity].hex(),
            "version": version, "action": action, "stage": stage, "receipt": "r", "code": "",
            "message": "", "platform_at": platform_at, "at": at,
        }  # fmt: skip
        place = partition_of(identity.code.encode(), self.partitions)
        self.hub.report(here[target], identity.code, content, place)
        self.model.report(
            identity, target, version=version, action=action, stage=stage,
            platform_at=platform_at, at=at,
        )  # fmt: skip
        zh = "公示" if action == "publish" else "撤下"
        self.lines[-1].step = step | {
            "told": f"{here[target]}答复{zh}{identity.document}第{version}版：{stage}"
        }
        self.said["report"] += 1
        self.settle()

    def _named(self) -> list[tuple[RecordIdentity, int, int, str]]:
        """Everything a platform was ever named for, oldest first."""
        found = [
            (at, identity, target, version, action)
            for identity, record in self.model.records.items()
            for action, named in (("publish", record.named_at), ("withdraw", record.down_at))
            for (target, version), at in named.items()
        ]
        return [item[1:] for item in sorted(found)]

    # --- comparing -------------------------------------------------------------------------------

    def compare(self, written: list[LedgerRecord]) -> None:
        """Raise on the first thing the two say differently."""
        self._compare_answers(written)
        self._check_versions()
        self._compare_releases(written)
        self._compare_events(written)
        for identity, record in self.model.records.items():
            self._compare_record(identity, record)
        self._check_families()
        self._check_declared()

    def _compare_answers(self, written: list[LedgerRecord]) -> None:
        answered = [r for r in written if r.cause.kind == "S" and r.outcome in PRIMARY]
        expected, self.pending = self.pending, []
        for statement, answer in expected:
            record = next((r for r in answered if _is_about(r, statement)), None)
            if record is None:
                raise DifferenceError("没有答复", "-", answer.outcome)
            answered.remove(record)
            codes = [reason.code for reason in record.reasons]
            outcome = record.outcome.name.lower()
            self._tell(f"{outcome} {' '.join(codes)}", f"{answer.outcome} {answer.reason}")
            if outcome != answer.outcome:
                raise DifferenceError("答复", f"{outcome} {codes}", answer)
            if answer.reason and answer.reason not in codes:
                raise DifferenceError("理由", codes, answer.reason)
            self._learn(statement, record)
        if answered:
            raise DifferenceError("多出答复", [r.outcome.name for r in answered], [])

    def _learn(self, statement: ModelStatement, record: LedgerRecord) -> None:
        """One identity, one key: whatever spelling it comes in."""
        reading = self.model.reader.read(statement, self.model.rules, self.model.now)
        if reading.identity is None or not any(record.record_key):
            return
        known = self.keys.setdefault(reading.identity, record.record_key)
        self.model.keys[known.hex()] = reading.identity
        if known != record.record_key:
            raise DifferenceError("记录标识", record.record_key.hex(), known.hex())

    def _tell(self, hub: str, model: str) -> None:
        line = self.lines[-1] if self.lines else Line(0, {})
        line.hub = f"{line.hub}；{hub}".strip("；")
        line.model = f"{line.model}；{model}".strip("；")

    def _check_versions(self) -> None:
        """Versions never fall."""
        if self.hub.fell:
            raise DifferenceError("版本倒退", self.hub.fell[0].hex(), "不倒退")

    def _compare_releases(self, written: list[LedgerRecord]) -> None:
        model, self.model.released = self.model.released, []
        hub = [r for r in written if r.outcome.name in {"HELD_RELEASED", "HELD_ENDED"}]
        if len(hub) != len(model):
            told = [f"{r.outcome.name} {[x.code for x in r.reasons]}" for r in hub]
            raise DifferenceError("等待结束", told, [answer for _, answer in model])
        order = {key: n for n, key in enumerate(dict.fromkeys(r.record_key for r in hub))}
        for identity, answer in sorted(model, key=lambda m: order.get(self.keys.get(m[0], b""), 0)):
            key = self.keys.get(identity)
            record = next((r for r in hub if r.record_key == key), None)
            if record is None:
                raise DifferenceError("等待结束的记录", "-", identity)
            hub.remove(record)
            codes = [reason.code for reason in record.reasons]
            self._tell(
                f"{record.outcome.name.lower()} {codes}", f"{answer.outcome} {answer.reason}"
            )
            if answer.reason and answer.reason not in codes:
                raise DifferenceError("等待结束的理由", codes, answer)

    def _compare_events(self, written: list[LedgerRecord]) -> None:
        known = {key: identity for identity, key in self.keys.items()}
        hub = Counter(
            (known[key], target, clock, what)
            for key, target, clock, what in events_of(written)
            if key in known and self._is_compared(clock, what)
        )
        model = Counter(
            (event.record, event.target, event.clock, event.what)
            for event in self.model.events
            if self._is_compared(event.clock, event.what) and event.record in self.keys
        )
        self.model.events.clear()
        told, expected = hub - model, model - hub
        if told or expected:
            raise DifferenceError("时限事件", _events(told), _events(expected))

    def _is_compared(self, clock: str, what: str) -> bool:
        """After a sleep over several marks, or a change of marks, fewer of them may be written."""
        if what.startswith("due_soon"):
            return not (self.is_jump or self.has_other_marks)
        return not (what == "lifted" and clock in "WE")

    def _compare_record(self, identity: RecordIdentity, record: Record) -> None:
        key = self.keys.get(identity)
        if key is None:
            return
        state = self.hub.states.get(key)
        name = f"{identity.document}@{identity.code[-4:]}"
        if state is None:
            if record.standing not in {LifeState.NONE, LifeState.AWAITED}:
                raise DifferenceError(f"{name} 状态", "无", record.standing)
            return
        expected = STATUS.get(record.standing)
        if expected is None:
            if state.status in "LWMQ":
                raise DifferenceError(f"{name} 状态", state.status, record.standing)
            return
        self._compare_state(name, record, state, self.hub.shown.get(key, 0))

    def _compare_state(self, name: str, record: Record, state: Any, shown: int) -> None:  # noqa: ANN401 - the hub's own
        pairs: list[tuple[str, object, object]] = [
            ("状态", str(state.status), STATUS[record.standing]),
            ("版本", state.version, record.version),
            ("应展示于", _bits(state.publish), sorted(record.shown)),
            ("平台照办则展示于", _bits(shown), sorted(record.shown)),
        ]
        if record.standing is not LifeState.AWAITED:
            pairs.append(("归属", state.department, record.owner))
        if record.standing is LifeState.LIVE and record.facts is not None:
            pairs.append(("内容", state.content.hex()[:8], record.facts.content.hex()[:8]))
        pairs.append(("在计时限", _told(running(state)), _told(_running(record))))
        for what, hub, model in pairs:
            if hub != model:
                raise DifferenceError(f"{name} {what}", hub, model)

    def _check_families(self) -> None:
        """A decision that moved is not live where it came from, unless another came there."""
        self.settled_at.update(after for _before, after in self.model.arrived)
        for before, after in self.model.arrived:
            state = self.hub.states.get(self.keys.get(before, b""))
            if state is not None and state.status == "L" and before not in self.settled_at:
                raise DifferenceError("一个决定两处有效", before, after)
        self.model.arrived.clear()

    def _check_declared(self) -> None:
        """What was withdrawn is shown again by a declared act alone."""
        for record in self.hub.returned:
            headers = dict(self.hub.waited.get(record.submission_key, record.cause).headers)
            is_declared = (
                record.kind in {RESTORED, MOVED_IN, LISTED}
                or "hub_stated_status" in headers
                or record.cause.kind == "C"
            )
            if not is_declared:
                raise DifferenceError("未经声明重新展示", record.kind, "不展示")
        self.hub.returned.clear()

    def _end(self) -> None:
        """Nothing was lost, and a lost disk loses nothing."""
        if self.hub.submitted != self.hub.answered:
            raise DifferenceError("提交与答复数目", self.hub.answered, self.hub.submitted)
        before = dict(self.hub.driver.store)
        self.hub.crash(lose_disk=True)
        self.hub.run()
        if self.hub.driver.store != before:
            raise DifferenceError("由总账重建的状态", "不同", "相同")


def _is_about(record: LedgerRecord, statement: ModelStatement) -> bool:
    """Whether a ledger record answers a statement."""
    headers = dict(record.cause.headers)
    source, number = headers.get("ce_source"), headers.get("ce_id")
    return (source, number) == (statement.source.encode(), b"%d" % statement.number)


def _bits(bits: int) -> list[int]:
    return [n for n in range(64) if bits >> n & 1]


def _running(record: Record) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    duties: tuple[tuple[str, dict[int, Duty]], ...] = (("D", record.show), ("W", record.take_down))
    for clock, by_target in duties:
        found |= {(clock, n): d.due.at for n, d in by_target.items() if d.is_running}
    return found


def _told(duties: dict[tuple[str, int], int]) -> list[str]:
    day = timedelta(days=1)
    return [f"{c}{t}:{day_of(at) - day:%m-%d}" for (c, t), at in sorted(duties.items())]


def _events(counted: Counter[tuple[RecordIdentity, int, str, str]]) -> list[str]:
    return sorted(f"{i.document}@{i.code[-4:]} {t} {c} {w}" for i, t, c, w in counted.elements())
