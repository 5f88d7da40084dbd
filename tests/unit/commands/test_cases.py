"""`hub cases` for people and machines: whose turn, since when, what to do, how it ended."""

from __future__ import annotations

import json
from typing import Any, cast

from hub.adapters.postgres.lookups import CaseView, DisplayNames, LookUps, NearRecord
from hub.commands.cases import PartyCases, desk_lines, desks_json
from hub.commands.look import Names
from hub.views.open_cases import CaseEnd, CaseKind, Turn
from tests.driver.rows import at

NOW = at("2026-11-20 09:00")
CODE = "91330900MA00000156"


class _Tables:
    """Names of one department and one target."""

    schema = "hub_test"

    def site(self) -> DisplayNames:
        """What the projector noted."""
        departments = {"market": "市场监管局", "bureau": "新局", "trade": "商务局"}
        targets = {"city": "市平台"}
        content = {"name_zh": "测试站", "departments": departments, "targets": targets}
        return DisplayNames("test.", content)

    def target_names(self) -> dict[int, str]:
        """Target number → id."""
        return {1: "city"}

    def successors(self) -> dict[str, str]:
        """The commerce bureau became a part of the market's, which is in office."""
        return {"trade": "bureau"}


NAMES = Names(cast("LookUps", _Tables()))


def case(kind: CaseKind) -> CaseView:
    """A case since the second of November."""
    return CaseView(
        kind.value, b"r" * 16, 0, 7, at("2026-11-02 09:00"), 1, "", None, -1, 0, "", "", None,
        None, "", None, "market", "licence.granted.v1", CODE, "licence.granted.v1", "许1号",
        "许1号", "甲公司", "甲公司", [],
    )  # fmt: skip


def refused() -> CaseView:
    """A withdrawal that the city refuses."""
    return case(CaseKind.WITHDRAWAL_REFUSED)._replace(
        target=1, version=2, code="MULTIPLE_ROWS", message="two rows", times=3
    )


def said(*desks: PartyCases) -> list[str]:
    """What a person reads."""
    return list(desk_lines(desks, NAMES, NOW))


def test_cases_stand_under_whose_turn_it_is_each_with_what_to_do() -> None:
    """Chinese first, English second; the platform in its own words."""
    waits = case(CaseKind.WAITING)._replace(waits_for="record", until=at("2026-12-02 00:00"))
    near = NearRecord(b"n", CODE, "许7号", "许7号", "甲公司", "甲公司", "live")
    lines = said(
        PartyCases(Turn.DEPARTMENT, 1, [(waits, [near])], has_more=False),
        PartyCases(Turn.CENTRE, 1, [(refused(), [])], has_more=False),
        PartyCases(Turn.PLATFORM, 0, [], has_more=False),
    )
    assert lines[0] == "测试站  2026-11-20 09:00  待人处理 2 项 / 2 wait for a person"
    department, centre = (lines.index(f"{zh}：1 项") for zh in (
        "报送部门 the department", "信用中心 the credit centre",
    ))  # fmt: skip
    assert department < centre
    assert "等待至 2026-12-01" in lines[department + 1]
    assert lines[department + 2].startswith("    处理办法：请核对文书号")
    assert lines[department + 3].startswith("    Remedy: Compare number")
    assert lines[department + 4] == f"    相近记录 near: 许7号 甲公司（{CODE}，有效）"
    assert lines[centre + 1] == (
        "  2026-11-02 09:00 起  平台拒绝撤下，仍在公示（共 3 次） not taken down, still shown  "
        f"市场监管局 licence.granted.v1  许1号 甲公司（{CODE}），"
        "市平台 第 2 版，平台答复 MULTIPLE_ROWS：two rows"
    )
    assert not any("平台工程师 the engineer" in line for line in lines)


def test_what_has_ended_says_when_and_how_and_asks_for_nothing() -> None:
    """With the outcome of the statement that answered it."""
    answered = case(CaseKind.CONFLICTING)._replace(
        ended=9, ended_at=at("2026-11-05 10:00"),
        how=CaseEnd.ANSWERED.value, ended_by="corrected",
    )  # fmt: skip
    gone = refused()._replace(
        ended=11, ended_at=at("2026-11-06 10:00"), how=CaseEnd.WITHDRAWN.value,
        ended_by="outcome_noted",
    )  # fmt: skip
    lines = said(
        PartyCases(Turn.DEPARTMENT, 0, [(answered, [])], has_more=True),
        PartyCases(Turn.CENTRE, 0, [(gone, [])], has_more=False),
    )
    ending = "，2026-11-05 10:00 了结：后来的报送了结（更正） answered by a later statement"
    assert lines[2].endswith(ending)
    assert lines[3] == "  … 还有更多（--limit）/ and more"
    ending = "，2026-11-06 10:00 了结：平台已撤下 withdrawn at the platform"
    assert lines[5].endswith(ending)
    assert not any("处理办法" in line for line in lines)


def test_a_retired_departments_cases_are_its_heirs() -> None:
    """Whoever asks for the heir's gets both, and reads who acts today."""
    old = case(CaseKind.CONFLICTING)._replace(department="trade")
    desk = PartyCases(Turn.DEPARTMENT, 1, [(old, [])], has_more=False)
    assert "商务局（已撤并，由新局承接）" in said(desk)[2]
    found: Any = desks_json([desk], NAMES, NOW)
    assert (found["cases"][0]["department"], found["cases"][0]["heir"]) == ("trade", "bureau")
    assert sorted(NAMES.family("bureau")) == ["bureau", "trade"]
    assert (NAMES.family("market"), NAMES.family("trade")) == (["market"], ["trade"])


def test_machines_get_turn_reason_platform_and_end() -> None:
    """Null where there is none of it."""
    gone = refused()._replace(ended=11, ended_at=NOW, how="withdrawn", ended_by="outcome_noted")
    content = desks_json(
        [
            PartyCases(Turn.DEPARTMENT, 4, [(case(CaseKind.NUMBER_REUSED), [])], has_more=True),
            PartyCases(Turn.CENTRE, 0, [(gone, [])], has_more=False),
        ],
        NAMES,
        NOW,
    )
    found: dict[str, Any] = json.loads(json.dumps(content))
    assert (found["open"], found["more"]) == ({"department": 4, "centre": 0}, True)
    first, second = found["cases"]
    assert (first["turn"], first["target"], first["platform"], first["ended"]) == (
        "department", None, None, None,
    )  # fmt: skip
    assert (second["turn"], second["target"], second["version"]) == ("centre", "city", 2)
    assert second["platform"] == {"code": "MULTIPLE_ROWS", "message": "two rows"}
    assert second["reason"]["code"] == "WITHDRAWAL_REFUSED_BY_TARGET"
    assert "MULTIPLE_ROWS" in second["reason"]["zh"]
    assert second["ended"]["how"] == "withdrawn"
    assert second["ended"]["ledger"] == {"partition": 0, "sequence": 11}
