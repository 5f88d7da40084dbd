"""`hub trace`: the whole way of a record, from the department's row to every platform."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from hub.adapters.postgres.lookups import CaseView, ConflictRow, NearRecord, Traced
from hub.commands.cases import case_json, case_words, near_words
from hub.commands.look import Names, calendar_of, look_up_options, open_tables, print_json
from hub.commands.status import conflict_json, conflict_words
from hub.commands.words import (
    ACTIONS,
    CLOCKS,
    OUTCOMES,
    PARTIES,
    STAGES,
    STATUSES,
    code_of,
    code_or_none,
    due_on,
    event_zh,
    iso,
    kind_zh,
    moment,
    one_line,
    reason_words,
    span,
)
from hub.domain.calendar import WorkingCalendar
from hub.domain.credit_code import normalise_credit_code
from hub.domain.document_number import normalise_document_number, normalise_subject_name
from hub.views.entry import UNREACHED, ClockEventRow, ClockRow, EntryRow, RecordRow, StageRow
from hub.views.whose_time import Moments, Party, passage_of, spans, working_ms

_EXIT_NOTHING_FOUND = 1
_STOPPING = frozenset({"stopped_in_time", "stopped_late", "in_time_learned_late"})


class Story(NamedTuple):
    """Everything of one record key; `record` is None when nothing was ever recorded under it."""

    key: bytes
    record: RecordRow | None
    entries: list[EntryRow]
    stages: list[StageRow]
    clocks: list[ClockRow]
    clock_events: list[ClockEventRow]
    conflicts: list[ConflictRow]
    cases: list[CaseView]
    """An open case of a record."""
    accepted_under: str | None
    """Quarantined, but the same document is live under this code: nothing is owed here."""


class TimeUsed(NamedTuple):
    """Working time each party had a record in hand on its way to one target, milliseconds."""

    target: int
    clock: str
    used: dict[Party, int]
    is_done: bool


@click.command("trace")
@click.option("--document", "document", help="文书号 / document number")
@click.option("--name", help="相对人名称 / subject's name")
@click.option("--credit-code", help="统一社会信用代码 / unified social credit code")
@look_up_options
@click.pass_context
def command(
    context: click.Context,
    *,
    document: str | None,
    name: str | None,
    credit_code: str | None,
    site_folder: Path | None,
    as_json: bool,
) -> None:
    """查一条记录的全程 / The whole way of a record.

    按文书号（可加名称）或统一社会信用代码查询，并说明用了谁的时间；退出码 1 为没有找到。
    By document number (and name) or by credit code; says whose time was used; exit 1 when none is
    found.
    """
    if not document and not credit_code:
        raise click.UsageError("--document 或 --credit-code 至少给一个 / give at least one")
    with open_tables(site_folder) as tables:
        now = tables.now()
        names = Names(tables)
        calendar = calendar_of(tables.basis())
        traced = tables.trace(
            normalise_document_number(document) if document else None,
            normalise_subject_name(name) if name else None,
            normalise_credit_code(credit_code) if credit_code else None,
        )
        near = {(case.partition, case.sequence): tables.near(case) for case in traced.cases}
    stories = list(stories_of(traced))
    if as_json:
        print_json([_as_json(story, names, calendar, now, near) for story in stories])
    elif not stories:
        click.echo("没有找到 / nothing found")
    else:
        click.echo(
            "\n\n".join(
                "\n".join(map(one_line, _lines(s, names, calendar, now, near))) for s in stories
            )
        )
    if not stories:
        context.exit(_EXIT_NOTHING_FOUND)


def stories_of(traced: Traced) -> Iterator[Story]:
    """Split what was found by record, in order of arrival; pure."""
    records = {row.record_key: row for row in traced.records}
    keys = dict.fromkeys([*records, *(entry.record_key for entry in traced.entries)])
    for key in keys:
        record = records.get(key)
        yield Story(
            key,
            record,
            [row for row in traced.entries if row.record_key == key],
            [row for row in traced.stages if row.record_key == key],
            [row for row in traced.clocks if row.record_key == key],
            [row for row in traced.clock_events if row.record_key == key],
            [row for row in traced.conflicts if record is not None and _is_about(row, record)],
            [row for row in traced.cases if row.record_key == key],
            _accepted_under(record, traced.records),
        )


def _accepted_under(record: RecordRow | None, records: Sequence[RecordRow]) -> str | None:
    if record is None or record.status != "quarantined" or not record.document_key:
        return None
    return next(
        (
            other.ledger_key
            for other in records
            if other.version > 0
            and (other.subject, other.document_key, other.name_key)
            == (record.subject, record.document_key, record.name_key)
        ),
        None,
    )


def _is_about(conflict: ConflictRow, record: RecordRow) -> bool:
    return (
        conflict.subject, conflict.authority_code, conflict.document_key, conflict.name_key
    ) == (record.subject, record.authority_code, record.document_key, record.name_key)  # fmt: skip


def times_used(story: Story, calendar: WorkingCalendar, now: int) -> list[TimeUsed]:
    """Whose time was used, per target and clock, until the clock stopped or until now; pure."""
    record = story.record
    if record is None:
        return []
    found = []
    for clock in story.clocks:
        if clock.clock == "expire":
            continue
        stopping = _stopping_stage(story, clock)
        if clock.is_stopped and stopping is None:
            continue
        moments = _moments(story, record, clock, stopping)
        used = dict.fromkeys(Party, 0)
        for stretch in spans(passage_of(moments), now):
            used[stretch.party] += working_ms(calendar, stretch.start, stretch.end)
        found.append(TimeUsed(clock.target, clock.clock, used, is_done=stopping is not None))
    return found


def _stopping_stage(story: Story, clock: ClockRow) -> StageRow | None:
    """The report that stopped the clock: the one written down together with the event."""
    stopped = {
        (event.partition, event.sequence)
        for event in story.clock_events
        if (event.target, event.clock) == (clock.target, clock.clock) and event.event in _STOPPING
    }
    return next(
        (
            stage
            for stage in reversed(story.stages)
            if clock.is_stopped
            and stage.target == clock.target
            and (stage.partition, stage.sequence) in stopped
        ),
        None,
    )


def _moments(
    story: Story, record: RecordRow, clock: ClockRow, stopping: StageRow | None
) -> Moments:
    action = "withdraw" if clock.clock == "withdraw" else "publish"
    reached = [
        stage
        for stage in story.stages
        if (stage.target, stage.action) == (clock.target, action) and stage.stage not in UNREACHED
    ]
    done_at = None
    if stopping is not None:
        done_at = stopping.at if stopping.platform_at is None else stopping.platform_at
    return Moments(
        clock.clock,
        clock.counted_from,
        clock.is_estimated,
        record.decided_on,
        record.status,
        record.waits_for,
        record.arrived_at,
        record.accepted_at,
        record.version_at,
        min((stage.at for stage in reached), default=None),
        min((s.at for s in reached if s.version == record.version), default=None),
        done_at,
        reached[-1].stage if reached else "named",
    )


def source_of(entry: EntryRow) -> dict[str, str | int | None]:
    """Where a submission came from: file fingerprint, sheet and row, stream, sequence."""
    fingerprint, sheet, row = ("", "", "")
    if entry.position.count(":") == 2:  # noqa: PLR2004 - fingerprint:sheet:row
        fingerprint, sheet, row = entry.position.split(":")
    return {
        "file": fingerprint,
        "sheet": sheet,
        "row": row,
        "department": entry.department,
        "stream": entry.stream,
        "sequence": entry.stream_sequence,
    }


def clock_state(clock: ClockRow, now: int) -> str:
    """Return one of stopped_in_time, stopped_late, overdue, running."""
    if clock.is_stopped:
        return "stopped_late" if clock.is_late else "stopped_in_time"
    return "overdue" if clock.due_at <= now else "running"


_CLOCK_STATES = {
    "stopped_in_time": "按时完成", "stopped_late": "逾期完成", "overdue": "逾期未完成",
    "running": "未到期",
}  # fmt: skip


# --- for people ---


Near = Mapping[tuple[int, int], Sequence[NearRecord]]
"""By partition and sequence of the case: records that a statement which waits may have meant."""


def _lines(
    story: Story, names: Names, calendar: WorkingCalendar, now: int, near: Near
) -> Iterator[str]:
    record = story.record
    if record is not None:
        number = record.document_number or "（无文书号）"
        yield f"{number}  {record.subject_name}  {code_of(record.ledger_key)}"
        decided = record.decided_on.isoformat() if record.decided_on else "不详"
        conflict = "，有未声明的改动待处理" if record.is_conflicting else ""
        yield (
            f"  {kind_zh(record.kind)}，{names.department(record.department)}，决定日 {decided}，"
            f"{STATUSES[record.status]} {record.status}，第 {record.version} 版{conflict}"
        )
    else:
        first = story.entries[0]
        yield f"{first.document_number}  {first.subject_name}  {code_of(first.ledger_key)}"
        yield "  没有记录 no record"
    yield "  来源与决定 source and decisions"
    for entry in story.entries:
        yield from _decision_lines(entry, names)
    yield from _stage_lines(story.stages, names)
    yield from _clock_lines(story, names, now)
    yield from _time_lines(times_used(story, calendar, now), names)
    if story.cases:
        yield "  待人处理 waits for a person"
    for case in story.cases:
        yield f"    {case_words(case, names)}"
        yield from (f"      {words}" for words in near_words(near[case.partition, case.sequence]))
    if story.conflicts:
        yield "  " + conflict_words(story.conflicts).replace("\n", "\n  ")


def _decision_lines(entry: EntryRow, names: Names) -> Iterator[str]:
    if entry.cause_kind == "outcome":
        return  # shown as a stage of its platform
    where = f"台账 ledger {entry.partition}/{entry.sequence}"
    line = f"    {moment(entry.decided_at)}  {OUTCOMES.get(entry.outcome, entry.outcome)}"
    line += f" {entry.outcome}  {where}"
    if entry.refers_to is not None:
        line += f" → {entry.partition}/{entry.refers_to}"
    yield line
    if entry.cause_kind == "submission":
        source = source_of(entry)
        row = f"文件 file {source['file']} 第 {source['row']} 行，" if source["file"] else ""
        yield (
            f"      {row}{names.department(entry.department)} {entry.kind}"
            f"（{entry.stream} #{entry.stream_sequence}）"
        )
    for code, field, severity in json.loads(entry.reasons):
        words = reason_words(code, field)
        mark = "错误" if severity == "error" else "提示"
        yield f"      {mark} {code}：{words['zh']}"
        yield f"        {words['en']}"
        if severity == "error" and words["remedy"]:
            yield f"        处理办法：{words['remedy']}"


def _stage_lines(stages: Sequence[StageRow], names: Names) -> Iterator[str]:
    targets = sorted({stage.target for stage in stages})
    if targets:
        yield "  各平台 platforms"
    for target in targets:
        yield f"    {names.target(target)}（{names.target_id(target)}）"
        for stage in stages:
            if stage.target != target:
                continue
            at = stage.at if stage.platform_at is None else stage.platform_at
            extra = f"  回执 {stage.receipt}" if stage.receipt else ""
            extra += f"  平台代码 {stage.code}" if stage.code else ""
            extra += "" if stage.is_news else "（迟到或重新投送后的回报，未改变状态）"
            yield (
                f"      {moment(at)}  第 {stage.version} 版{ACTIONS[stage.action]}："
                f"{STAGES.get(stage.stage, stage.stage)} {stage.stage}{extra}"
            )


def _clock_lines(story: Story, names: Names, now: int) -> Iterator[str]:
    if story.clocks or story.clock_events:
        yield "  期限 deadlines"
    if story.accepted_under is not None:
        yield (
            f"    已由 {story.accepted_under} 下的记录受理，不再计逾期 / accepted under that code,"
            " nothing is owed here"
        )
    for clock in story.clocks:
        marks = "，暂定 provisional" if clock.is_provisional else ""
        marks += "，无决定日、按到达日估计 estimated" if clock.is_estimated else ""
        state = clock_state(clock, now)
        words = "" if clock.clock == "expire" else f"：{_CLOCK_STATES[state]} {state}"
        yield (
            f"    {names.target(clock.target)} {CLOCKS[clock.clock]}"
            f" {due_on(clock.due_at)} 24:00{marks}{words}"
        )
    for event in story.clock_events:  # each with its own day: a correction starts another period
        until = "" if event.due_at is None else f"（{due_on(event.due_at)} 到期）"
        yield (
            f"      {moment(event.at)}  {names.target(event.target)} {CLOCKS[event.clock]}："
            f"{event_zh(event.event)}{until}"
        )


def _time_lines(used: list[TimeUsed], names: Names) -> Iterator[str]:
    if used:
        yield "  用了谁的时间（工作日，每日 24 小时）whose time was used"
    for one in used:
        parts = "，".join(f"{PARTIES[party]} {span(ms)}" for party, ms in one.used.items())
        end = "" if one.is_done else "（截至现在 so far）"
        yield f"    {names.target(one.target)} {CLOCKS[one.clock]}：{parts}{end}"


# --- for machines ---


def _as_json(
    story: Story, names: Names, calendar: WorkingCalendar, now: int, near: Near
) -> dict[str, object]:
    record = story.record
    return {
        "record_key": story.key.hex(),
        "record": None if record is None else _record_json(record),
        "decisions": [_entry_json(e) for e in story.entries if e.cause_kind != "outcome"],
        "targets": {
            names.target_id(target): [
                _stage_json(stage) for stage in story.stages if stage.target == target
            ]
            for target in sorted({stage.target for stage in story.stages})
        },
        "deadlines": [
            {
                "target": names.target_id(clock.target),
                "clock": clock.clock,
                "due_on": due_on(clock.due_at),
                "due_at": iso(clock.due_at),
                "state": clock_state(clock, now),
                "provisional": clock.is_provisional,
                "estimated": clock.is_estimated,
            }
            for clock in story.clocks
        ],
        "clock_events": [
            {
                "target": names.target_id(event.target), "clock": event.clock,
                "event": event.event, "at": iso(event.at),
                "due_on": None if event.due_at is None else due_on(event.due_at),
            }
            for event in story.clock_events
        ],
        "time_used": [
            {
                "target": names.target_id(one.target), "clock": one.clock, "done": one.is_done,
                "working_hours": {
                    party.value: round(ms / 3_600_000, 3) for party, ms in one.used.items()
                },
            }
            for one in times_used(story, calendar, now)
        ],
        "accepted_under": story.accepted_under,
        "open_cases": [
            case_json(case, near[case.partition, case.sequence], names) for case in story.cases
        ],
        "identity_conflicts": [conflict_json(row) for row in story.conflicts],
    }  # fmt: skip


def _record_json(record: RecordRow) -> dict[str, object]:
    return {
        "credit_code": code_or_none(record.ledger_key),
        "document_number": record.document_number,
        "subject_name": record.subject_name,
        "authority_code": record.authority_code,
        "kind": record.kind,
        "department": record.department,
        "status": record.status,
        "version": record.version,
        "conflicting": record.is_conflicting,
        "decided_on": record.decided_on.isoformat() if record.decided_on else None,
        "arrived_at": iso(record.arrived_at),
        "accepted_at": iso(record.accepted_at),
    }


def _entry_json(entry: EntryRow) -> dict[str, object]:
    return {
        "partition": entry.partition,
        "sequence": entry.sequence,
        "decided_at": iso(entry.decided_at),
        "cause": entry.cause_kind,
        "outcome": entry.outcome,
        "kind": entry.kind,
        "version": entry.version,
        "refers_to": entry.refers_to,
        "basis": entry.basis.hex(),
        "source": source_of(entry) if entry.cause_kind == "submission" else None,
        "reasons": [
            reason_words(code, field) | {"severity": severity}
            for code, field, severity in json.loads(entry.reasons)
        ],
    }


def _stage_json(stage: StageRow) -> dict[str, object]:
    return {
        "version": stage.version,
        "action": stage.action,
        "stage": stage.stage,
        "at": iso(stage.at),
        "platform_at": iso(stage.platform_at),
        "changed_the_record": stage.is_news,
        "receipt": stage.receipt,
        "code": stage.code,
    }
