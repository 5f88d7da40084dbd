"""docs/limits.md: what the code has, and every bound of the code."""

import re

from bench import latency, registrar
from connectors.files.confined import MEMORY_BYTES
from hub.config.repository import ROOT
from tools.limits_page import (
    MARGIN,
    MIB,
    PEAKS,
    SECTIONS,
    UNMEASURED_BYTES,
    UNMEASURED_PEAK,
    WORKER_BYTES,
    document,
    value_of,
)

_BOUND = re.compile(r"^(_?(?:MAX|MOST|LARGEST|DEEPEST)[A-Z_]*)(?:: [^=]+)? = ", re.MULTILINE)
INNER = {
    "hub.backup.steps:MOST_FILLERS": "records of one step of ours",
    "hub.adapters.head_files:_LARGEST_HEADS": "a file of our own",
    "hub.runtime.starts:_LARGEST": "a file of our own",
    "hub.domain.calendar:_MOST_PAPERS": "addresses that no rule reads",
    "hub.audit.ends:_MOST_NAMED": "findings shown",
    "hub.audit.ends:_MOST_SKIPPED": "findings shown",
    "hub.contracts.persons:_MOST_FOLDED": "a memory",
    "hub.core.ledger_end:_MOST_NAME": "our own message",
    "hub.core.ledger_end:_MOST_SEEN_BY": "our own message",
    "hub.core.ledger_end:_MOST_WORDS": "our own message",
    "hub.engine.courier_book:_MAX_WHY": "our own message",
    "connectors.files.result_files:_LARGEST_MANIFEST": "a file of our own",
    "connectors.database.comparison:MOST_KEYS": "keys of one question to the database",
    "connectors.mapping:_MOST_DIGITS": "a version that reads as a number",
    "connectors.files.row_frames:MAX_LINE_BYTES": "a line of our own child",
    "connectors.tables:MAX_ROW_KEPT": "a row handed on whole",
    "hub.targets.database.client:_MOST_KNOWN": "a memory",
    "hub.adapters.postgres.lookups:MOST_NEAR": "suggestions shown",
    "hub.adapters.postgres.lookups:_MOST_LOOKED_AT": "suggestions weighed",
    "connectors.files.sheet_writer:_MOST_LINES": "lines shown in a cell",
    "hub.audit.compare:_MOST_CHANGES": "differences shown",
    "hub.audit.compare:_MOST_TEXT": "text shown",
    "hub.audit.finding:MOST_ALIKE": "findings shown",
    "hub.audit.streams:_MOST_DIGITS": "a number that can be counted",
    "hub.agents.facts:MOST_RECORDS": "records of one commitment",
    "hub.core.prepare:_MOST_CODE": "our own message",
    "hub.core.prepare:_MOST_DIGITS": "a version that reads as a number",
    "hub.core.prepare:_MOST_DOCUMENT": "our own message",
    "hub.core.prepare:_MOST_WORDS": "our own message",
    "hub.core.state:_MOST_VERSIONS": "a field of the stored state",
    "hub.core.trial:_MOST_TIMERS": "a rehearsal",
}
"""Bounds that no sender meets, each with what it bounds."""


def test_the_page_is_what_the_code_has() -> None:
    """docs/limits.md is what `python -m tools.limits_page` prints."""
    assert (ROOT / "docs/limits.md").read_text(encoding="utf-8") == document()


def test_every_bound_of_the_code_is_on_the_page_or_meets_no_sender() -> None:
    """A new bound is looked at by whoever adds it."""
    told = {bound.place for _title, bounds in SECTIONS for bound in bounds}
    found = set()
    for package in ("hub", "connectors"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found |= {f"{module}:{name}" for name in _BOUND.findall(path.read_text("utf-8"))}
    assert found - told - set(INNER) == set()
    assert set(INNER) - found == set()


def test_what_a_worker_is_allowed_leaves_the_stated_margin() -> None:
    """Above what the attacks and the benches hold a worker and its reading child to."""
    needed = MARGIN * (WORKER_BYTES + MEMORY_BYTES)
    assert max(PEAKS.values()) * MIB < WORKER_BYTES
    assert UNMEASURED_PEAK * MIB < UNMEASURED_BYTES
    needed = max(needed, MARGIN * UNMEASURED_BYTES)
    assert max(latency.MEMORY_BAR_MB, registrar.MEMORY_BAR_MB) * MIB <= WORKER_BYTES
    limits = {
        "deploy/systemd/hub-.service.d/10-every-worker.conf": r"^MemoryMax=(\d+)G$",
        "deploy/compose.yaml": r'limits: {cpus: "1.0", memory: (\d+)G, pids',
        "deploy/kubernetes/workers.yaml": r"limits: {[^}]*memory: (\d+)Gi}",
    }
    for path, pattern in limits.items():
        allowed = re.findall(pattern, (ROOT / path).read_text("utf-8"), re.MULTILINE)
        assert allowed, path
        assert min(map(int, allowed)) * 1024 * MIB >= needed, path


def test_every_bound_is_a_number_above_zero() -> None:
    """A name that is gone, or an empty bound, is no limit."""
    for _title, bounds in SECTIONS:
        for bound in bounds:
            assert value_of(bound) > 0
