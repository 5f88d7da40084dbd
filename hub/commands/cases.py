"""`hub cases`: what waits for a person, whose turn it is, what to do, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from hub.adapters.postgres.lookups import CaseView, NearRecord
from hub.commands.look import Names, look_up_options, open_tables, print_json
from hub.commands.words import (
    CASES,
    ENDS,
    OUTCOMES,
    STATUSES,
    TURNS,
    code_of,
    code_or_none,
    due_on,
    iso,
    moment,
    one_line,
    reason_words,
)
from hub.domain.reasons import REASONS, message
from hub.views.open_cases import CaseEnd, CaseKind, Turn, case_reason, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHOWN: Final = 50


class PartyCases(NamedTuple):
    """Open cases of one party."""

    turn: Turn
    open: int
    """Of all that are open, also those that are not listed."""
    cases: Sequence[tuple[CaseView, Sequence[NearRecord]]]
    """The oldest first, each with the records that it may have meant."""
    has_more: bool
    """Whether there are more than are listed."""


@click.command("cases")
@click.option("--department", help="只看一个部门（代号）及其承接的 / of one department, by its id")
@click.option(
    "--kind", type=click.Choice([kind.value for kind in CaseKind]), help="只看一类 / of one kind"
)
@click.option(
    "--all", "--ended", "with_ended", is_flag=True,
    help="也列已了结的，注明何时、如何了结 / also what has ended, when and how",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True,
    help="每方最多显示条数 / at most so many of each party",
)  # fmt: skip
@look_up_options
def command(
    *, department: str | None, kind: str | None, with_ended: bool, limit: int,
    site_folder: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """待人处理：该谁办、从何时起、怎么办 / List what waits for a person, and whose turn it is."""
    only = None if kind is None else CaseKind(kind)
    with open_tables(site_folder) as tables:
        now = tables.now()
        names = Names(tables)
        if department is not None and names.departments and department not in names.departments:
            known = "、".join(names.departments)
            raise click.BadParameter(f"{department} 不是部门代号；可选 / one of: {known}")
        family = names.family(department) if department is not None else []
        counts = [
            count
            for count in tables.case_counts()
            if (not family or count.department in family) and kind in (None, count.case_kind)
        ]
        desks = []
        for turn in Turn:
            found = tables.cases(
                turn, departments=family, kind=only, with_ended=with_ended, limit=limit + 1
            )
            waiting = sum(one.number for one in counts if turn_of(CaseKind(one.case_kind)) is turn)
            listed = [(case, tables.near(case)) for case in found[:limit]]
            desks.append(PartyCases(turn, waiting, listed, len(found) > limit))
    if as_json:
        print_json(desks_json(desks, names, now))
        return
    for line in desk_lines(desks, names, now):
        click.echo(one_line(line))


def desk_lines(desks: Sequence[PartyCases], names: Names, now: int) -> Iterator[str]:
    """Whose turn it is, since when, what, what to do; of what has ended, when and how."""
    waiting = sum(desk.open for desk in desks)
    yield f"{names.site}  {moment(now)}  待人处理 {waiting} 项 / {waiting} wait for a person"
    for desk in desks:
        if not desk.cases:
            continue
        zh, en = TURNS[desk.turn]
        yield f"{zh} {en}：{desk.open} 项"
        for case, near in desk.cases:
            yield f"  {case_words(case, names)}"
            if not case.how:
                yield from (f"    {words}" for words in _remedies(case))
            yield from (f"    {words}" for words in near_words(near))
        if desk.has_more:
            yield "  … 还有更多（--limit）/ and more"


def case_words(case: CaseView, names: Names) -> str:
    """Since when, what, whose, which document; until when it waits, or how it ended."""
    zh, en = CASES[CaseKind(case.case_kind)]
    times = f"（共 {case.times} 次）" if case.times > 1 else ""
    number = case.document_number or "（无文书号）"
    return (
        f"{moment(case.since)} 起  {zh}{times} {en}  {_office(case.department, names)} "
        f"{case.kind}  {number} {case.subject_name}（{code_of(case.ledger_key)}）"
        f"{_where(case, names)}{_until(case)}"
    )


def near_words(near: Sequence[NearRecord]) -> list[str]:
    """Records that a statement which waits may have meant."""
    return [
        f"相近记录 near: {row.document_number} {row.subject_name}（{code_of(row.ledger_key)}，"
        f"{STATUSES.get(row.status, row.status)}）"
        for row in near
    ]


def _office(department: str, names: Names) -> str:
    """The department, and who acts for it where it is retired."""
    heir = names.heir(department)
    name = names.department(department)
    return name if heir == department else f"{name}（已撤并，由{names.department(heir)}承接）"


def _where(case: CaseView, names: Names) -> str:
    """The platform of a delivery, and its own words; where a record has left for."""
    if case.case_kind == CaseKind.ARRIVAL_MISSING:
        return f"，迁往 for {code_of(case.message)}"
    if case.target < 0:
        return ""
    said = "：".join(filter(None, (case.code, case.message)))
    answer = f"，平台答复 {said}" if said else ""
    return f"，{names.target(case.target)} 第 {case.version} 版{answer}"


def _until(case: CaseView) -> str:
    if not case.how or case.ended_at is None:
        return "" if case.until is None else f"，等待至 {due_on(case.until)}"
    zh, en = ENDS[CaseEnd(case.how)]
    by = f"（{OUTCOMES[case.ended_by]}）" if case.ended_by and case.how == CaseEnd.ANSWERED else ""
    return f"，{moment(case.ended_at)} 了结：{zh}{by} {en}"


def _reason_of(case: CaseView) -> dict[str, str]:
    """Why it is open, and what to do."""
    code = case_reason(CaseKind(case.case_kind), case.waits_for, (one[0] for one in case.reasons))
    return reason_words(code, case.code)


def _remedies(case: CaseView) -> Iterator[str]:
    reason = _reason_of(case)
    if reason["code"] in REASONS:
        yield f"处理办法：{reason['remedy']}"
        yield f"Remedy: {message(reason['code'], reason['field']).remedy_en}"


def desks_json(desks: Sequence[PartyCases], names: Names, now: int) -> dict[str, object]:
    """Build the answer for machines."""
    return {
        "now": iso(now),
        "open": {desk.turn.value: desk.open for desk in desks},
        "cases": [case_json(case, near, names) for desk in desks for case, near in desk.cases],
        "more": any(desk.has_more for desk in desks),
    }


def case_json(case: CaseView, near: Sequence[NearRecord], names: Names) -> dict[str, object]:
    """One case, for machines."""
    kind = CaseKind(case.case_kind)
    zh, en = CASES[kind]
    return {
        "case": case.case_kind,
        "zh": zh,
        "en": en,
        "turn": turn_of(kind).value,
        "since": iso(case.since),
        "times": case.times,
        "waits_for": case.waits_for or None,
        "waits_until": iso(case.until),
        "department": case.department,
        "heir": heir if (heir := names.heir(case.department)) != case.department else None,
        "kind": case.kind,
        "record_key": case.record_key.hex(),
        "ledger": {"partition": case.partition, "sequence": case.sequence},
        "document_number": case.document_number,
        "subject_name": case.subject_name,
        "credit_code": code_or_none(case.ledger_key),
        "target": names.target_id(case.target) if case.target >= 0 else None,
        "version": case.version or None,
        "platform": {"code": case.code, "message": case.message} if case.target >= 0 else None,
        "reason": _reason_of(case),
        "ended": _ended_json(case),
        "near": [
            {
                "record_key": row.record_key.hex(),
                "document_number": row.document_number,
                "subject_name": row.subject_name,
                "credit_code": code_or_none(row.ledger_key),
                "status": row.status,
            }
            for row in near
        ],
    }


def _ended_json(case: CaseView) -> dict[str, object] | None:
    if not case.how:
        return None
    zh, en = ENDS[CaseEnd(case.how)]
    return {
        "at": iso(case.ended_at),
        "how": case.how,
        "zh": zh,
        "en": en,
        "outcome": case.ended_by,
        "ledger": {"partition": case.partition, "sequence": case.ended},
    }
