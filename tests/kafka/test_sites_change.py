"""A department retires in a running hub on a real broker, with submissions waiting on its topic."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from hub.adapters.kafka.appender import KafkaAppender
from hub.cli import hub
from hub.contracts import Fault
from hub.core.record import LedgerRecord, Outcome, decode_record
from hub.domain.partitioning import partition_of
from hub.ports import OutputRecord
from tests.driver.rows import CONTRACTS, LICENCE, framed
from tests.kafka.test_file_connector import PARTITIONS, ConnectorPlace
from tests.kafka.test_notices_follower import ROWS, read, submit
from tests.kafka.test_receipts_follower import place, worker

__all__ = ["place"]

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

BUREAU = """\
  - id: bureau
    name_zh: 市场与住建局
    authorities: [12330900MA00000311]
    replaces: {12330900MA00000311: [11330900MA0000015E]}
    states: [licence.granted.v1]
"""
WITHDRAWN = "record.withdrawn.v1"


def run(place: ConnectorPlace, *arguments: str) -> Result:
    """`hub …` for this site."""
    environment = {"KAFKA_BOOTSTRAP": place.kafka.bootstrap}
    return CliRunner(env=environment).invoke(hub, [*arguments, "--site", str(place.folder)])


def change(place: ConnectorPlace, before: str, after: str) -> str:
    """Change `site.yaml`, apply the topics and adopt it; what the adoption said."""
    path = place.folder / "site.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    for words in (("topics", "apply"), ("basis", "adopt")):
        done = run(place, *words)
        assert done.exit_code == 0, done.output
    return done.output


def ledger(place: ConnectorPlace) -> list[LedgerRecord]:
    """Everything decided."""
    return [decode_record(record.value) for record in read(place, "ledger")]


def wait_for(reached: Callable[[], bool]) -> None:
    """Within half a minute."""
    for _ in range(300):
        if reached():
            return
        time.sleep(0.1)
    raise AssertionError("not within half a minute")


def answers(place: ConnectorPlace, name: str) -> Counter[str]:
    """What the result file of an input file says of its rows."""
    path = place.folder / f"results/licences/{name}.csv.result.csv"
    if not path.exists():
        return Counter()
    text = path.read_text(encoding="utf-8-sig")
    return Counter(row["处理结果"] for row in csv.DictReader(io.StringIO(text, newline="")))


def send(place: ConnectorPlace, department: str, kind: str, key: bytes, value: bytes) -> None:
    """Submit past every connector."""
    headers = (
        ("ce_specversion", b"1.0"), ("ce_type", kind.encode()), ("ce_source", b"by-hand"),
        ("ce_id", b"1"),
    )  # fmt: skip
    appender = KafkaAppender(place.kafka.access)
    topic = f"{place.prefix}submissions.{department}"
    appender.append([OutputRecord(topic, partition_of(key, PARTITIONS), key, value, headers)])
    appender.close()


def by_hand(place: ConnectorPlace) -> dict[str, LedgerRecord]:
    """Department → what was decided on what it submitted so."""
    return {
        record.department: record
        for record in ledger(place)
        if dict(record.cause.headers).get("ce_source") == b"by-hand"
    }


def adoptions(place: ConnectorPlace) -> int:
    """How many are in the ledger."""
    return sum(record.outcome is Outcome.BASIS_ADOPTED for record in ledger(place))


def test_what_waits_is_answered_what_comes_later_refused_and_the_heir_acts(
    place: ConnectorPlace,
) -> None:
    """The registrar stands still while the department retires, then goes on where it was."""
    change(place, "targets: []", BUREAU + "targets: []")
    with worker(place, "registrar") as registrar, worker(place, "receipts"):
        submit(place, "first")
        wait_for(lambda: answers(place, "first")["已受理"] == ROWS)
        registrar.send_signal(signal.SIGSTOP)
        submit(place, "second")
        change(
            place,
            "name_zh: 市场监管局\n",
            "name_zh: 市场监管局\n    retired: true\n    successor: bureau\n",
        )
        registrar.send_signal(signal.SIGCONT)
        wait_for(lambda: answers(place, "second")["已受理"] == ROWS)
        wait_for(lambda: adoptions(place) == 3 * PARTITIONS)
        (row, *_rest) = (r for r in ledger(place) if r.outcome is Outcome.ACCEPTED)
        send(place, "market", LICENCE, row.cause.key, row.cause.value)
        wait_for(lambda: set(by_hand(place)) == {"market"})
        ended = place.run()
        assert ended.returncode == 2
        decoded = CONTRACTS.decode_framed(row.cause.value)
        assert not isinstance(decoded, Fault)
        fields = decoded[1]
        reference = {
            "subject_kind": LICENCE, "document_number": fields["XK_WSH"],
            "subject_name": fields["XK_XDR_MC"], "credit_code": row.cause.key.decode(),
            "authority_code": "12330900MA00000311", "reason": "决定被撤销",
        }  # fmt: skip
        send(place, "bureau", WITHDRAWN, row.cause.key, framed(WITHDRAWN, reference))
        wait_for(lambda: set(by_hand(place)) == {"market", "bureau"})
    late = by_hand(place)["market"]
    assert (late.outcome, [(r.code, r.field) for r in late.reasons]) == (
        Outcome.QUARANTINED, [("DEPARTMENT_RETIRED", "bureau")],
    )  # fmt: skip
    gone = by_hand(place)["bureau"]
    assert (gone.outcome, gone.record_key) == (Outcome.WITHDRAWN, row.record_key)
    assert "没有变化" in run(place, "basis", "adopt").output
    verified = run(place, "audit", "verify", "--json")
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.output)["departments"]["market"]["waiting"] == 0
    replayed = run(place, "audit", "replay", "--json")
    assert replayed.exit_code == 0, replayed.output
