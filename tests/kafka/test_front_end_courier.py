"""The courier of a front-end database as a process: real broker, real server, a nation of its own.

The server is this module's own, so that it may be killed; the platform's job misbehaves all along.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from hub.config.kafka_access import KafkaAccess
from hub.embedded.postgres import EmbeddedPostgres
from standins import nation
from tests.conftest import KafkaPart
from tests.kafka.courier_place import CourierPlace, wait_until
from tests.simulator.test_courier import number_of

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

TARGETS = """\
  - id: province
    name_zh: 国家平台
    number: 0
    kind: database
    role: report
    public: false
    clearance: [public, government]
    kinds: [licence.granted.v1]
    timeout_seconds: 2.0
    attempts: 6
    database:
      url_file: nation-url
      tables: {licence.granted.v1: xzxk_fr}
      receipts: jh_receipt
      reasons: {"1001": SUBJECT_UNKNOWN}
      poll_seconds: 0.2
"""
MIX = {
    "acknowledge": 0.1, "late": 0.05, "never_applied": 0.03, "never_lost": 0.05, "twice": 0.05,
    "wrong_delivery": 0.05, "wrong_digest": 0.05, "wrong_stage": 0.05,
}  # fmt: skip


class NationPlace(CourierPlace):
    """A site with one target: the nation's front-end database."""

    def __init__(self, folder: Path, access: KafkaAccess, prefix: str, admin: str) -> None:
        super().__init__(folder, access, prefix)
        self.admin = admin
        (folder / "nation-url").touch(mode=0o600)
        (folder / "nation-url").write_text(nation.make(admin), encoding="ascii")
        (folder / "nation-admin").write_text(admin, encoding="ascii")
        self.open(TARGETS)
        self.start(
            "nation", "standins/nation.py", "serve",
            "--url-file", str(folder / "nation-admin"), "--clock", str(self.clock),
            "--control", str(folder / "nation.json"),
        )  # fmt: skip

    def book(self, target: str) -> Mapping[str, Mapping[str, object]]:
        """Return the platform's book."""
        assert target == "province"
        return nation.dump(self.admin)

    def wait_until_settled(self) -> None:
        """Wait until the platform shows what is owed, and the registrar was told of each end."""
        self.wait_until_equal("province")
        self.wait_until_told("province")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Return a PostgreSQL that may be killed."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("nation")) as started:
        yield started


@pytest.fixture
def place(
    tmp_path: Path, kafka: KafkaPart, prefix: str, server: EmbeddedPostgres
) -> Iterator[NationPlace]:
    """Return a nation of one's own."""
    name = prefix.rstrip(".")
    with psycopg.connect(server.dsn, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}".encode())
    admin = sa.make_url(server.dsn).set(database=name).render_as_string(hide_password=False)
    made = NationPlace(tmp_path, kafka.access, prefix, admin)
    yield made
    made.close()


def test_books_equal_the_ledger_whatever_the_database_does(
    place: NationPlace, server: EmbeddedPostgres
) -> None:
    """New, corrected, withdrawn; lost connections, locks, half batches, false receipts, a crash."""
    place.order(
        "nation",
        seed=3, mix=MIX, late_seconds=0.5, hold_seconds=1.0, publish_after_seconds=0.0,
        disconnect_share=0.02, lock_share=0.01, lock_seconds=0.7, half_batches=True,
    )  # fmt: skip
    place.deliver("province")
    place.decide("new", range(120))
    wait_until(lambda: len(place.shown("province")) > 20, 60)
    server.kill()
    place.decide("correct", range(40), content=1)
    server.start()
    place.decide("withdraw", range(80, 100))
    place.wait_until_settled()
    assert nation.refusals(place.admin) == []
    assert {"wrong_digest", "wrong_delivery", "twice", "never_lost"} <= nation.manners_shown(
        place.admin
    )


def test_a_refusal_reaches_the_registrar_under_the_hubs_own_code(place: NationPlace) -> None:
    """The platform's 1001 is the hub's SUBJECT_UNKNOWN; its own code stays in the message."""
    place.order("nation", refuse=[{"code": "1001", "value": number_of(1)}])
    place.deliver("province")
    place.decide("new", range(3))
    wait_until(lambda: len(place.told("province")) == 3, 60)
    reports = [json.loads(one.value) for one in place.read("outcomes.province")]
    (refused,) = (one for one in reports if one["stage"] == "refused")
    assert refused["code"] == "SUBJECT_UNKNOWN"
    assert refused["message"].startswith("1001: ")
    assert refused["platform_at"] is not None
    assert sorted(place.told("province").values()) == ["published", "published", "refused"]


HOOKS = ("after_intent:kill:1", "after_effect:kill:1", "before_result:kill:2",
         "after_commit:kill:2")  # fmt: skip


def test_killed_between_intent_effect_and_result_each_record_is_delivered_once(
    place: NationPlace,
) -> None:
    """SIGKILL at every stage of a row's way: books equal, nothing told twice."""
    place.order("nation", seed=4, mix=MIX, late_seconds=0.3, hold_seconds=0.5, half_batches=True)
    killed = 0
    for round_, hook in enumerate(HOOKS):
        place.decide("new", range(round_ * 30, round_ * 30 + 30))
        place.decide("correct", range(round_ * 30, round_ * 30 + 8), content=round_ + 1)
        killed += place.is_killed("province", hook)
    assert killed == len(HOOKS)
    place.decide("withdraw", range(0, 120, 10))
    place.deliver("province")
    place.wait_until_settled()
    assert nation.refusals(place.admin) == []
