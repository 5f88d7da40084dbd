"""Departments that retire and merge: what site.yaml may say, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.run import connections_of, file_connections
from hub.config.basis_document import basis_document
from hub.config.repository import DEPLOY
from hub.config.site import LoadedSite, load_site
from hub.doctor.machine import permissions
from hub.doctor.symptom import Level
from hub.domain import kinds
from hub.errors import ConfigurationError
from hub.operations.site_changes import close_retired, refuse_lost_departments
from hub.provisioning.deployment import processes_of
from hub.provisioning.rights import make_rights_plan, wanted_rights, writers_retired
from hub.provisioning.topics import names_of, read_families, wanted_topics

COUNTY = DEPLOY / "sites" / "county" / "site.yaml"
OLD, OLDER, NEW = "11330900MA0000015E", "12330900MA0000015B", "12330900MA00000311"
RETIRED: dict[str, object] = {"retired": True, "successor": "bureau"}


def load(folder: Path, **changes: dict[str, object]) -> LoadedSite:
    """The county's site with a bureau more, and some departments changed."""
    content: dict[str, Any] = yaml.safe_load(COUNTY.read_text(encoding="utf-8"))
    content["rulebook"] = str(DEPLOY / "rulebooks/national-2026.yaml")
    content["calendar"] = str(DEPLOY / "calendars/cn-2007-2026.json")
    states = sorted({k for d in content["departments"] for k in d.get("states", ())})
    bureau = {
        "id": "bureau", "name_zh": "市场与住建局", "authorities": [NEW],
        "states": [k for k in states if k != kinds.LISTED],
    }  # fmt: skip
    content["departments"].append(bureau)
    for target in content["targets"]:
        if "drop" in target:
            target["drop"]["departments"]["bureau"] = "0099"
    for department in content["departments"]:
        department.update(changes.pop(department["id"], {}))
    assert not changes
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return load_site(folder)


def refusal(folder: Path, **changes: dict[str, object]) -> str:
    """What is said of such a site."""
    with pytest.raises(ConfigurationError) as refused:
        load(folder, **changes)
    said = str(refused.value)
    assert "处理办法：" in said
    return said


def test_a_retired_department_has_a_successor_and_only_such_a_one(tmp_path: Path) -> None:
    """Records without an owner could never be put right."""
    halves: list[dict[str, object]] = [{"retired": True}, {"successor": "bureau"}]
    for changes in halves:
        assert "retired: true 与 successor 须同时写明" in refusal(tmp_path, market=changes)
    assert load(tmp_path, market=RETIRED).site.departments[0].retired


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("没有这个部门", {"market": {"retired": True, "successor": "nobody"}}),
        (
            "成环",
            {
                "market": {"retired": True, "successor": "housing"},
                "housing": {"retired": True, "successor": "market"},
            },
        ),
        ("成环", {"market": {"retired": True, "successor": "market"}}),
        (
            "中断",
            {
                "market": {"retired": True, "successor": "housing"},
                "housing": {"retired": True, "successor": "nobody"},
            },
        ),
        ("kind 不同", {"market": {"retired": True, "successor": "court"}}),
        ("无人可以更正或撤回", {"market": RETIRED, "bureau": {"states": []}}),
    ],
)
def test_who_cannot_take_over_is_refused(
    tmp_path: Path, why: str, changes: dict[str, dict[str, object]]
) -> None:
    """Unknown, in a circle, of another kind, without the right to state the same."""
    assert why in refusal(tmp_path, **changes)


def test_a_successor_may_itself_be_retired_if_its_own_is_in_office(tmp_path: Path) -> None:
    """Two reforms, one after the other."""
    loaded = load(tmp_path, market={"retired": True, "successor": "housing"}, housing=RETIRED)
    departments = basis_document(loaded)["site"]["departments"]
    assert departments["market"]["successor"] == "housing"
    assert departments["housing"]["successor"] == "bureau"
    assert "successor" not in departments["bureau"]


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("写了两次", {"bureau": {"replaces": {NEW: [OLD, OLD]}}}),
        (
            "写了两次",
            {
                "bureau": {"replaces": {NEW: [OLD]}},
                "housing": {"authorities": [OLDER], "replaces": {OLDER: [OLD]}},
            },
        ),
        (
            "写了两次",
            {
                "bureau": {"replaces": {NEW: [OLD]}},
                "housing": {"authorities": [NEW], "replaces": {NEW: [OLDER]}},
            },
        ),
        ("成环", {"bureau": {"replaces": {NEW: [NEW]}}}),
        (
            "成环",
            {
                "bureau": {"replaces": {NEW: [OLD]}},
                "housing": {"authorities": [OLD], "replaces": {OLD: [NEW]}},
            },
        ),
        ("不在其 authorities 中", {"bureau": {"replaces": {OLD: [OLDER]}}}),
    ],
)
def test_codes_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, why: str, changes: dict[str, dict[str, object]]
) -> None:
    """One code follows an old one, no code follows itself, and it is the department's own."""
    assert why in refusal(tmp_path, **changes)


def test_the_order_of_replaced_codes_is_kept(tmp_path: Path) -> None:
    """The first is the one under which new records go."""
    loaded = load(tmp_path, bureau={"replaces": {NEW: [OLDER, OLD]}})
    assert basis_document(loaded)["site"]["departments"]["bureau"]["replaces"] == {
        NEW: [OLDER, OLD]
    }


def test_cases_go_to_departments_in_office(tmp_path: Path) -> None:
    """An agent, or a level, that is retired would answer nobody."""
    heir: dict[str, object] = {"retired": True, "successor": "other"}
    content = yaml.safe_load(COUNTY.read_text(encoding="utf-8"))
    assert content["cases"]["department"] == "cases"
    said = refusal(tmp_path, cases=heir)
    assert "cases 指向已撤并的部门 cases" in said


def document(**departments: dict[str, Any]) -> dict[str, Any]:
    """What of a basis document the checks read."""
    return {"site": {"departments": departments}}


def test_a_site_that_lost_a_department_is_refused() -> None:
    """What waits on its topic would never be read."""
    with pytest.raises(ConfigurationError, match="不能删除或改名") as refused:
        refuse_lost_departments(document(market={}, court={}), document(court={}))
    assert "retired: true" in str(refused.value)
    refuse_lost_departments(document(court={}), document(market={}, court={}))


@pytest.mark.parametrize("after", [[], [OLDER], [OLDER, OLD], [NEW, OLD]])
def test_what_a_code_replaced_is_never_taken_back(after: list[str]) -> None:
    """A record under the old code would be lost to sight; at the end there is room."""
    before = document(bureau={"replaces": {"X": [OLD]}})
    with pytest.raises(ConfigurationError, match="恢复为"):
        refuse_lost_departments(before, document(bureau={"replaces": {"X": after}}))
    more = document(bureau={}, other={"replaces": {"X": [OLD, OLDER]}})
    refuse_lost_departments(before, document(bureau={"replaces": {"X": [OLD]}}))
    refuse_lost_departments(before, more)


def test_the_end_of_a_topic_is_noted_once() -> None:
    """Adopted again years later, it is where it was; a department that came back begins anew."""
    asked: list[str] = []

    def ends_of(department: str) -> list[int]:
        asked.append(department)
        return [3, 4]

    first = document(market={"successor": "bureau"}, bureau={})
    close_retired(first, [document(market={}, bureau={})], ends_of)
    assert first == document(market={"successor": "bureau", "ends": [3, 4]}, bureau={})
    second = document(market={"successor": "bureau"}, bureau={})
    close_retired(second, [first], ends_of)
    assert (second, asked) == (first, ["market"])
    third = document(market={"successor": "bureau"}, bureau={})
    close_retired(third, [document(market={}, bureau={})], ends_of)
    assert asked == ["market", "market"]


def test_a_retired_department_keeps_its_topics_and_loses_its_pen(tmp_path: Path) -> None:
    """The registrar reads its topic to the end, its receipts may be read; nothing is written."""
    before, after = load(tmp_path), load(tmp_path, market=RETIRED)
    families = read_families()
    names = names_of(before.site), names_of(after.site)
    assert wanted_topics(families, names[0]) == wanted_topics(families, names[1])
    assert before.site.input_topics == after.site.input_topics
    had, has = wanted_rights(families, names[0]), wanted_rights(families, names[1])
    user, connector = (after.site.user(f"{p}market") for p in ("dept.", "worker.connector."))
    lost = {right for right in had - has if right.user in {user, connector}}
    assert lost
    assert lost == had - has
    assert {right.operation for right in lost} == {"write"}
    assert after.site.topic("submissions.market") in {right.name for right in lost}
    receipts = after.site.topic("receipts.market")
    assert any(r.user == user and r.name == receipts for r in has)
    plan = make_rights_plan(names[1].prefix, (), (), has, had, writers_retired(names[1]))
    assert set(plan.ended) == lost
    assert plan.unknown == ()
    assert not plan.is_empty


def test_its_connectors_are_not_started(tmp_path: Path) -> None:
    """Nor rendered for deployment, nor missed by the doctor; its results go on being written."""
    before, after = load(tmp_path), load(tmp_path, market=RETIRED)
    ports = {p.instance: p.port for p in processes_of(before.site) if p.kind == "connector"}
    left = {p.instance: p.port for p in processes_of(after.site) if p.kind == "connector"}
    assert "market" in ports
    del ports["market"]
    assert left == ports
    with pytest.raises(ConfigurationError, match="已撤并，由 bureau 承接"):
        connections_of(after, "market")
    assert {c.department.id for c in connections_of(after)} == set(left)
    assert "market" in {c.department.id for c in file_connections(after)}
    silent = load(tmp_path, market=RETIRED | {"states": []})
    assert [s for s in permissions(silent) if s.level is Level.WARNING] == []
