"""The end of the ledger is known elsewhere: cut, forged, repeated or gone, somebody says so."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.adapters.head_files import append_anchors, read_anchors
from hub.adapters.postgres.tables import schema_of
from hub.config.settings import Settings
from hub.core.keys import Head
from hub.core.ledger_end import LOST
from hub.core.record import Outcome, decode_record, encode_record, record_hash
from hub.embedded.kafka import EmbeddedKafka
from hub.ports import OutputRecord
from tests.attacks.ledger_place import (
    FOLLOWERS,
    PARTITIONS,
    PREFIX,
    LedgerPlace,
    Snapshot,
    forget_indexes,
)
from tests.conftest import PostgresPart

pytestmark = pytest.mark.kafka
OPERATOR = ("--operator", "王运维", "--reason", "磁盘损坏，最新一段无法找回")


@pytest.fixture(scope="module")
def place(
    settings: Settings, postgres: PostgresPart, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LedgerPlace]:
    """A hub that has done its work and stands still, on a broker of its own."""
    folder = tmp_path_factory.mktemp("ended")
    broker = EmbeddedKafka(
        folder / "kafka",
        jar_store=settings.cache_folder / "jars",
        maven_repository=settings.maven_repository,
    )
    with psycopg.connect(postgres.dsn, autocommit=True) as session:
        session.execute(f"DROP SCHEMA IF EXISTS {schema_of(PREFIX)} CASCADE".encode())
    with broker, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUB_KAFKA_SECRETS", str(broker.secrets))
        made = LedgerPlace(folder, broker, postgres.dsn)
        try:
            made.start()
            for wave in range(4):  # several batches
                made.submit("market", 4)
                made.submit("housing", 3)
                made.settle()
                if wave == 1:
                    made.stop()
                    made.keep("older")
                    made.start()
            made.stop()
            assert made.run("audit", "anchor", "--to", str(folder / "apart")).exit_code == 0
            yield made
        finally:
            made.stop()
            made.province.stop()


@pytest.fixture(scope="module")
def whole(place: LedgerPlace) -> Snapshot:
    """As it was before anybody laid hands on it."""
    return Snapshot(place)


def lost(found: dict[str, object]) -> list[tuple[int, str]]:
    """Partition and detail of every end that is missing."""
    assert isinstance(found["differences"], list)
    return [(d["partition"], d["detail"]) for d in found["differences"] if d["code"] == LOST]


def declared_in(place: LedgerPlace, partition: int) -> int:
    """How many losses the ledger has on record."""
    outcomes = [decode_record(one.value).outcome for one in place.read("ledger", partition)]
    return outcomes.count(Outcome.LOSS_ACCEPTED)


def test_nothing_is_missing_where_nobody_did_anything(place: LedgerPlace, whole: Snapshot) -> None:
    """All who keep a head are asked, and all agree."""
    whole.untouched()
    found = place.verify("--anchors", str(place.folder / "apart"))
    assert (found["status"], found["differences"]) == (0, [])
    asked = set(found["witnesses"])
    assert {"registrar.0", "courier.province", "receipts", "notices", "projector"} <= asked
    assert any(who.startswith("anchor") for who in asked)
    refused = place.run("audit", "accept-loss", *OPERATOR)
    assert refused.exit_code == 2
    assert "nothing is missing" in refused.output


def copy_of_anchors(place: LedgerPlace, folder: Path) -> Path:
    """To be laid hands on."""
    return Path(shutil.copytree(place.folder / "apart", folder))


def test_a_file_of_anchors_that_was_altered_says_so_itself(
    place: LedgerPlace, whole: Snapshot, tmp_path: Path
) -> None:
    """A line changed, taken out, or no line at all; an unfinished last one is a power cut's."""
    whole.untouched()
    good = (place.folder / "apart/ledger-0.jsonl").read_text("ascii")
    head = json.loads(good)
    for number, text in enumerate(
        (
            good.replace(head["hash"][:8], "0" * 8),
            json.dumps({**head, "before": "1" * 64}) + "\n",
            "what\n",
        )
    ):
        folder = copy_of_anchors(place, tmp_path / str(number))
        (folder / "ledger-0.jsonl").write_text(text, encoding="ascii")
        assert place.verify("--anchors", str(folder))["status"] == 1
    folder = copy_of_anchors(place, tmp_path / "torn")
    (folder / "ledger-0.jsonl").write_text(good + '{"seq', "ascii")
    assert place.verify("--anchors", str(folder))["status"] == 0


def test_files_of_anchors_that_lack_lines_are_named_by_the_others(
    place: LedgerPlace, whole: Snapshot, tmp_path: Path
) -> None:
    """Cut, emptied, gone, or written on since: each round is in every file."""
    whole.untouched()

    def is_cut(folder: Path) -> bool:
        found = place.verify("--anchors", str(folder))
        named = [(d["code"], d["partition"]) for d in found["differences"]]
        assert found["status"] == bool(named)
        return named == [("ANCHOR_CUT", 1)]

    folder, early = tmp_path / "anchors", {}
    for partition in range(PARTITIONS):
        stored = place.read("ledger", partition)[2]
        digest = record_hash(stored.value)
        early[partition] = Head(
            3, digest, decode_record(stored.value).decided_at, stored.offset + 1
        )
    append_anchors(folder, early)
    cut = folder / "ledger-1.jsonl"
    before = cut.read_bytes()
    assert place.run("audit", "anchor", "--to", str(folder)).exit_code == 0
    after = cut.read_bytes()
    assert not is_cut(folder)
    for text in (before, b""):
        cut.write_bytes(text)
        assert is_cut(folder)
    cut.unlink()
    assert is_cut(folder)
    cut.write_bytes(after[len(before) :])
    assert place.verify("--anchors", str(folder))["status"] == 1


def test_a_folder_without_anchors_is_no_witness(
    place: LedgerPlace, whole: Snapshot, tmp_path: Path
) -> None:
    """Who mistypes it is told, and not that all is well."""
    whole.untouched()
    for folder in (tmp_path, tmp_path / "nowhere"):
        refused = place.run("audit", "verify", "--anchors", str(folder))
        assert refused.exit_code == 2
        assert "no anchors" in refused.output
    (tmp_path / "ledger-0.jsonl").symlink_to(place.folder / "apart/ledger-0.jsonl")
    assert place.run("audit", "verify", "--anchors", str(tmp_path)).exit_code == 2


def test_a_cut_end_is_named_and_stops_everybody_with_the_same_words(
    place: LedgerPlace, whole: Snapshot
) -> None:
    """Partition, from and to, who saw it; each follower ends with the code and the remedy."""
    before = {p: len(place.read("ledger", p)) for p in range(PARTITIONS)}
    whole.put_back(lambda: place.cut(0, 2))
    left = len(place.read("ledger", 0))
    assert left < before[0]
    found = place.verify()
    assert found["status"] == 1
    ((partition, detail),) = lost(found)
    assert partition == 0
    assert detail.startswith(f"{left}–{before[0] - 1}, seen by")
    for who in ("registrar.0", "courier.province", "receipts", "notices", "projector"):
        assert f"{who} {before[0] - 1}" in detail
    place.start()
    for name, said in place.ended_with().items():
        assert LOST in said, name
        assert "hub audit accept-loss" in said, name
    assert len(place.read("ledger", 0)) == left


def test_a_cut_end_is_found_without_the_registrars_state(
    place: LedgerPlace, whole: Snapshot
) -> None:
    """Also once a registrar that knew nothing of it has decided the rest anew."""
    whole.put_back(place.cut_all)
    shutil.rmtree(place.state_of("registrar.0"))
    assert [partition for partition, _ in lost(place.verify())] == [0, 1]


def test_a_cut_is_found_with_no_state_folder_and_no_look_ups(
    place: LedgerPlace, whole: Snapshot
) -> None:
    """What couriers reported of, and what notices were told of, is on the broker itself."""
    whole.put_back(lambda: place.cut(1, 3))
    shutil.rmtree(place.state)
    ((partition, detail),) = lost(place.verify())
    assert partition == 1
    assert "notices" in detail
    assert "courier.province" in detail


def test_a_partition_that_was_made_anew_empty_is_missing_whole(
    place: LedgerPlace, whole: Snapshot
) -> None:
    """From its first record."""
    before = len(place.read("ledger", 0))

    def empty() -> None:
        (segment,) = place.log_of("ledger", 0).glob("*.log")
        segment.write_bytes(b"")
        forget_indexes(segment.parent)

    whole.put_back(empty)
    ((partition, detail),) = lost(place.verify())
    assert (partition, detail.split(",")[0]) == (0, f"0–{before - 1}")


def test_a_forged_last_record_is_not_what_was_seen(place: LedgerPlace, whole: Snapshot) -> None:
    """Of the right sequence, chained to the one before, in a batch with a right checksum."""
    records = place.read("ledger", 0)
    whole.put_back(lambda: place.cut(0, 1))
    left = place.read("ledger", 0)
    for stored in records[len(left) :]:
        forged = decode_record(stored.value)
        last = record_hash(left[-1].value) if left else bytes(32)
        raw = encode_record(forged._replace(previous_hash=last, decided_at=forged.decided_at + 1))
        place.produce([OutputRecord(f"{PREFIX}ledger", 0, stored.key, raw, ())])
        left = place.read("ledger", 0)
    found = place.verify()
    assert found["status"] == 1
    assert [partition for partition, _ in lost(found)] == [0]
    place.start(["projector", "receipts"])
    assert all(LOST in said for said in place.ended_with().values())


def test_a_last_batch_that_is_there_twice_is_no_continuation(
    place: LedgerPlace, whole: Snapshot
) -> None:
    """Who reads on stops with the same words; the audit names the place."""
    whole.put_back()
    last = place.read("ledger", 1)[-1]
    place.produce([OutputRecord(f"{PREFIX}ledger", 1, last.key, last.value, ())])
    found = place.verify()
    assert "SEQUENCE_NOT_NEXT" in {d["code"] for d in found["differences"]}
    place.start()
    assert {name for name, said in place.ended_with().items() if LOST in said} == set(FOLLOWERS)


def test_look_ups_outcomes_and_anchors_ahead_each_tell_alone(
    place: LedgerPlace, whole: Snapshot
) -> None:
    """One witness is enough, whichever is left."""
    whole.put_back()
    shutil.rmtree(place.state)
    end = len(place.read("ledger", 0))
    schema = schema_of(PREFIX)
    with psycopg.connect(place.dsn, autocommit=True) as session:
        change = f"UPDATE {schema}.positions SET next_sequence = next_sequence + %s"
        session.execute(change.encode(), (5,))
        found = place.verify()
        session.execute(change.encode(), (-5,))
    assert all("projector" in detail for _, detail in lost(found))
    assert len(lost(found)) == PARTITIONS

    anchors = place.folder / "ahead"
    head = next(iter(read_anchors(place.folder / "apart"))).head  # type: ignore[union-attr]
    append_anchors(anchors, {0: head._replace(sequence=head.sequence + 3)})
    ((_, detail),) = lost(place.verify("--anchors", str(anchors)))
    assert "anchor ledger-0.jsonl:1" in detail

    told = json.loads(place.read("outcomes.province", 0)[-1].value)
    told["sequence"] = end + 7
    ahead = OutputRecord(f"{PREFIX}outcomes.province", 0, b"", json.dumps(told).encode(), ())
    place.produce([ahead])
    ((_, detail),) = lost(place.verify())
    assert detail == f"{end}–{end + 7}, seen by courier.province {end + 7}"


@pytest.mark.parametrize(
    ("witness", "gone"),
    [
        ("receipts|courier.province", ["registrar.0", "notices", "anchors"]),
        ("notices", ["state", "anchors"]),
        ("courier.province", ["state", "anchors", "notices"]),
        ("anchor ledger-", ["state", "notices", "outcomes.province"]),
    ],
)
def test_a_registrar_without_its_state_decides_nothing_on_a_cut_ledger(
    place: LedgerPlace, whole: Snapshot, witness: str, gone: list[str]
) -> None:
    """Workers beside it, notices, reports that wait, anchors: the next one when one is gone."""
    folders = {
        "registrar.0": place.state_of("registrar.0"),
        "state": place.state,
        "anchors": place.anchors,
    }

    def lose() -> None:
        place.cut_all()
        for name in gone:
            if name in folders:
                shutil.rmtree(folders[name])
            else:
                place.empty(name)

    whole.put_back(lose)
    left = {p: len(place.read("ledger", p)) for p in range(PARTITIONS)}
    place.start(["registrar"])
    said = place.ended_with()["registrar"]
    assert LOST in said
    assert "hub audit accept-loss" in said
    assert re.search(rf"({witness})\S* has seen sequence", said), said
    assert {p: len(place.read("ledger", p)) for p in range(PARTITIONS)} == left


def test_a_backup_older_than_a_declared_loss_names_all_that_was_shown_since(
    place: LedgerPlace, whole: Snapshot
) -> None:
    """What is left need not be what was seen, record by record: it is not taken for that."""
    whole.put_back(place.cut_all)
    shutil.rmtree(place.state)
    with psycopg.connect(place.dsn, autocommit=True) as session:
        session.execute(f"UPDATE {schema_of(PREFIX)}.positions SET epoch = 1".encode())
    named = sum(
        bool(decode_record(one.value).publish_targets)
        for partition in range(PARTITIONS)
        for one in place.read("ledger", partition)
    )
    tried = place.run("audit", "accept-loss", *OPERATOR, "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert tried.output.count("  province: ledger[") == sum(place.numbers.values()) - named
    # an anchor may hold the ledger's first record, if one was written so early: no more than that
    firsts = {partition: int(detail.split("–")[0]) for partition, detail in lost(place.verify())}
    assert firsts.keys() == set(range(PARTITIONS))
    assert all(first <= 1 < len(place.read("ledger", p)) for p, first in firsts.items())


def test_what_is_lost_is_given_up_and_all_go_on(place: LedgerPlace, whole: Snapshot) -> None:
    """Declared, decided anew, delivered under the same ids, projected anew; both audits agree."""
    whole.put_back(place.cut_all)
    total = sum(place.numbers.values())
    sent = place.deliveries()
    tried = place.run("audit", "accept-loss", *OPERATOR, "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert "province: ledger[0]" in tried.output
    declared = place.run("audit", "accept-loss", *OPERATOR)
    assert declared.exit_code == 0, declared.output
    place.start(["registrar"])
    place.wait_until(lambda: all(declared_in(place, p) for p in range(PARTITIONS)))
    place.start(name for name in FOLLOWERS if name != "registrar")
    place.wait_until(lambda: place.projected_published() == total)
    place.wait_until(place.is_drained)
    place.stop()
    found = place.verify()
    assert (found["status"], found["differences"]) == (0, [])
    assert [one["operator"] for one in found["declared_losses"]] == ["王运维"] * PARTITIONS
    assert place.run("audit", "replay").exit_code == 0
    assert place.deliveries() == sent
    assert place.published() == total
    assert [declared_in(place, partition) for partition in range(PARTITIONS)] == [1, 1]


def test_an_older_backup_is_gone_on_from_once_the_loss_is_declared(
    place: LedgerPlace, whole: Snapshot
) -> None:
    """Ledger, inputs and attempts are of yesterday; folders, look-ups and platform are of today.

    What the platform shows and no topic speaks of is named. The departments send again what their
    connectors' older cursors say; nothing is shown twice, and what comes anew is taken for newer.
    """
    whole.put_back(lambda: place.bring_back("older"))
    total = sum(place.numbers.values())
    ((first, detail), *_) = lost(place.verify())
    assert first == 0
    assert "projector" in detail
    declared = place.run("audit", "accept-loss", *OPERATOR)
    assert declared.exit_code == 0, declared.output
    assert declared.output.count("publish, published") == total // 2
    place.start(["registrar"])
    place.wait_until(lambda: all(declared_in(place, p) for p in range(PARTITIONS)))
    place.start(name for name in FOLLOWERS if name != "registrar")
    place.wait_until(lambda: place.projected_published() == total // 2)
    for department, count in place.numbers.items():
        place.numbers[department] = count // 2
        place.submit(department, count // 2)
    place.wait_until(lambda: place.projected_published() == total)
    place.wait_until(place.is_drained)
    place.stop()
    found = place.verify()
    assert (found["status"], found["differences"]) == (0, [])
    assert place.run("audit", "replay").exit_code == 0
    assert place.published() == total
