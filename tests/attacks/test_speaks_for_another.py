"""Nobody speaks for another: a stream belongs to the department of its topic, a port to its worker.

One start of the hub: market says everything at once that is housing's to say, then is looked at.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from hub.adapters.kafka.client import KafkaTransactions
from hub.adapters.postgres.tables import schema_of
from hub.config.settings import Settings
from hub.core.record import Outcome, decode_record
from hub.domain.kinds import CORRECTED, LICENCE, WITHDRAWN
from hub.domain.partitioning import partition_of
from hub.embedded.kafka import EmbeddedKafka
from hub.errors import ConfigurationError
from hub.ports import OutputRecord
from tests.attacks.ledger_place import CODES, PARTITIONS, PREFIX, LedgerPlace
from tests.conftest import PostgresPart
from tests.driver.rows import CONTRACTS, OTHER_AUTHORITY, framed, licence_row

pytestmark = pytest.mark.kafka
HOUSING_CODE = CODES[201]
"""Company of housing's first licence."""


def licence_of_housing() -> dict[str, str]:
    """Housing's first licence as it stands."""
    return licence_row(
        XK_XDR_SHXYM=HOUSING_CODE, XK_XDR_MC="舟山示例201有限公司", XK_WSH="示许〔2026〕00201号",
        XK_JDRQ="2026-10-30", XK_YXQZ="2026-10-30", XK_XKJGDM=OTHER_AUTHORITY,
    )  # fmt: skip


def from_market(number: int, kind: str, row: dict[str, Any], source: str) -> OutputRecord:
    """What market's own user may send: anything, on market's topic."""
    headers = {"ce_specversion": "1.0", "ce_type": kind, "ce_source": source, "ce_id": str(number)}
    return OutputRecord(
        f"{PREFIX}submissions.market", partition_of(HOUSING_CODE.encode(), PARTITIONS),
        HOUSING_CODE.encode(), framed(kind, row),
        tuple((name, value.encode()) for name, value in headers.items()),
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(
    settings: Settings, postgres: PostgresPart, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LedgerPlace]:
    """Housing has a gap at 4; market has spoken in housing's name."""
    folder = tmp_path_factory.mktemp("speaks")
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
            made.submit("housing", 3)
            made.numbers["housing"] += 1  # 4 never arrives
            made.submit("housing", 2)
            made.submit("market", 2)
            made.numbers["housing"] -= 1
            made.settle()
            reference = {
                "credit_code": HOUSING_CODE, "authority_code": OTHER_AUTHORITY,
                "document_number": "示许〔2026〕00201号", "subject_name": "舟山示例201有限公司",
                "subject_kind": LICENCE, "reason": "冒名", "effective_on": "2026-11-01",
            }  # fmt: skip
            made.produce(
                [
                    from_market(70_010, LICENCE, licence_of_housing(), "housing/files"),
                    from_market(4, LICENCE, licence_of_housing(), "housing/files"),
                    from_market(1, LICENCE, licence_of_housing(), "housing/files"),
                    from_market(7, LICENCE, licence_of_housing(), "files"),
                    from_market(8, WITHDRAWN, _only(WITHDRAWN, reference), "market/files"),
                    from_market(
                        9, CORRECTED,
                        _only(CORRECTED, {
                            "subject_kind": LICENCE, "reason": "冒名",
                            "row": framed(LICENCE, licence_of_housing()),
                        }),
                        "housing/files",
                    ),
                ]
            )  # fmt: skip
            made.wait_until(lambda: len(forged(made)) == 6)
            made.wait_until(made.is_drained)
            yield made
        finally:
            made.stop()
            made.province.stop()


def _only(kind: str, told: dict[str, Any]) -> dict[str, Any]:
    """A row of a kind with what it has of these; the rest is empty."""
    names = [field.name for field in CONTRACTS.by_kind[kind].schema.fields]
    return {name: told.get(name, "") for name in names}


def forged(place: LedgerPlace) -> list[Any]:
    """What the ledger says to market's rows behind its own two."""
    decided = [
        record
        for partition in range(PARTITIONS)
        for stored in place.read("ledger", partition)
        if (record := decode_record(stored.value)).department == "market"
    ]
    return [r for r in decided if dict(r.cause.headers)["ce_id"] not in (b"1", b"2")
            or dict(r.cause.headers)["ce_source"] != b"market/files"]  # fmt: skip


def departments(place: LedgerPlace) -> dict[str, Any]:
    """`hub status`."""
    done = place.run("status", "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)["departments"]
    return found


def test_a_high_number_in_anothers_name_makes_no_gap_of_anothers(place: LedgerPlace) -> None:
    """Housing lacks one row, its own; the other 69 thousand are market's to explain."""
    found = departments(place)
    assert found["housing"]["gap"] == 1
    assert found["market"]["gap"] > 69_000


def test_a_number_in_anothers_name_fills_no_gap(place: LedgerPlace) -> None:
    """Housing's 4 never came, whatever market calls its own."""
    streams = place.verify()["streams"]
    assert streams["housing/files"] == {"last": 6, "missing": 1}


def test_the_stream_is_named_with_both(place: LedgerPlace) -> None:
    """Who looks sees whose topic it was, in look-ups and audit alike."""
    names = {"market: housing/files", "market: files"}
    assert names <= set(place.verify()["streams"])
    with psycopg.connect(place.dsn) as session:
        session.execute(f"SET search_path TO {schema_of(PREFIX)}".encode())
        rows = session.execute("SELECT stream, department FROM streams").fetchall()
    assert {stream for stream, department in rows if department == "market"} >= names
    assert {stream for stream, department in rows if department == "housing"} == {"housing/files"}


def test_anothers_number_is_not_used_up(place: LedgerPlace) -> None:
    """Market's 1 in housing's name is no repeat of housing's 1."""
    told = [r for r in forged(place) if dict(r.cause.headers)["ce_id"] == b"1"]
    assert [r.outcome for r in told] == [Outcome.QUARANTINED]


def test_a_row_of_anothers_authority_is_refused(place: LedgerPlace) -> None:
    """Nothing of it is accepted, nothing is named for a target."""
    assert {r.outcome for r in forged(place)} == {Outcome.QUARANTINED}
    assert not any(r.publish_targets | r.withdraw_targets for r in forged(place))


def test_anothers_record_is_neither_withdrawn_nor_corrected(place: LedgerPlace) -> None:
    """The platform goes on showing housing's licence."""
    shown = [one for one in place.book().values() if HOUSING_CODE in str(one["fields"])]
    assert [(one["version"], one["stage"]) for one in shown] == [(1, "published")]


def test_the_answers_go_to_whoever_sent_them(place: LedgerPlace) -> None:
    """Housing's receipts are five, market's its own two and the six it made up."""
    counts = {
        department: sum(len(place.read(f"receipts.{department}", p)) for p in range(PARTITIONS))
        for department in ("housing", "market")
    }
    assert counts["market"] >= 8
    said = [
        json.loads(one.value)
        for p in range(PARTITIONS)
        for one in place.read("receipts.housing", p)
    ]
    assert {one["stream"] for one in said if one["sequence"]} == {"housing/files"}
    assert {one["sequence"] for one in said if one["sequence"]} == {"1", "2", "3", "5", "6"}


@pytest.mark.parametrize("topic", ["submissions.housing", "outcomes.province", "ledger", "control"])
def test_the_broker_refuses_anothers_topic(place: LedgerPlace, topic: str) -> None:
    """A department writes where its own rows go, and nowhere else."""
    writer = KafkaTransactions(place.broker.access(f"{PREFIX}dept.market"), f"{PREFIX}dept.market")
    writer.initialise()
    writer.begin()
    writer.produce([OutputRecord(PREFIX + topic, 0, b"k", b"v", ())])
    with pytest.raises(ConfigurationError, match="not its right"):
        writer.commit()
    writer.retire()


@pytest.mark.parametrize("name", ["registrar.0", "courier.province", "dept.housing"])
def test_nobody_takes_anothers_place_at_the_broker(place: LedgerPlace, name: str) -> None:
    """To initialise under another's id would fence its owner."""
    writer = KafkaTransactions(place.broker.access(f"{PREFIX}dept.market"), PREFIX + name)
    with pytest.raises(ConfigurationError, match="not its right"):
        writer.initialise()
