"""The registrar beside a raw transactional copy: consume, produce, commit, and nothing else.

Both read the same 335-byte submissions from the same broker, in turn, in one run; 20 % of them are
duplicates. Each is its own process; only one works at a time. The bar is the ratio: ≥ 0.20.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.registrar_side import COPY_BATCH
from bench.sample_site import DEPARTMENT, STREAM, submissions, write_site
from hub.adapters.kafka.client import KafkaTransactions
from hub.adapters.kafka.topics import KafkaTopics
from hub.config.kafka_access import OPERATOR, KafkaAccess
from hub.config.repository import ROOT, load_repository_contracts
from hub.config.settings import read_settings
from hub.domain.partitioning import partition_of
from hub.embedded.parts import BackingServices
from hub.operations.site_plan import prepare_site
from hub.ports import OutputRecord
from hub.provisioning.topics import Topic

BAR = 0.20
MEMORY_BAR_MB = 500
PARTITIONS = 4


def main(arguments: list[str]) -> int:
    """Print both speeds and their ratio; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="./run bench registrar")
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as name:
        folder = Path(name)
        settings = read_settings({"HUB_STATE": str(folder / "state")})
        parts = BackingServices(settings)
        with parts:
            parts.up(leashed=True)
            return _measure(parts.require_kafka(OPERATOR), folder, options.records, options.rounds)


def _measure(access: KafkaAccess, folder: Path, records: int, rounds: int) -> int:
    loaded = write_site(folder / "site", ROOT, PARTITIONS)
    prepare_site(loaded, access)
    KafkaTopics(access).create([Topic("bench.copies", PARTITIONS, {})])
    _load(access, records + rounds * COPY_BATCH)  # a side may do a batch more than asked
    children = {
        role: subprocess.Popen(
            [sys.executable, "-m", "bench.registrar_side", role, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for role in ("copy", "registrar")
    }  # fmt: skip
    speeds: dict[str, list[float]] = {role: [] for role in children}
    memory: dict[str, float] = {}
    step = records // rounds
    for number in range(rounds):
        for role, child in children.items():
            assert child.stdin is not None  # noqa: S101 - piped above
            assert child.stdout is not None  # noqa: S101
            child.stdin.write(f"{step}\n")
            child.stdin.flush()
            done, seconds, peak = child.stdout.readline().split()
            speeds[role].append(int(done) / float(seconds))
            memory[role] = float(peak)
        print(f"round {number + 1}: " + ", ".join(f"{r} {s[-1]:,.0f}/s" for r, s in speeds.items()))
    for child in children.values():
        assert child.stdin is not None  # noqa: S101 - piped above
        child.stdin.close()
        child.wait(30)
    ratios = [r / c for r, c in zip(speeds["registrar"], speeds["copy"], strict=True)]
    ratio = median(ratios)
    for role in children:
        print(f"{role:<9} {median(speeds[role]):>10,.0f} records/s, peak {memory[role]:.0f} MB")
    spread = f"median of {rounds}; min {min(ratios):.3f}, max {max(ratios):.3f}"
    print(f"ratio {ratio:.3f} ({spread}), bar {BAR}")
    return 0 if ratio >= BAR and memory["registrar"] < MEMORY_BAR_MB else 1


def _load(access: KafkaAccess, records: int) -> None:
    """Put the submissions on the department's topic."""
    contract = load_repository_contracts().by_kind["licence.granted.v1"]
    producer = KafkaTransactions(access, "bench.load")
    producer.initialise()
    topic = f"bench.submissions.{DEPARTMENT}"
    batch: list[OutputRecord] = []
    for number, (key, value) in enumerate(submissions(contract, records), start=1):
        headers = (
            ("ce_specversion", b"1.0"), ("ce_type", b"licence.granted.v1"),
            ("ce_source", STREAM), ("ce_id", b"%d" % number),
            ("hub_position", b"0123456789abcdef:0:%d" % number),
        )  # fmt: skip
        batch.append(OutputRecord(topic, partition_of(key, PARTITIONS), key, value, headers))
        if len(batch) == 10_000 or number == records:  # noqa: PLR2004 - a transaction's worth
            producer.begin()
            producer.produce(batch)
            producer.commit()
            batch = []
    producer.retire()
