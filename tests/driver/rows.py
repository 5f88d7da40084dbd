"""Rows and bases the driver tests share: synthetic identities, invented texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from hub.config.repository import DEPLOY, contract_texts, load_repository_contracts
from hub.core.basis import DECIDER_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTHORITY = "11330900MA0000015E"
OTHER_AUTHORITY = "12330900MA0000015B"
COMPANY = "91330900MA00000156"
OTHER_COMPANY = "91330900MA00004450"
DEPARTMENT = "market-supervision"
OTHER_DEPARTMENT = "housing-construction"
LICENCE = "licence.granted.v1"
PENALTY = "penalty.imposed.v1"
LISTED = "court_enforcement.listed.v1"
DELISTED = "court_enforcement.delisted.v1"
MADE = "commitment.made.v1"
PERFORMED = "commitment.performed.v1"
COURT = "court"
COURT_CODE = "11330902MA00000904"
AGENTS = "cases"
AGENTS_CODE = "12330900MA0009001Y"
CONTRACTS = load_repository_contracts()


def sender_of(kind: str) -> tuple[str, str]:
    """A department that may state this kind of statement, and its authority."""
    schema = CONTRACTS.by_kind[kind].schema
    if schema.submitted_by == "agent":
        return AGENTS, AGENTS_CODE
    return (COURT, COURT_CODE) if schema.stated_with == LISTED else (DEPARTMENT, AUTHORITY)


def at(text: str) -> int:
    """Business milliseconds of a Shanghai time such as `2026-11-02 09:00`."""
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC) - timedelta(hours=8)
    return int(moment.timestamp() * 1000)


@cache
def _parts() -> tuple[str, str]:
    rulebook = yaml.safe_load((DEPLOY / "rulebooks/national-2026.yaml").read_text("utf-8"))
    calendar = (DEPLOY / "calendars/cn-2007-2026.json").read_text("utf-8")
    return json.dumps(rulebook, default=str), calendar


def department(
    authorities: list[str],
    may_act_on: Sequence[str] = (),
    *,
    kind: str = "office",
    states: Sequence[str] = (LICENCE, PENALTY, MADE, PERFORMED),
) -> dict[str, Any]:
    """A department as a basis has it; an office states what offices usually do."""
    return {
        "kind": kind, "authorities": authorities, "may_act_on": list(may_act_on),
        "states": sorted(states),
    }  # fmt: skip


def basis(partitions: int = 2) -> dict[str, Any]:
    """A basis with two bureaus, a court and the agents; a province (reports) and a city (shows)."""
    rulebook, calendar = _parts()
    kinds = [LICENCE, PENALTY, LISTED, MADE, PERFORMED]
    return {
        "decider": DECIDER_VERSION,
        "contracts": contract_texts(),
        "rulebook": json.loads(rulebook),
        "calendar": json.loads(calendar),
        "site": {
            "site": "test",
            "partitions": partitions,
            "departments": {
                DEPARTMENT: department([AUTHORITY]),
                OTHER_DEPARTMENT: department([OTHER_AUTHORITY, AUTHORITY]),
                COURT: department([COURT_CODE], kind="court", states=[LISTED]),
                AGENTS: department([AGENTS_CODE], kind="agent", states=[]),
            },
            "targets": [
                {
                    "id": "province", "number": 0, "role": "report", "public": False,
                    "kinds": kinds, "clock_from": "1970-01-01",
                    "clearance": ["public", "government"],
                },
                {
                    "id": "city", "number": 1, "role": "display", "public": True, "kinds": kinds,
                    "clock_from": "1970-01-01", "clearance": ["public"],
                },
            ],
        },
    }  # fmt: skip


def licence_row(**changes: str) -> dict[str, str]:
    """A licence that is accepted as it stands."""
    row = {
        "XK_XDR_MC": "舟山示例贸易有限公司",
        "XK_XDR_LB": "法人及非法人组织",
        "XK_XDR_SHXYM": COMPANY,
        "XK_FRDB": "甲某",
        "XK_XKWS": "食品经营许可决定书",
        "XK_WSH": "舟市监许〔2026〕1号",
        "XK_XKLB": "普通",
        "XK_NR": "食品经营",
        "XK_JDRQ": "2026-11-02",
        "XK_YXQZ": "2026-11-02",
        "XK_YXQZI": "2031-11-01",
        "XK_XKJG": "舟山市示例局",
        "XK_XKJGDM": AUTHORITY,
        "XK_ZT": "1",
        "XK_LYDW": "舟山市示例局",
        "XK_LYDWDM": AUTHORITY,
    }
    return row | changes


def penalty_row(**changes: str) -> dict[str, str]:
    """A penalty that is accepted as it stands."""
    row = {
        "CF_XDR_MC": "舟山示例贸易有限公司",
        "CF_XDR_LB": "法人及非法人组织",
        "CF_XDR_SHXYM": COMPANY,
        "CF_FRDB": "甲某",
        "CF_WSH": "舟市监罚〔2026〕1号",
        "CF_WFXW": "未按规定明码标价",
        "CF_SY": "检查发现商品未标明价格",
        "CF_YJ": "价格法第四十二条",
        "CF_CFLB": "罚款",
        "CF_NR": "罚款一千元",
        "CF_NR_FK": "0.1",
        "CF_JDRQ": "2026-11-02",
        "CF_YXQ": "2027-11-01",
        "CF_GSJZQ": "2027-11-01",
        "CF_CFJG": "舟山市示例局",
        "CF_CFJGDM": AUTHORITY,
        "CF_SJLY": "舟山市示例局",
        "CF_SJLYDM": AUTHORITY,
    }
    return row | changes


def listing_row(**changes: str) -> dict[str, str]:
    """An entry of the court's list that is accepted as it stands."""
    row = {
        "debtor_name": "舟山示例贸易有限公司",
        "debtor_category": "法人或者其他组织",
        "debtor_code": COMPANY,
        "court_name": "舟山市示例区人民法院",
        "court_code": COURT_CODE,
        "case_number": "（2026）浙0902执1号",
        "basis_number": "（2025）浙0902民初1号",
        "basis_unit": "舟山市示例区人民法院",
        "filed_on": "2026-06-01",
        "duty": "支付货款十万元",
        "duty_performance": "全部未履行",
        "conduct": "违反财产报告制度",
        "enforcement_amount": "100000",
        "listed_on": "2026-10-30",
    }
    return row | changes


def exit_row(**changes: str) -> dict[str, str]:
    """The exit that takes `listing_row` down."""
    listing = listing_row()
    names = ("court_code", "case_number", "debtor_name", "debtor_code")
    exit_ = {"reason": "履行完毕", "exited_on": "2026-11-02"}
    return {name: listing[name] for name in names} | exit_ | changes


def commitment_row(**changes: str) -> dict[str, str]:
    """A commitment just made that is accepted as it stands; with a status, one performed."""
    row = {
        "commitment_code": "33090220261030000001",
        "promisor_name": "舟山示例贸易有限公司",
        "promisor_category": "法人及非法人组织",
        "promisor_code": COMPANY,
        "commitment_type": "容缺受理型",
        "commitment_matter": "办理食品经营许可",
        "commitment_content": "十日内补齐从业人员健康证明",
        "breach_liability": "撤销许可",
        "committed_on": "2026-10-30",
        "commitment_valid_to": "2026-11-09",
        "accepting_unit": "舟山市示例局",
        "accepting_unit_code": AUTHORITY,
        "openness": "可向社会公开",
    }
    return row | changes


def framed(kind: str, row: dict[str, Any]) -> bytes:
    """A row in the wire format of its kind."""
    return CONTRACTS.by_kind[kind].encode(row)
