"""The alert rules: sound, each with a firing and a silent case, a paragraph, and real metrics."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from hub.config.repository import DEPLOY, ROOT
from hub.runtime.metrics import Metrics
from tests.programs import find_program

FOLDER = DEPLOY / "prometheus"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
CASES: list[dict[str, Any]] = yaml.safe_load(
    (FOLDER / "alerts_test.yaml").read_text(encoding="utf-8")
)["tests"]
NOT_OURS = {"up"}
"""Made by Prometheus itself at each scrape."""
_PLAIN = re.compile(r"\b(hub_[a-z0-9_]+)")


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(
        [find_program("promtool"), *words], capture_output=True, text=True, check=False
    )


def metrics_in_alerts() -> set[str]:
    """Names of the series that the rules look at."""
    return {name for rule in RULES for name in _PLAIN.findall(rule["expr"])}


@pytest.mark.programs("promtool")
def test_the_rules_are_sound() -> None:
    """Promtool reads them, and the configuration that loads them."""
    for words in (
        ("check", "rules", str(FOLDER / "alerts.yaml")),
        ("check", "config", str(FOLDER / "prometheus.yml")),
    ):
        result = promtool(*words)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.programs("promtool")
def test_every_case_ends_as_written() -> None:
    """Promtool plays every firing and every silent case."""
    result = promtool("test", "rules", str(FOLDER / "alerts_test.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_firing_and_a_silent_case(alert: str) -> None:
    """A rule nobody has seen fire is a hope; one nobody has seen silent is a nuisance."""
    expected = [
        bool(one["exp_alerts"])
        for case in CASES
        for one in case["alert_rule_test"]
        if one["alertname"] == alert
    ]
    assert set(expected) == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_to_do(alert: str) -> None:
    """Chinese and English, a severity, and a paragraph of the runbook in both languages."""
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    notes = rule["annotations"]
    assert re.search("[一-鿿]", notes["summary_zh"])
    assert not re.search("[一-鿿]", notes["summary_en"])
    assert notes["runbook"] == f"docs/runbook.md#{alert.lower()}"
    page = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    (paragraph,) = re.findall(rf"^### {alert}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert len(re.findall("[一-鿿]", paragraph)) > 20
    assert len(re.findall("[a-z]{3,}", paragraph)) > 15


def test_the_runbook_speaks_of_no_alert_that_is_gone() -> None:
    """A paragraph without its alert sends people to look for what is not there."""
    page = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == set(ALERTS)


def test_every_series_of_a_rule_is_a_metric_of_the_hub() -> None:
    """An alert over a misspelt name never fires."""
    known = set()
    for metric in Metrics().described:
        known.add(metric.name)
        if metric.type == "histogram":
            known |= {f"{metric.name}_{end}" for end in ("bucket", "sum", "count")}
    assert metrics_in_alerts() - NOT_OURS <= known
    labels = {metric.name: set(metric.labels) for metric in Metrics().described}
    for rule in RULES:
        for name, matchers in re.findall(r"\b(hub_[a-z0-9_]+)\{([^}]*)\}", rule["expr"]):
            used = set(re.findall(r"(\w+)\s*(?:=|!|~)", matchers))
            assert used <= labels[name.removesuffix("_bucket")] | {"le"}, (rule, name)
