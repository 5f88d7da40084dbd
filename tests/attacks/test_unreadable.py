"""I1. What a department, a platform or a disk does to a topic costs its own progress alone."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from hub.commands.doctor import _site_on_broker
from hub.config.site import load_site
from hub.runtime.metrics import REPEATS
from tests.attacks.broker import PARTITIONS, PREFIX, WORKERS, Town, flip, garble, until
from tests.unit.connectors.test_file_agent import rows
from tools.limits_page import UNMEASURED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hub.config.settings import Settings
    from tests.conftest import PostgresPart

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

BOMB = bytes(150_000_000)
"""5 KB in zstd."""
REFUSED = {"MSG_SIZE_TOO_LARGE", "UNKNOWN"}
"""By its size, or because the broker's heap was too small to say how large it is."""
MARKET = "submissions.market"
UNREADABLE = "hub_unreadable_records_total"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Town]:
    """One town for all attacks, its workers running."""
    with Town(tmp_path_factory.mktemp("town"), settings, UNMEASURED_BYTES) as place:
        place.start()
        place.assert_neighbour_is_answered(60)
        yield place


@pytest.fixture(autouse=True)
def afterwards(town: Town) -> Iterator[None]:
    """A neighbour is answered in time, and so is market in the end; every worker is well."""
    yield
    town.assert_neighbour_is_answered()
    town.wait_for("market", town.submit("market", 2, 0) + town.submit("market", 2, 1))
    town.assert_well()


def assert_set_aside(town: Town, topic: str, offsets: list[int | str]) -> None:
    """Each offset has exactly one outcome, and market was told of each; nobody waits long."""
    town.assert_neighbour_is_answered()
    wanted = {(topic, int(offset)) for offset in offsets}
    until(lambda: wanted <= set(town.unreadable()))
    causes = [(r.cause.topic, r.cause.offset) for r in town.ledger() if not r.state]
    assert all(causes.count((PREFIX + topic, offset)) == 1 for _topic, offset in wanted)
    assert all(
        (r.state, r.events, r.outcome.name) == (None, (), "QUARANTINED")
        for r in town.ledger()
        if r.cause.topic == PREFIX + topic and r.cause.offset in offsets
    )
    town.wait_for("market", town.submit("market", 2))
    told = [json.loads(one.value) for one in town.records("receipts.market")]
    codes = [reason["code"] for receipt in told for reason in receipt["reasons"]]
    assert codes.count("BATCH_UNREADABLE") == len([t for t, _o in town.unreadable() if t == MARKET])


@pytest.mark.parametrize("codec", ["zstd", "lz4", "gzip"])
@pytest.mark.parametrize("records", [1, 150], ids=["one", "many"])
def test_the_broker_measures_what_is_packed(town: Town, codec: str, records: int) -> None:
    """What unpacks beyond the topic's limit never gets onto it, nor ends the broker's heap."""
    size = len(BOMB) // records
    said = town.put("dept.market", MARKET, [bytes(size)] * records, codec)
    assert set(said) <= REFUSED


def test_a_platform_is_measured_as_well(town: Town) -> None:
    """Its answers are read by a courier of the hub."""
    assert set(town.put("target.city", "answers.city", [BOMB], "zstd")) <= REFUSED


def test_the_doctor_sees_a_topic_that_is_not_measured(town: Town) -> None:
    """And the plan mends it."""
    loaded = load_site(town.folder)
    town.open_to_all(MARKET)
    assert "TOPICS_DIFFER" in {one.code for one in _site_on_broker(loaded, town.access)}
    assert town.run("topics", "apply").exit_code == 0
    assert "TOPICS_DIFFER" not in {one.code for one in _site_on_broker(loaded, town.access)}


@pytest.mark.parametrize("records", [1, 150], ids=["one", "many"])
def test_a_bomb_that_is_on_the_topic_already_is_set_aside(town: Town, records: int) -> None:
    """Each record of the batch by its offset; the registrar never starts again for it."""
    town.open_to_all(MARKET)
    offsets = town.put("dept.market", MARKET, [bytes(len(BOMB) // records)] * records, "zstd")
    town.close_again(MARKET)
    assert_set_aside(town, MARKET, offsets)
    assert town.metric("registrar.0", "hub_slot_restarts_total") == 0
    assert town.metric("registrar.0", UNREADABLE) >= records


def test_many_bombs_in_a_row_cost_their_sender_alone(town: Town) -> None:
    """Twenty batches one after the other: the neighbour's rows pass between them."""
    town.open_to_all(MARKET)
    offsets = [town.put("dept.market", MARKET, [BOMB], "zstd")[0] for _ in range(20)]
    town.close_again(MARKET)
    assert_set_aside(town, MARKET, offsets)


@pytest.mark.parametrize("codec", ["lz4", "gzip"])
def test_what_can_be_unpacked_is_quarantined_by_its_size(town: Town, codec: str) -> None:
    """The client unpacks these codecs whole; the worker stays below its bound."""
    town.open_to_all(MARKET)
    (offset,) = town.put("dept.market", MARKET, [BOMB], codec, headers=(("ce_type", b"x"),))
    town.close_again(MARKET)
    town.assert_neighbour_is_answered()
    until(lambda: any(r.cause.offset == offset for r in town.ledger() if r.value_digest))
    (record,) = [r for r in town.ledger() if r.value_digest and r.cause.offset == offset]
    assert {reason.code for reason in record.reasons} >= {"RECORD_TOO_LARGE"}


def test_damaged_batches_are_set_aside(town: Town) -> None:
    """A bit of the disk has turned, or the packed bytes are none of the codec's."""
    town.kill("registrar.0")
    town.open_to_all(MARKET)
    damages: dict[int, Callable[[bytearray], object]] = {}
    offsets: list[int | str] = []
    for codec, change in (
        ("none", flip), ("zstd", flip), ("lz4", garble), ("zstd", garble), ("snappy", garble),
    ):  # fmt: skip
        town.submit("market")
        batch = town.put("dept.market", MARKET, [b"row %d" % n * 40 for n in range(5)], codec)
        damages[int(batch[0])] = change
        offsets += batch
    town.close_again(MARKET)
    town.damage(MARKET, damages)
    town.start("registrar.0")
    until(lambda: town.health("registrar.0")[0] == 200)
    assert_set_aside(town, MARKET, offsets)


def test_an_answer_that_cannot_be_read_is_passed_by(town: Town) -> None:
    """The courier reads what the platform says behind it, counts it, and says so."""
    town.open_to_all("answers.city")
    town.put("target.city", "answers.city", [BOMB], "zstd")
    town.close_again("answers.city")
    until(lambda: town.metric("courier.city", UNREADABLE) >= 1)
    (number,) = town.submit("market")
    town.wait_for("market", [number])

    def deliveries() -> list[dict[str, str]]:
        return [json.loads(one.value) for one in town.records("delivery.city")]

    until(lambda: bool(deliveries()))
    answer = json.dumps(
        {
            "delivery": deliveries()[-1]["delivery"], "digest": deliveries()[-1]["digest"],
            "stage": "published", "receipt": "R1", "at": "2026-12-01T09:00:00+08:00",
        }
    )  # fmt: skip
    town.put("target.city", "answers.city", [answer.encode()])
    until(lambda: town.metric("courier.city", "hub_stages_total") >= 1)
    assert "set aside and passed by" in town.log_of("courier.city").read_text("utf-8")


def test_a_kill_amid_it_loses_nothing_and_repeats_nothing(town: Town) -> None:
    """SIGKILL at several moments after the bomb: one outcome for each offset in the end."""
    town.open_to_all(MARKET)
    offsets: list[int | str] = []
    for _ in range(3):
        offsets += town.put("dept.market", MARKET, [bytes(1_000_000)] * 150, "zstd")
        town.kill("registrar.0")
        town.start("registrar.0")
        until(lambda: town.health("registrar.0")[0] == 200)
    town.close_again(MARKET)
    assert_set_aside(town, MARKET, offsets)


def test_a_transaction_left_open_holds_up_its_own_rows_alone(town: Town) -> None:
    """What a department does not end, hides what it sends behind it, and nobody else's."""
    producer = Producer(
        {
            **town.access.of(f"{PREFIX}dept.market").as_librdkafka(), "log_level": 0,
            "transactional.id": f"{PREFIX}dept.market.open", "transaction.timeout.ms": 20_000,
        }
    )  # fmt: skip
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(PREFIX + MARKET, b"never ended", b"k", 0)
    producer.flush(10)
    town.assert_neighbour_is_answered()
    producer.abort_transaction(10)


def test_a_flood_of_nothing_in_one_batch_holds_nobody_up(town: Town) -> None:
    """Thousands of empty records in some hundred bytes: each is answered, the neighbour in time."""
    town.put("dept.market", MARKET, [b""] * 4_000, "lz4")
    town.assert_neighbour_is_answered()


def test_deleted_submissions_stop_their_partition_until_somebody_answers(town: Town) -> None:
    """Everybody else goes on; the operator's word is in the ledger; audit and backup go on."""
    town.kill("registrar.0")
    town.submit("market", 5)
    kept = town.submit("market", 2)
    end = max(one.offset for one in town.records(MARKET) if one.partition == 0)
    town.delete_before(MARKET, 0, end - 1)
    town.start("registrar.0")
    until(lambda: town.health("registrar.0")[1].get("code") == "INPUTS_LOST")
    status, said = town.health("registrar.0")
    assert status == 503
    assert "accept-loss" in said["remedy_zh"]
    town.assert_neighbour_is_answered()
    assert not set(kept) & town.answered("market").keys()
    listed = town.run("submissions", "lost")
    assert (listed.exit_code, f"{PREFIX}{MARKET}[0]" in listed.output) == (1, True)
    accepted = town.run("submissions", "accept-loss", "--operator", "王工", "--reason", "误删")
    assert accepted.exit_code == 0, accepted.output
    town.wait_for("market", kept)
    until(lambda: town.health("registrar.0")[0] == 200, 20)
    (declared,) = [r for r in town.ledger() if r.outcome.name == "INPUT_LOST"]
    assert dict(declared.facts)["operator"] == "王工"
    assert int(dict(declared.facts)["lost_until"]) == end - 1
    assert town.run("submissions", "lost").exit_code == 0


def test_a_connector_passes_by_a_cursor_that_cannot_be_read(town: Town) -> None:
    """It counts and tells it, and what is dropped then is answered."""
    town.start("connector")
    until(lambda: town.metric("connector", UNREADABLE) == 0)
    for number in (1, 2):
        (town.folder / "inbox" / "licences" / f"{number}.csv").write_bytes(rows(1, number))
        until(lambda number=number: number in town.answered("market", "files"))  # type: ignore[misc]
    town.kill("connector")
    town.damage("cursors.market.files", {0: flip})
    town.start("connector")
    until(lambda: town.metric("connector", UNREADABLE) > 0)
    before = max(town.answered("market", "files"))
    (town.folder / "inbox" / "licences" / "3.csv").write_bytes(rows(1, 3))
    until(lambda: max(town.answered("market", "files")) > before)
    assert "set aside and passed by" in town.log_of("connector").read_text("utf-8")
    town.kill("connector")


def test_case_agents_pass_by_a_notice_that_cannot_be_read(town: Town) -> None:
    """Faust's own client ends at it; in its next life it begins behind all that was folded."""
    town.start("notices")
    until(lambda: {one.partition for one in town.records("notices")} == set(range(PARTITIONS)))
    town.kill("notices")
    town.damage("notices", {town.last_batch("notices"): flip})
    town.start("notices", "cases")
    until(lambda: town.metric("cases", UNREADABLE) >= 1)
    until(lambda: town.health("cases")[0] == 200)
    until(lambda: town.metric("notices", UNREADABLE) > 0)
    until(lambda: town.metric("cases", "hub_slot_restarts_total") == 1)
    known = len(town.records("notices"))
    town.submit("market")
    until(lambda: len(town.records("notices")) > known)
    time.sleep(3)  # a turn of the agents takes a second
    until(lambda: town.health("cases")[1]["idle"], 20)
    assert town.health("cases")[1]["seconds_since_progress"] < 3
    assert town.metric("cases", "hub_slot_restarts_total") == 1
    town.kill("notices")
    town.kill("cases")


def test_a_damaged_ledger_stops_each_follower_with_the_same_words(
    town: Town, postgres: PostgresPart
) -> None:
    """Of the ledger nothing may be missed; once the disk is well again nothing is lost."""
    town.environment["HUB_POSTGRES_DSN"] = postgres.dsn
    for name in ("courier.city", "receipts"):
        town.kill(name)
    known = len(town.ledger())
    numbers = town.submit("market", 3)
    until(lambda: len(town.ledger()) >= known + 3)
    town.kill("registrar.0")
    batch = town.last_batch("ledger")
    town.damage("ledger", {batch: flip})
    followers = (*WORKERS, "notices", "projector")
    town.start(*followers)
    assert [town.ended(name) for name in followers] == [2] * len(followers)
    words = (f"主题 {PREFIX}ledger 分区 0 的位移", "无法读取", "由副本或备份恢复该分区")
    for name in followers:
        said = town.log_of(name).read_text("utf-8")
        assert all(word in said for word in words), name
    verified = town.run("audit", "verify", "--json")
    codes = {one["code"] for one in json.loads(verified.stdout)["differences"]}
    assert (verified.exit_code, "RECORD_UNREADABLE" in codes) == (1, True)
    refused = town.run("backup", "create", "--to", str(town.home / "half"), "--without-look-ups")
    assert refused.exit_code == 2
    assert all(word in refused.output for word in words), refused.output
    town.damage("ledger", {batch: flip})
    town.start(*followers)
    town.wait_for("market", numbers)
    for name in followers:
        until(lambda name=name: town.health(name)[0] == 200)  # type: ignore[misc]
    for name in ("notices", "projector"):
        town.kill(name)


def test_a_worker_that_begins_again_and_again_is_not_healthy(town: Town) -> None:
    """Here the ledger takes no record any more; once it does, everything is as before."""
    limit = "1114112"
    town.set("ledger", "max.message.bytes", limit, "1024")
    numbers = town.submit("market", 3)
    until(lambda: town.health("registrar.0")[1].get("code") == "WORKER_REPEATS")
    assert town.health("registrar.0")[0] == 503
    town.set("ledger", "max.message.bytes", "1024", limit)
    town.wait_for("market", numbers)
    until(lambda: town.health("registrar.0")[0] == 200, 60)


def test_a_worker_that_dies_again_and_again_is_not_healthy_in_its_next_life(town: Town) -> None:
    """Each process is new and was well for a moment, however often it was started."""
    for _ in range(REPEATS):
        town.start("receipts")
        until(lambda: town.health("receipts")[0] != 0)
    status, said = town.health("receipts")
    assert (status, said["code"]) == (503, "WORKER_REPEATS")


def test_audit_and_backup_go_on_over_all_that(town: Town) -> None:
    """The last of this file: everything above is on the topics. Replay is equal to the byte."""
    town.open_to_all(MARKET)
    offsets = town.put("dept.market", MARKET, [BOMB], "zstd")
    town.close_again(MARKET)
    assert_set_aside(town, MARKET, offsets)
    verified = town.run("audit", "verify", "--json")
    report = json.loads(verified.stdout)
    codes = {one["code"] for one in report["differences"]}
    assert codes <= {"STREAM_HAS_GAP"}, verified.output  # the five that were deleted
    assert report["unreadable"] == len(town.unreadable())
    replayed = town.run("audit", "replay", "--json")
    assert replayed.exit_code == 0, replayed.output
    report = json.loads(replayed.stdout)
    left = sum(one["records"] - one["replayed"] for one in report["partitions"])
    declared = {one["code"]: one["count"] for one in report["declared"]}
    assert declared == ({"VALUE_NOT_RETAINED": left} if left else {})  # outsized, then deleted
    saved = town.run("backup", "create", "--to", str(town.home / "saved"), "--without-look-ups")
    assert saved.exit_code == 0, saved.output
    assert f"{PREFIX}{MARKET}[0] {offsets[0]}–{offsets[0]} 无法读取" in saved.output
    assert town.run_alone("backup", "verify", str(town.home / "saved")).exit_code == 0
