"""`hub explain deadline` is offline and says of each day why it counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from hub.cli import hub
from hub.config.repository import DEPLOY


def explain(*arguments: str) -> Any:  # noqa: ANN401 - JSON
    """The command's JSON answer; no database, no broker is configured."""
    result = CliRunner(env={"HUB_STATE": "/nonexistent"}).invoke(
        hub, ["explain", "deadline", *arguments, "--json"]
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_holidays_are_skipped_and_make_up_days_count() -> None:
    """Decided on 2026-09-28: 国庆 is skipped, the make-up Saturday 10-10 counts."""
    found = explain("--kind", "penalty.imposed.v1", "--decided-on", "2026-09-28")
    days = {day["on"]: day for day in found["targets"][0]["days"]}
    assert not days["2026-10-01"]["counted"]
    assert "国庆" in days["2026-10-01"]["zh"]
    assert days["2026-10-10"]["counted"]
    assert "调休" in days["2026-10-10"]["zh"]
    assert max(day["number"] for day in days.values()) == 7
    assert found["targets"][0]["due_on"] == max(days)


def test_an_unannounced_year_is_provisional() -> None:
    """No notice for 2027 in this calendar: said, not hidden."""
    found = explain("--kind", "licence.granted.v1", "--decided-on", "2026-12-28")
    assert [target["provisional"] for target in found["targets"]] == [True, True]
    assert found["calendar"] == "cn-2007-2026"


def test_rule_source_and_versions_are_named() -> None:
    """Which rule, from which text, and what stops the clock at each duty."""
    found = explain("--kind", "licence.granted.v1", "--decided-on", "2026-11-02")
    assert {(t["role"], t["stops_at"]) for t in found["targets"]} == {
        ("report", "acknowledged"), ("display", "published"),
    }  # fmt: skip
    assert {t["rule"] for t in found["targets"]} == {"disclose-424"}
    assert "424号" in found["targets"][0]["source"]
    assert found["rulebook"].startswith("national-2026")


def test_a_site_is_asked_for_its_own_targets() -> None:
    """With --site the targets are the site's; one added later has no deadline before its day."""
    found = explain(
        "--kind", "licence.granted.v1", "--decided-on", "2026-11-02",
        "--site", str(DEPLOY / "sites/demo"),
    )  # fmt: skip
    assert {t["target"] for t in found["targets"]} == {"city", "nation", "province"}


def test_a_target_added_later_has_no_deadline_for_earlier_decisions(tmp_path: Path) -> None:
    """`clock_from` of the target is after the decision."""
    text = (DEPLOY / "sites/demo/site.yaml").read_text("utf-8")
    text = text.replace("../../", f"{DEPLOY}/")
    site = text.replace("    role: display", "    clock_from: '2026-12-01'\n    role: display")
    assert site != text
    (tmp_path / "site.yaml").write_text(site, encoding="utf-8")
    found = explain(
        "--kind", "licence.granted.v1", "--decided-on", "2026-11-02", "--site", str(tmp_path)
    )
    assert {t["target"]: t["due_on"] for t in found["targets"]}["city"] is None


def test_a_kind_without_a_rule_is_a_usage_error() -> None:
    """The kinds that have one are named."""
    result = CliRunner().invoke(
        hub, ["explain", "deadline", "--kind", "x.y.v1", "--decided-on", "2026-11-02"]
    )
    assert result.exit_code == 2
    assert "penalty.imposed.v1" in result.output
