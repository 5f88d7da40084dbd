"""A small world, so that collisions are frequent: two companies, two names each, few numbers."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from hub.contracts import Contracts, load_contracts
from hub.domain.credit_code import ALPHABET, assess_credit_code
from hub.domain.partitioning import partition_of
from tests.driver import rows
from tests.driver.rows import (
    AGENTS,
    AUTHORITY,
    COURT,
    COURT_CODE,
    DELISTED,
    DEPARTMENT,
    LICENCE,
    LISTED,
    MADE,
    OTHER_AUTHORITY,
    OTHER_DEPARTMENT,
    PENALTY,
    PERFORMED,
    commitment_row,
    licence_row,
    listing_row,
    penalty_row,
)
from tests.model.rules import day_of
from tests.model.statement import (
    CORRECTED,
    FINDING,
    MOVED_IN,
    MOVED_OUT,
    RESTORED,
    UNREADABLE,
    WITHDRAWN,
)

ROW_KINDS = (LICENCE, PENALTY, LISTED, MADE, PERFORMED)
NAMES = ("舟山示例贸易有限公司", "舟山样本建筑有限公司")
NEW_NAMES = ("舟山改名贸易有限公司", "舟山改名建筑有限公司")
HEADS = {LICENCE: "XK", PENALTY: "CF"}
CONTENTS = ("甲", "乙", "丙")
STEPS = ("全部未履行", "部分履行", "全部履行")
START = rows.at("2026-11-02 09:00")
CLASSES = ("", "轻微", "一般")
OPENNESS = ("可向社会公开", "特定范围内公开", "不可公开")


def company(partition: int) -> str:
    """A valid code whose key falls into a partition of two."""
    for serial in range(10_000):
        for last in ALPHABET:
            code = f"91330900MA{serial:07}{last}"
            found = assess_credit_code(code)
            is_plain = not found.errors and not found.warnings
            if is_plain and partition_of(code.encode(), 2) == partition:
                return code
    raise AssertionError


COMPANIES = (company(0), company(1))


def misspelt(code: str) -> str:
    """The code with a wrong check character."""
    return code[:17] + ALPHABET[(ALPHABET.index(code[17]) + 1) % len(ALPHABET)]


# --- rows ----------------------------------------------------------------------------------------


def document_number(kind: str, number: int, spelling: int = 0) -> str:
    """One of two numbers of a kind, in one of two spellings."""
    if kind in {MADE, PERFORMED}:
        return f"3309022026103000000{number + 1}"
    if kind in {LISTED, DELISTED}:
        return f"（2026）浙0902执{number + 1}号"
    sign = "许" if kind == LICENCE else "罚"
    opening, closing = ("〔〕", "[]")[spelling]
    return f"舟市监{sign}{opening}2026{closing}{number + 1}号"


def move_id(number: int, kind: str) -> str:
    """The id of a move of records of a kind; two kinds of one subject share it."""
    return sha256(f"{number} {kind.partition('.')[0]}".encode()).hexdigest()[:32]


def authority_of(kind: str, *, foreign: bool = False) -> str:
    """Whose decisions of a kind are."""
    if kind in {LISTED, DELISTED}:
        return COURT_CODE
    return OTHER_AUTHORITY if foreign else AUTHORITY


def name_of(step: dict[str, Any]) -> str:
    """What a step calls its company: it has been renamed."""
    return (NEW_NAMES if step.get("renamed") else NAMES)[step["company"]]


def row_of(step: dict[str, Any], now: int) -> dict[str, str]:
    """The row a step speaks of."""
    kind, code = step["kind"], COMPANIES[step["company"]]
    fault = step.get("fault", "")
    if fault == "code":
        code = misspelt(code)
    content = "" if fault == "empty" else CONTENTS[step.get("content", 0)]
    tomorrow = (day_of(now) + timedelta(days=1)).isoformat()
    day = (day_of(now) - timedelta(days=step.get("days_ago", 0))).isoformat()
    if "decided_on" in step:
        day = step["decided_on"]
    day = {"future": tomorrow, "date": "昨天"}.get(fault, day)
    category = "自然人" if fault == "person" else "法人及非法人组织"
    number = document_number(kind, step["number"], step.get("spelling", 0))
    name = name_of(step)
    authority = authority_of(kind, foreign=fault == "foreign")
    if kind == LICENCE:
        return licence_row(
            XK_XDR_MC=name, XK_XDR_SHXYM=code, XK_WSH=number, XK_NR=content, XK_JDRQ=day,
            XK_YXQZ="2026-01-01", XK_XDR_LB=category, XK_XKJGDM=authority,
        )  # fmt: skip
    if kind == PENALTY:
        return penalty_row(
            CF_XDR_MC=name, CF_XDR_SHXYM=code, CF_WSH=number, CF_NR=content, CF_JDRQ=day,
            CF_XDR_LB=category, CF_CFJGDM=authority, CF_YZCD=CLASSES[step.get("grade", 0)],
            CF_GSJZQ=step.get("ends_on", "2027-11-01"), CF_YXQ="2028-11-01",
        )  # fmt: skip
    if kind == LISTED:
        return listing_row(
            debtor_name=name, debtor_code=code, case_number=number, duty=content, listed_on=day,
            debtor_category="自然人" if fault == "person" else "法人或者其他组织",
        )  # fmt: skip
    return _commitment(step, kind, day, content) | {
        "promisor_name": name, "promisor_code": code, "commitment_code": number,
        "promisor_category": category, "accepting_unit_code": authority,
    }  # fmt: skip


def _commitment(step: dict[str, Any], kind: str, day: str, content: str) -> dict[str, str]:
    row = commitment_row(
        committed_on=day, commitment_content=content, openness=OPENNESS[step.get("grade", 0)],
        commitment_valid_to="2027-06-30",
    )  # fmt: skip
    if kind == MADE:
        return row
    stage = step.get("stage", 2)
    row |= {
        "performance_status": STEPS[stage],
        "performance_recognised_on": f"2026-10-{29 + stage}" if step.get("dated", 1) else "",
        "committed_on": "2026-10-20" if day.startswith("20") else day,
    }
    if stage < 2:
        row |= {"unperformed_content": "一项", "liability_pursued": "限期"}
    return row


def key_of(row: dict[str, str], kind: str, department: str, fault: str) -> str:
    """The key a connector files a row under."""
    names = {LICENCE: "XK_XDR_SHXYM", PENALTY: "CF_XDR_SHXYM", LISTED: "debtor_code"}
    code = row[names.get(kind, "promisor_code")]
    if fault != "code":
        return code
    digest = sha256(f"{kind}{sorted(row.items())[:0]}{code}{row_identity(row, kind)}".encode())
    return f"?{department}/{digest.hexdigest()[:16]}"


def row_identity(row: dict[str, str], kind: str) -> str:
    """Number and name of a row, as one text."""
    names = {LICENCE: ("XK_WSH", "XK_XDR_MC"), PENALTY: ("CF_WSH", "CF_XDR_MC")}
    number, name = names.get(
        kind,
        ("case_number", "debtor_name") if kind == LISTED else ("commitment_code", "promisor_name"),
    )
    return row[number].replace("[", "〔").replace("]", "〕") + row[name]


# --- bases ---------------------------------------------------------------------------------------

KINDS_USED = (
    *ROW_KINDS, DELISTED, CORRECTED, WITHDRAWN, MOVED_OUT, MOVED_IN, RESTORED, UNREADABLE, FINDING,
    "duty.lifted.v1", "ledger.record.v1",
)  # fmt: skip


@cache
def _plain() -> dict[str, Any]:
    """The site of the driver's tests with no more contracts and years than a life needs."""
    document = deepcopy(rows.basis())
    document["contracts"] = {
        kind: _short(text) for kind, text in document["contracts"].items() if kind in KINDS_USED
    }
    document["calendar"]["notices"] = [
        notice for notice in document["calendar"]["notices"] if notice["year"] >= 2026
    ]
    document["site"]["targets"].append(
        {
            "id": "archive", "number": 2, "role": "display", "public": True, "kinds": [],
            "clock_from": "2026-11-03", "clearance": ["public"],
        }
    )  # fmt: skip
    return document


def _short(text: str) -> str:
    """A contract without what only people read: a basis is read often."""
    schema = json.loads(text)
    for field in schema.get("fields", []):
        for name in ("doc", "aliases_zh", "normalisation"):
            field.pop(name, None)
    return json.dumps(schema, ensure_ascii=False)


@cache
def contracts() -> Contracts:
    """The contracts of every basis here."""
    return load_contracts(_plain()["contracts"])


def _other_holidays(document: dict[str, Any]) -> None:
    """The notice of 2026 replaced: three days of November off, a Saturday worked."""
    notice = next(n for n in document["calendar"]["notices"] if n["year"] == 2026)
    days = {"2026-11-09": True, "2026-11-10": True, "2026-11-11": True, "2026-11-14": False}
    kept = [day for day in notice["days"] if day["date"] not in days]
    notice["days"] = kept + [
        {"name": "调整", "date": day, "isOffDay": is_off} for day, is_off in days.items()
    ]
    document["calendar"]["version"] += "-replaced"


def _next_year(document: dict[str, Any]) -> None:
    """The notice for 2027."""
    days = [{"name": "元旦", "date": f"2027-01-0{n}", "isOffDay": True} for n in (1, 2, 3, 4, 5)]
    document["calendar"]["notices"].append({"year": 2027, "papers": ["示例"], "days": days})
    document["calendar"]["version"] += "-with-2027"


def _no_penalties(document: dict[str, Any]) -> None:
    """The city shows no penalties."""
    kinds = document["site"]["targets"][1]["kinds"]
    document["site"]["targets"][1]["kinds"] = [kind for kind in kinds if kind != PENALTY]


def _deputy(document: dict[str, Any]) -> None:
    """The other department may act for the first."""
    document["site"]["departments"][OTHER_DEPARTMENT]["may_act_on"] = [DEPARTMENT]


def _archive(document: dict[str, Any]) -> None:
    """The third target shows licences and penalties; older decisions have no deadline there."""
    document["site"]["targets"][2]["kinds"] = [LICENCE, PENALTY]


def _shorter(document: dict[str, Any]) -> None:
    """Five working days instead of seven, with other marks."""
    for rule in document["rulebook"]["deadlines"]:
        if rule["clock"] == "disclose":
            rule["working_days"] = 5
    document["rulebook"]["due_soon_working_days"] = [4, 2]
    document["rulebook"]["version"] += "-shorter"


def _little_waiting(document: dict[str, Any]) -> None:
    """Statements wait five days, three a department."""
    if "held" in document["rulebook"]:
        document["rulebook"]["held"] |= {"days": 5, "most_per_department": 3}
        document["rulebook"]["version"] += "-held"


def _public(document: dict[str, Any]) -> None:
    """The province is public, too, and sees no more than the public."""
    document["site"]["targets"][0] |= {"public": True, "clearance": ["public"]}


def _shown_short(document: dict[str, Any]) -> None:
    """Unclassified and ordinary penalties are shown a month, and end everywhere."""
    rule = next(r for r in document["rulebook"]["publication_periods"] if "36" in r["id"])
    rule["ends_at"] = "everywhere"
    rule["classes"]["ORDINARY"] = {"min_months": 0, "max_months": 1}
    rule["unclassified"] = {"min_months": 0, "max_months": 1}


def _nothing_withheld(document: dict[str, Any]) -> None:
    """Minor penalties are shown to the public, and the city sees all."""
    document["rulebook"]["withholding"] = []
    document["site"]["targets"][1]["clearance"] = ["public", "government"]


def _no_licences(document: dict[str, Any]) -> None:
    """The other department may state licences no more, the first no commitments."""
    for name, kind in ((OTHER_DEPARTMENT, LICENCE), (DEPARTMENT, MADE)):
        department = document["site"]["departments"][name]
        department["states"] = [each for each in department["states"] if each != kind]


def _own_authority(document: dict[str, Any]) -> None:
    """The other department speaks for its own authority alone."""
    document["site"]["departments"][OTHER_DEPARTMENT]["authorities"] = [OTHER_AUTHORITY]


def _no_listings(document: dict[str, Any]) -> None:
    """The court may state nothing, the first department no performances."""
    document["site"]["departments"][COURT]["states"] = []
    department = document["site"]["departments"][DEPARTMENT]
    department["states"] = [each for each in department["states"] if each != PERFORMED]


CHANGES = (
    (), (_other_holidays,), (_next_year,), (_no_penalties,), (_deputy,), (_archive,),
    (_shorter,), (_little_waiting,), (_deputy, _little_waiting),
    (_other_holidays, _next_year, _archive), (_no_penalties, _shorter),
    (_public,), (_shown_short,), (_nothing_withheld,), (_public, _nothing_withheld, _archive),
    (_deputy, _no_licences), (_deputy, _own_authority), (_no_listings,),
)  # fmt: skip
BASIS_ZH = (
    "原样", "2026年放假安排重发", "载入2027年放假安排", "市平台不再展示处罚",
    "住建局可代市监局", "档案平台开始展示", "期限改为五个工作日",
    "等待五天、每部门三条", "可代行且等待五天", "放假重发且档案平台展示",
    "市平台无处罚且期限五天", "省平台公开且只看公开项", "公示一个月且处处到期",
    "不予公示取消且市平台全见", "省平台公开、不予公示取消、档案平台展示",
    "住建局可代行、不可报许可", "住建局可代行、只管自己的机关", "法院不可报送",
)  # fmt: skip


@cache
def basis(number: int, partitions: int) -> dict[str, Any]:
    """One of the bases; never changed by who gets it."""
    document = deepcopy(_plain())
    document["site"]["partitions"] = partitions
    for change in CHANGES[number]:
        change(document)
    return document


SENDERS_ZH = {
    DEPARTMENT: "市监局", OTHER_DEPARTMENT: "住建局", COURT: "法院", AGENTS: "值守程序",
}  # fmt: skip
KINDS_ZH = {
    LICENCE: "许可", PENALTY: "处罚", LISTED: "失信名单", MADE: "承诺", PERFORMED: "履约",
    DELISTED: "退出名单",
}  # fmt: skip
