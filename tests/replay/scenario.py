"""A month of a small hub in which every outcome comes up: what verify and replay are tried on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from hashlib import sha256
from typing import Any

from hub.core.basis import canonical_json
from hub.core.ledger_end import Loss
from hub.core.record import LedgerRecord, Outcome
from hub.domain import kinds
from hub.domain.partitioning import partition_of
from hub.ports import InputRecord
from tests.contract.specimens import STATEMENTS, row_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver, MemoryLog
from tests.driver.resends import ARCHIVE, ask_again, redecide
from tests.driver.rows import (
    AGENTS,
    AGENTS_CODE,
    AUTHORITY,
    COURT,
    DELISTED,
    DEPARTMENT,
    LICENCE,
    LISTED,
    MADE,
    OTHER_DEPARTMENT,
    PENALTY,
    PERFORMED,
    at,
    commitment_row,
    exit_row,
    framed,
    licence_row,
    listing_row,
    penalty_row,
    sender_of,
)
from tests.unit.domain.plain_checks import credit_check_character, organisation_check_character

PREFIX = "test."
HOUR = 3_600_000
DAY = 24 * HOUR


class MemoryInputs:
    """What an audit reads, over the driver's log; see `hub.audit.history.HistoryInputs`.

    `trimmed` names topics whose records before an offset are no longer retained.
    """

    def __init__(self, log: MemoryLog, trimmed: Mapping[str, int] | None = None) -> None:
        self._log = log
        self._trimmed = trimmed or {}

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """First retained offset and end."""
        return {
            (topic, p): (
                max(self._trimmed.get(topic, 0), self._log.starts[topic, p]),
                len(self._log.logs[topic, p]),
            )
            for topic, p in partitions
        }

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Everything from each position on, in small batches."""
        for place, start in positions.items():
            log = list(self._log.logs[place])
            for at_ in range(start, len(log), 7):
                yield log[at_ : at_ + 7]


def lose_some(hub: HubTestDriver) -> None:
    """Submissions are deleted undecided, and the operator answers for that."""
    topic = f"submissions.{OTHER_DEPARTMENT}"
    following = len(hub.log.logs[hub.prefix + topic, 0])
    for _ in range(3):
        hub.put_unreadable(topic, 0)
    hub.delete(topic, 0, following + 2)
    hub.crash()
    accept_loss(hub, topic, 0, following, following + 2)
    hub.run()


def accept_loss(hub: HubTestDriver, topic: str, partition: int, first: int, until: int) -> None:
    """The operator says that these are gone."""
    content = {
        "topic": hub.prefix + topic, "first": first, "until": until, "operator": "王工",
        "reason": "误删",
    }  # fmt: skip
    headers = (("ce_type", kinds.INPUT_LOST.encode()),)
    hub.put("control", partition, b"", json.dumps(content).encode(), headers)


def company(number: int) -> str:
    """A synthetic credit code whose check characters hold."""
    organisation = f"MA{number:06d}"
    body = "91330900" + organisation + organisation_check_character(organisation)
    return body + credit_check_character(body)


def topics_of(hub: HubTestDriver) -> tuple[str, ...]:
    """Every input topic, as a site names them."""
    return (
        hub.prefix + "control",
        *(hub.prefix + f"submissions.{d}" for d in hub.departments),
        *(hub.prefix + f"outcomes.{t}" for t in hub.targets),
    )


def with_notice_for_2027() -> dict[str, Any]:
    """The basis with a holiday notice that moves what was counted without one."""
    document = rows.basis()
    days = [{"name": "元旦", "date": f"2027-01-0{n}", "isOffDay": True} for n in (1, 2, 3, 4, 5)]
    document["calendar"]["notices"].append({"year": 2027, "papers": ["test"], "days": days})
    document["calendar"]["version"] = "with-2027"
    return document


def with_longer_holiday() -> dict[str, Any]:
    """The notice replaced while the holiday ran, as in 2020: what was missed is not yet due."""
    document = with_notice_for_2027()
    days = document["calendar"]["notices"][-1]["days"]
    days += [{"name": "元旦", "date": f"2027-01-0{n}", "isOffDay": True} for n in (6, 7, 8)]
    document["calendar"]["version"] = "with-longer-2027"
    return document


def submit(
    hub: HubTestDriver,
    row: dict[str, str],
    department: str = DEPARTMENT,
    **more: Any,  # noqa: ANN401 - as `pipe`
) -> None:
    """Pipe a row as it stands; the key is its credit code."""
    kind = LICENCE if "XK_WSH" in row else PENALTY
    key = row.get("XK_XDR_SHXYM") or row["CF_XDR_SHXYM"]
    hub.pipe(department, kind, key, framed(kind, row), **more)


def repeat(hub: HubTestDriver, row: dict[str, str], sequence: int) -> None:
    """Submit under a number that was used before, as a connector does after a torn transaction."""
    submit(hub, row, sequence=sequence)
    hub._sequences[f"{DEPARTMENT}/test"] -= 1


def correct(hub: HubTestDriver, row: dict[str, str], redetermined_on: str = "") -> None:
    """A declared correction that keeps the identity."""
    kind = LICENCE if "XK_WSH" in row else PENALTY
    key = row.get("XK_XDR_SHXYM") or row["CF_XDR_SHXYM"]
    content = {
        "subject_kind": kind, "row": framed(kind, row), "reason": "录入错误",
        "redetermined_on": redetermined_on,
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.corrected.v1", key, framed("record.corrected.v1", content))


def restore(hub: HubTestDriver, row: dict[str, str], **more: Any) -> None:  # noqa: ANN401 - what `pipe` takes
    """A licence is shown again, by a decision of its own."""
    content = {
        "subject_kind": LICENCE, "row": framed(LICENCE, row), "reason": "撤回有误",
        "decided_by": "舟山市示例局",
    }  # fmt: skip
    key = row["XK_XDR_SHXYM"]
    hub.pipe(DEPARTMENT, kinds.RESTORED, key, framed(kinds.RESTORED, content), **more)


def withdraw(
    hub: HubTestDriver,
    row: dict[str, str],
    reason: str = "决定被撤销",
    **more: Any,  # noqa: ANN401 - what the driver's `pipe` takes
) -> None:
    """A withdrawal of a licence row."""
    content = {
        "subject_kind": LICENCE, "document_number": row["XK_WSH"],
        "subject_name": row["XK_XDR_MC"], "credit_code": row["XK_XDR_SHXYM"],
        "authority_code": AUTHORITY, "reason": reason,
    }  # fmt: skip
    kind = "record.withdrawn.v1"
    hub.pipe(DEPARTMENT, kind, row["XK_XDR_SHXYM"], framed(kind, content), **more)


def move(
    hub: HubTestDriver, row: dict[str, str], new_code: str, number: int, *, halves: str = "oi",
    department: str = DEPARTMENT,
) -> None:  # fmt: skip
    """The two halves of a move in the order of `halves`: `o` out, `i` in."""
    move_id = f"{number:032x}"
    out: dict[str, Any] = {
        "move_id": move_id, "subject_kind": LICENCE, "document_number": row["XK_WSH"],
        "subject_name": row["XK_XDR_MC"], "credit_code": row["XK_XDR_SHXYM"],
        "authority_code": AUTHORITY, "new_credit_code": new_code, "reason": "代码录入错误",
    }  # fmt: skip
    into: dict[str, Any] = {
        "move_id": move_id, "subject_kind": LICENCE, "reason": "代码录入错误",
        "row": framed(LICENCE, row | {"XK_XDR_SHXYM": new_code}),
        "previous_credit_code": row["XK_XDR_SHXYM"],
    }  # fmt: skip
    for half in halves:
        if half == "o":
            kind, key, content = "record.moved_out.v1", row["XK_XDR_SHXYM"], out
        else:
            kind, key, content = "record.moved_in.v1", new_code, into
        hub.pipe(department, kind, key, framed(kind, content))


def report(hub: HubTestDriver, record: LedgerRecord, target: str, stage: str, **more: Any) -> None:  # noqa: ANN401 - JSON values
    """A courier reports what a target did with a version."""
    action = "withdraw" if stage == "withdrawn" else "publish"
    content = {
        "outcome": "00", "delivery": "00", "record": record.record_key.hex(),
        "version": record.version, "action": action, "stage": stage, "receipt": "r", "code": "",
        "message": "", "platform_at": hub.now, "at": hub.now,
    } | more  # fmt: skip
    key = record.cause.key
    place = partition_of(key, hub.partitions)
    hub.put(f"outcomes.{target}", place, key, json.dumps(content).encode())


def run_scenario(prefix: str = PREFIX, companies: int = 24) -> HubTestDriver:
    """Six weeks from 2026-12-01; `companies` companies, two departments, two targets."""
    hub = HubTestDriver(rows.basis(), prefix=prefix, now=at("2026-12-01 09:00"))
    licences = [
        licence_row(XK_XDR_SHXYM=company(n), XK_WSH=f"舟市监许〔2026〕{n}号", XK_JDRQ="2026-12-01")
        | {"XK_YXQZ": "2026-12-01", "XK_XDR_MC": f"舟山示例{n}有限公司"}
        for n in range(companies)
    ]
    penalties = [
        penalty_row(CF_XDR_SHXYM=company(n), CF_WSH=f"舟市监罚〔2026〕{n}号", CF_JDRQ="2026-12-01")
        | {"CF_GSJZQ": "2026-12-20", "CF_XDR_MC": f"舟山示例{n}有限公司"}
        for n in range(0, companies, 3)
    ]
    for row in licences + penalties:
        submit(hub, row)
    accepted = [r for r in hub.run() if r.outcome is Outcome.ACCEPTED]
    _answers(hub, accepted)
    hub.advance(DAY)
    _changes(hub, licences)
    _lists_and_commitments(hub)
    _comings_and_goings(hub, licences)
    hub.crash(lose_disk=True)
    hub.advance(2 * DAY)
    _nonsense(hub, licences)
    for _ in range(20):
        hub.advance(DAY)
    late = {"XK_JDRQ": "2026/12/24", "XK_YXQZ": "2026-12-24"}
    for n, row in enumerate(licences[:6]):
        submit(hub, row | late | {"XK_WSH": f"舟市监许〔2026〕90{n}号"})
    hub.run()
    hub.adopt(with_notice_for_2027())
    hub.advance(15 * DAY)
    hub.adopt(with_longer_holiday())
    hub.advance(5 * DAY)
    return hub


def tell_again(hub: HubTestDriver) -> None:
    """Resends, a target added, one retired, the new one asked for again by number and by date."""
    ask_again(hub, "city")
    ask_again(hub, "province", document="舟市监许(2026)2号")
    added = with_longer_holiday()
    added["site"]["targets"].append(dict(ARCHIVE))
    hub.adopt(added)
    retired = deepcopy(added)
    retired["site"]["targets"][1]["kinds"] = []
    hub.adopt(retired)
    ask_again(hub, "archive", begin="2026-12-02")
    asked = {
        "rule": "periods-order-36", "kinds": [PENALTY], "decided_from": "", "decided_to": "",
        "reason": "test",
    }  # fmt: skip
    redecide(hub, asked)
    hub.advance(DAY)
    give_up(hub)


def give_up(hub: HubTestDriver) -> None:
    """An operator declares that records which somebody saw behind the end are lost."""
    for partition in range(hub.partitions):
        first = len(hub.raw_ledger(partition))
        loss = Loss(
            first, first + 3, 1, first, "00" * 32, "", ("receipts 9",), "王运维", "磁盘损坏"
        )  # fmt: skip
        value = canonical_json(loss.as_content())
        hub.put("control", partition, b"", value, (("ce_type", kinds.LOSS_ACCEPTED.encode()),))
    hub.run()


def _answers(hub: HubTestDriver, accepted: list[LedgerRecord]) -> None:
    """Platforms take over, show, refuse, answer twice and answer to what never was."""
    for number, record in enumerate(accepted):
        report(hub, record, "province", "sent")
        if number % 4:
            report(hub, record, "province", "acknowledged")
        if number % 3 == 0:
            report(hub, record, "city", "published")
        elif number % 3 == 1:
            report(hub, record, "city", "refused", code="E17")
    report(hub, accepted[0], "city", "published")
    report(hub, accepted[1]._replace(record_key=b"?" * 16), "city", "published")
    hub.put("outcomes.city", 0, b"", b"garbage")
    hub.run()


def _changes(hub: HubTestDriver, licences: list[dict[str, str]]) -> None:
    """Other spellings, corrections, withdrawals, moves of every kind, repeats, old versions."""
    submit(hub, licences[0] | {"XK_WSH": "舟市监许[2026] 0号", "XK_JDRQ": "2026/12/1"})
    submit(hub, licences[1] | {"XK_NR": "别的内容"})
    correct(hub, licences[2] | {"XK_NR": "食品销售"})
    correct(hub, licences[3] | {"XK_WSH": "舟市监许〔2026〕404号"})
    withdraw(hub, licences[4])
    withdraw(hub, licences[4])
    withdraw(hub, licences[5] | {"XK_WSH": "舟市监许〔2026〕404号"})
    hub.run()
    submit(hub, licences[4])
    repeat(hub, licences[2] | {"XK_NR": "同号另一内容"}, 3)  # this number has its receipt already
    submit(hub, licences[7] | {"XK_NR": "第二版"}, source_version=2)
    versioned = licences[7] | {"XK_WSH": "舟市监许〔2026〕700号"}
    submit(hub, versioned, source_version=5)
    submit(hub, versioned | {"XK_NR": "旧版"}, source_version=3)
    submit(hub, licences[8] | {"XK_NR": ""})
    hub.run()
    for number, halves in enumerate(("oi", "io", "i", "o", "oo")):
        move(hub, licences[9 + number], company(500 + number), number, halves=halves)
        if halves == "io":
            hub.run()
    move(hub, licences[20] | {"XK_WSH": "舟市监许〔2026〕404号"}, company(600), 77, halves="i")
    hub.run()
    move(hub, licences[20] | {"XK_WSH": "舟市监许〔2026〕404号"}, company(600), 77, halves="o")
    hub.run()


def _lists_and_commitments(hub: HubTestDriver) -> None:
    """Entries and exits of a court's list, commitments made and performed, statements."""

    def say(kind: str, row: dict[str, str], department: str) -> None:
        key = row.get("debtor_code") or row.get("promisor_code") or row["credit_code"]
        hub.pipe(department, kind, key, framed(kind, row))

    names = [(company(n), f"舟山示例{n}有限公司") for n in range(6)]
    openness = ("可向社会公开", "特定范围内公开", "不可公开")
    done = {"performance_status": "全部履行", "performance_recognised_on": "2026-12-02"}
    for n, (code, name) in enumerate(names):
        debtor = {"debtor_code": code, "debtor_name": name, "case_number": f"（2026）浙0902执{n}号"}
        promisor = {
            "promisor_code": code, "promisor_name": name, "openness": openness[n % 3],
            "commitment_code": f"3309022026112000000{n}", "committed_on": "2026-11-20",
            "commitment_valid_to": "2026-12-31",
        }  # fmt: skip
        say(LISTED, listing_row(**debtor, debtor_category=str(min(n, 1))), COURT)
        if n != 1:  # one is performed without having been made
            say(MADE, commitment_row(**promisor), DEPARTMENT)
        hub.run()
        if n % 2:
            say(DELISTED, exit_row(**debtor, exited_on="2026-12-02"), COURT)
            say(PERFORMED, commitment_row(**promisor, **done), DEPARTMENT)
        hub.run()
        if n == 5:  # performed in part, then wholly, then somebody else's word on it
            part = {"performance_status": "部分履行", "performance_recognised_on": "2026-12-01"}
            owed = {"unperformed_content": "一人未补", "liability_pursued": "限期补齐"}
            further = promisor | {"commitment_code": "33090220261120000009"}
            say(PERFORMED, commitment_row(**further, **part, **owed), DEPARTMENT)
            say(PERFORMED, commitment_row(**further, **done), OTHER_DEPARTMENT)
            say(PERFORMED, commitment_row(**further, **done), DEPARTMENT)
        if n == 3:  # one of them comes back, and its old promise comes late
            say(LISTED, listing_row(**debtor), COURT)
            say(MADE, commitment_row(**promisor), DEPARTMENT)
            say(DELISTED, exit_row(**debtor, exited_on="2026-12-02"), DEPARTMENT)
    for kind in STATEMENTS:
        row = {name: str(text) for name, text in row_of(kind, "accepted-minimal").items()}
        sender, code = sender_of(kind)
        for _ in range(2):
            say(kind, row | {"authority_code": code}, sender)
    hub.run()
    for code, _name in names[:2]:  # not performed; performed
        say(kinds.PERFORMANCE_MISSING, _finding(hub, code), AGENTS)
    hub.run()


def _comings_and_goings(hub: HubTestDriver, licences: list[dict[str, str]]) -> None:
    """What is restored, listed again, answered under another key, moved better, or waits."""
    withdraw(hub, licences[16])
    submit(hub, licences[16])
    restore(hub, licences[16])
    restore(hub, licences[16])
    restore(hub, licences[17] | {"XK_WSH": "舟市监许〔2026〕405号"})
    versioned = licences[18] | {"XK_WSH": "舟市监许〔2026〕701号"}
    submit(hub, versioned, source_version=20621201)
    submit(hub, versioned, source_version=5)
    withdraw(hub, versioned, source_version=4)
    withdraw(hub, versioned, source_version=6)
    restore(hub, versioned, source_version=5)
    submit(hub, versioned, source_version=7, is_stated_valid=True)
    hub.run()
    # under a key that is none: answered in this partition at once, in another by the agent
    bad = {"XK_XDR_SHXYM": "91330900MA00000157"}
    for n, row in enumerate(licences[:4]):
        decision = row | {"XK_WSH": f"舟市监许〔2026〕80{n}号"}
        key = f"?{DEPARTMENT}/{n:016x}"
        hub.pipe(DEPARTMENT, LICENCE, key, framed(LICENCE, decision | bad))
        refused = next(r for r in hub.run() if r.cause.key == key.encode())
        submit(hub, decision)
        accepted = next(r for r in hub.run() if r.outcome is Outcome.ACCEPTED)
        lifting = {
            "record": refused.record_key.hex(), "answered_by": accepted.record_key.hex(),
        }  # fmt: skip
        hub.pipe(AGENTS, kinds.DUTY_LIFTED, key, framed(kinds.DUTY_LIFTED, lifting))
    # a move that is refused and sent again better; one whose identity stays; one that waits
    foreign = licences[19] | {"XK_WSH": "舟市监许〔2026〕702号"}
    submit(hub, foreign, department=OTHER_DEPARTMENT)
    move(hub, foreign, company(700), 700)
    hub.run()
    move(hub, foreign, company(700), 700, department=OTHER_DEPARTMENT)
    move(hub, licences[21], licences[21]["XK_XDR_SHXYM"], 701)
    move(hub, licences[22] | {"XK_WSH": "舟市监许〔2026〕406号"}, company(701), 702)
    hub.run()
    submit(hub, licences[22] | {"XK_WSH": "舟市监许〔2026〕406号"})
    # more than may wait for one record; then a faulty row and a good one
    awaited = licences[23] | {"XK_WSH": "舟市监许〔2026〕407号"}
    for n in range(9):
        withdraw(hub, awaited, reason=f"第{n}次")
    correct(hub, awaited | {"XK_NR": "食品销售"})
    submit(hub, awaited, department=OTHER_DEPARTMENT)
    hub.run()
    _penalties_again(hub)


def _penalties_again(hub: HubTestDriver) -> None:
    """A penalty that was minor and is not any more; a debtor who is listed again."""
    row = penalty_row(
        CF_XDR_SHXYM=company(1), CF_WSH="舟市监罚〔2026〕900号", CF_JDRQ="2026-12-01",
        CF_YZCD="轻微", CF_GSJZQ="2027-01-15",
    )  # fmt: skip
    submit(hub, row)
    correct(hub, row | {"CF_YZCD": "一般"}, redetermined_on="2026-12-02")
    debtor = {"debtor_code": company(7), "case_number": "（2026）浙0902执70号"}
    for kind, entry in (
        (DELISTED, exit_row(**debtor, exited_on="2026-11-20")),  # of another entry: it waits
        (LISTED, listing_row(**debtor, listed_on="2026-11-30")),
        (DELISTED, exit_row(**debtor, exited_on="2026-11-29")),
        (DELISTED, exit_row(**debtor, exited_on="2026-12-01")),
        (LISTED, listing_row(**debtor, listed_on="2026-11-30")),
        (LISTED, listing_row(**debtor, listed_on="2026-12-02")),
    ):
        hub.pipe(COURT, kind, company(7), framed(kind, entry))
    hub.run()


def _finding(hub: HubTestDriver, code: str) -> dict[str, str]:
    """That this company's commitment was not performed."""
    row = row_of(kinds.PERFORMANCE_MISSING, "accepted-minimal")
    records = {
        record.record_key.hex()
        for record in hub.ledger()
        if record.cause.key == code.encode() and record.kind in {MADE, PERFORMED}
    }
    return {name: str(text) for name, text in row.items()} | {
        "authority_code": AGENTS_CODE, "credit_code": code, "commitment_record": min(records),
        "document_number": sha256(code.encode()).hexdigest(),
    }  # fmt: skip


def _nonsense(hub: HubTestDriver, licences: list[dict[str, str]]) -> None:
    """What nobody can read, what is too large, what is not theirs."""
    row = licences[15]
    key = row["XK_XDR_SHXYM"]
    hub.pipe(DEPARTMENT, LICENCE, key, b"garbage")
    hub.pipe(DEPARTMENT, LICENCE, key, framed(LICENCE, row)[:-3])
    hub.pipe(DEPARTMENT, LICENCE, company(999), framed(LICENCE, row))
    hub.pipe(DEPARTMENT, "nobody.knows.v1", key, framed(LICENCE, row))
    hub.pipe(DEPARTMENT, LICENCE, key, b"\x00" * (1024 * 1024 + 1))
    wrong = 1 - partition_of(key.encode(), 2)
    hub.pipe(DEPARTMENT, LICENCE, key, framed(LICENCE, row), partition=wrong)
    submit(hub, row, department=OTHER_DEPARTMENT)
    submit(hub, row | {"XK_NR": "他部门改"}, department=OTHER_DEPARTMENT)
    submit(hub, row | {"XK_XKJGDM": rows.OTHER_AUTHORITY})
    sealed = {
        "subject_kind": LICENCE, "cause": "person", "reason_code": "", "position": "1",
        "file_fingerprint": "0" * 16, "sealed": b"sealed",
    }  # fmt: skip
    kind = "row.unreadable.v1"
    for cause in ("person", "unreadable"):
        hub.pipe(DEPARTMENT, kind, f"?{DEPARTMENT}", framed(kind, sealed | {"cause": cause}))
    hub.put("control", 0, b"", b"{", (("ce_type", b"move.noted.v1"),))
    hub.run()
