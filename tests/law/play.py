"""Plays a case: the registrar in memory, the driver tests' sample rows, the case's own dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hub.core.record import PRIMARY, LedgerRecord, Outcome
from hub.domain.dates import day_of_ms
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.stories import report
from tests.law.due import OpenDuty, running

if TYPE_CHECKING:
    from datetime import date

    from hub.core.state import RecordState
    from tests.law.case_files import CaseFile, Event, LawCase

OUTCOMES = {
    Outcome.ACCEPTED: "接受", Outcome.CORRECTED: "更正", Outcome.WITHDRAWN: "撤下",
    Outcome.QUARANTINED: "隔离",
}  # fmt: skip
KINDS = {
    "行政许可": rows.LICENCE, "行政处罚": rows.PENALTY, "失信被执行人": rows.LISTED,
    "信用承诺": rows.MADE,
}  # fmt: skip
_DEPARTMENTS = {
    "市场监管": (rows.DEPARTMENT, rows.AUTHORITY),
    "住房建设": (rows.OTHER_DEPARTMENT, rows.OTHER_AUTHORITY),
    "法院": (rows.COURT, rows.COURT_CODE),
}
_USUAL_TARGETS = ("省平台", "市网站")
_LONG_TERM = "2099-12-31"
_STAGES = {"接收": "acknowledged", "公示": "published", "已撤下": "withdrawn"}


class Ending(NamedTuple):
    """How a case stands after its last event, targets by name."""

    outcome: str
    reasons: frozenset[str]
    shown_at: frozenset[str]
    taken_down_at: frozenset[str]
    due: list[tuple[str, OpenDuty]]
    """With each clock the name of its target."""

    def dates(self, what: str) -> dict[str, date]:
        """Target → due date of what is owed; one clock of a kind for a target."""
        found = [(name, due.on) for name, due in self.due if due.what == what]
        assert len(dict(found)) == len(found), f"two clocks {what} at one target: {found}"
        return dict(found)


def document_of(file: CaseFile, case: LawCase) -> dict[str, Any]:
    """The basis of a case: the national rules and notices, the file's targets and rules."""
    document = rows.basis(partitions=1)
    targets = document["site"]["targets"]
    if file.targets:
        targets[:] = [
            targets[0] | {"id": f"t{n}", "number": n, "role": target.role, "public": target.public}
            for n, target in enumerate(file.targets)
        ]
    for name, day in case.clock_from.items():
        targets[names_of(file).index(name)]["clock_from"] = day.isoformat()
    for key, added in file.rules.model_dump(mode="json").items():
        document["rulebook"][key] += added
    return document


def names_of(file: CaseFile) -> list[str]:
    """The names of a file's targets, by number."""
    return [target.name for target in file.targets] or list(_USUAL_TARGETS)


def play(file: CaseFile, case: LawCase) -> Ending:
    """Let a case happen from its arrival to its last event."""
    story = _Story(file, case)
    for event in case.then:
        story.happen(event)
    return story.ending()


class _Story:
    """One record of one department."""

    def __init__(self, file: CaseFile, case: LawCase) -> None:
        self._case = case
        self._names = names_of(file)
        self._document = document_of(file, case)
        self._hub = HubTestDriver(self._document, now=case.arrives)
        self._department, self._authority = _DEPARTMENTS[case.by]
        self._kind = KINDS[case.kind]
        self._row = _row(case, self._authority)
        self._last = self._submit(self._kind, self._row)
        self._record = self._last.record_key

    def happen(self, event: Event) -> None:
        """Let time pass until the event, then do it."""
        self._hub.advance(event.at - self._hub.now)
        match event.event:
            case "接收" | "公示" | "已撤下":
                for name in event.targets:
                    self._report(event, name)
            case "更正":
                self._row |= _changes(self._kind, event)
                about = {
                    "subject_kind": self._kind, "row": rows.framed(self._kind, self._row),
                    "reason": "内容更正",
                }  # fmt: skip
                if event.redetermined_on is not None:
                    about["redetermined_on"] = event.redetermined_on.isoformat()
                self._last = self._submit("record.corrected.v1", about)
            case "重报":
                self._row |= _changes(self._kind, event)
                self._last = self._submit(self._kind, self._row)
            case "撤回":
                self._last = self._submit("record.withdrawn.v1", self._reference())
            case "退出名单":
                exit_ = rows.exit_row(exited_on=day_of_ms(event.at).isoformat())
                self._last = self._submit(rows.DELISTED, exit_ | event.columns)
            case "履行认定":
                performed = {"performance_status": "全部履行"} | event.columns
                self._last = self._submit(rows.PERFORMED, self._row | performed)
            case "放假通知":
                self._document["calendar"]["notices"].append(event.notice)
                self._document["calendar"]["version"] += "+"
                self._hub.adopt(self._document)
            case "等待":
                pass

    def ending(self) -> Ending:
        """How the record stands now, by the ledger."""
        record = [r for r in self._hub.ledger() if r.record_key == self._record]
        states: list[RecordState] = [r.state for r in record if r.state is not None]
        state = states[-1]
        gone = 0
        for written in record:
            gone = (gone | written.withdraw_targets) & ~written.publish_targets
        return Ending(
            OUTCOMES.get(self._last.outcome, self._last.outcome.name),
            frozenset(reason.code for reason in self._last.reasons),
            self._named(state.publish),
            self._named(gone),
            [(self._names[due.target], due) for due in running(state)],
        )

    def _named(self, bits: int) -> frozenset[str]:
        return frozenset(name for n, name in enumerate(self._names) if bits >> n & 1)

    def _submit(self, kind: str, row: dict[str, Any]) -> LedgerRecord:
        self._hub.pipe(self._department, kind, rows.COMPANY, rows.framed(kind, row))
        (decided,) = [r for r in self._hub.run() if r.outcome in PRIMARY]
        return decided

    def _report(self, event: Event, name: str) -> None:
        """A platform's word; of the version decided last, unless the event names another."""
        target = self._document["site"]["targets"][self._names.index(name)]["id"]
        report(
            self._hub, self._last, target, _STAGES[event.event],
            action="withdraw" if event.event == "已撤下" else "publish",
            platform_at=event.at if event.since is None else event.since, version=event.version,
        )  # fmt: skip

    def _reference(self) -> dict[str, str]:
        """What a withdrawal says of the record it is about."""
        schema = rows.CONTRACTS.by_kind[self._kind].schema
        identity = {f.identity.value: self._row[f.name] for f in schema.fields if f.identity}
        return {"subject_kind": self._kind, "reason": "决定被撤销", **identity}


def _row(case: LawCase, authority: str) -> dict[str, str]:
    """The sample row of a kind with the case's dates, class and authority."""
    on = case.decided_on.isoformat()
    match case.kind:
        case "行政许可":
            own = {
                "XK_JDRQ": on, "XK_YXQZ": on, "XK_YXQZI": _LONG_TERM, "XK_XKJGDM": authority,
                "XK_LYDWDM": authority,
            }  # fmt: skip
            return rows.licence_row(**own) | case.columns
        case "行政处罚":
            own = {
                "CF_JDRQ": on, "CF_YXQ": _LONG_TERM, "CF_CFJGDM": authority,
                "CF_SJLYDM": authority, "CF_YZCD": _or_blank(case.seriousness),
                "CF_AJCXLB": _or_blank(case.procedure), "CF_GSJZQ": str(case.publish_until),
            }  # fmt: skip
            return rows.penalty_row(**own) | case.columns
        case "失信被执行人":
            return rows.listing_row(listed_on=on, filed_on=on) | case.columns
        case "信用承诺":
            own = {"committed_on": on, "commitment_valid_to": _LONG_TERM}
            own["commitment_code"] = f"330902{case.decided_on:%Y%m%d}000001"
            return rows.commitment_row(**own) | case.columns


def _changes(kind: str, event: Event) -> dict[str, str]:
    """What an event says otherwise of the row."""
    changes = dict(event.columns)
    if event.decided_on is not None:
        changes[
            {rows.LICENCE: "XK_JDRQ", rows.PENALTY: "CF_JDRQ", rows.LISTED: "listed_on"}[kind]
        ] = event.decided_on.isoformat()
    if event.publish_until is not None:
        changes["CF_GSJZQ"] = event.publish_until.isoformat()
    if event.seriousness is not None:
        changes["CF_YZCD"] = _or_blank(event.seriousness)
    return changes


def _or_blank(word: str) -> str:
    return "" if word == "无" else word
