"""The matrix on a real broker: who may do what, each cell tried, allowed and refused.

The broker is the judge: the clients are the plain library's, so nothing of the hub stands between.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from hub.adapters.kafka.appender import KafkaAppender
from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions
from hub.adapters.kafka.rights import KafkaRights
from hub.cli import hub
from hub.config.kafka_access import KafkaAccess
from hub.config.site import LoadedSite, load_site
from hub.errors import ConfigurationError
from hub.io.secret import Secret
from hub.operations.site_plan import apply_site_plan, plan_site
from hub.ports import OutputRecord
from hub.provisioning.rights import Right
from tests.conftest import KafkaPart

pytestmark = pytest.mark.kafka

SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 1
rulebook: rulebook.yaml
calendar: calendar.json
sealing_key_file: key
departments:
  - {{id: market, name_zh: 市场监管局, files: [{{name: files, inbox: in, results: out}}]}}
  - {{id: housing, name_zh: 住建局}}
  - {{id: credit, name_zh: 信用中心, kind: agent, authorities: [91330900MA00000156]}}
cases: {{department: credit}}
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public], kinds: [licence.granted.v1],
     url: "https://127.0.0.1:9", token_file: token}}
  - {{id: city, name_zh: 市网站, number: 1, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1]}}
  - {{id: port, name_zh: 港口网站, number: 2, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1]}}
"""


class Cell(NamedTuple):
    """One cell of the matrix: who does what to which topic, id or group."""

    who: str
    deed: str
    what: str
    may: bool


def may(who: str, deed: str, *whats: str) -> list[Cell]:
    """Cells that are allowed."""
    return [Cell(who, deed, what, may=True) for what in whats]


def may_not(who: str, deed: str, *whats: str) -> list[Cell]:
    """Cells that are refused."""
    return [Cell(who, deed, what, may=False) for what in whats]


REGISTRAR, CITY = "worker.registrar.0", "worker.courier.city"
MATRIX = [
    # a department
    *may("dept.market", "write", "submissions.market"),
    *may_not(
        "dept.market", "write", "submissions.housing", "submissions.credit", "receipts.market"
    ),
    *may_not("dept.market", "write", "ledger", "control"),
    *may("dept.market", "read", "receipts.market"),
    *may_not("dept.market", "read", "receipts.housing", "ledger", "submissions.market", "control"),
    *may_not("dept.market", "read", "notices", "delivery.city", "outcomes.city"),
    *may("dept.market", "transact", "dept.market", "dept.market.loader"),
    *may_not("dept.market", "transact", "registrar.0", "connector.market.files", "dept.housing"),
    *may("dept.market", "join", "dept.market.reader"),
    *may_not("dept.market", "join", "dept.housing.reader", "registrar.0.reader"),
    # a connector
    *may("worker.connector.market", "write", "submissions.market", "cursors.market.files"),
    *may("worker.connector.market", "read", "cursors.market.files", "submissions.market"),
    *may("worker.connector.market", "read", "receipts.market"),
    *may_not("worker.connector.market", "read", "submissions.housing", "receipts.housing"),
    *may("worker.connector.market", "transact", "connector.market.files"),
    *may_not("worker.connector.market", "write", "submissions.housing", "ledger"),
    *may_not("worker.connector.market", "transact", "registrar.0", "connector.housing.files"),
    # the registrar
    *may(REGISTRAR, "write", "ledger", "control"),
    *may(REGISTRAR, "read", "submissions.market", "outcomes.city", "ledger", "control", "notices"),
    *may(REGISTRAR, "transact", "registrar.0"),
    *may_not(REGISTRAR, "write", "submissions.market", "outcomes.city", "receipts.market"),
    *may_not(REGISTRAR, "transact", "registrar.1", "courier.city"),
    # couriers and platforms
    *may(CITY, "write", "delivery.city", "outcomes.city", "attempts.city"),
    *may(CITY, "read", "ledger", "answers.city", "attempts.city", "outcomes.city"),
    *may_not(CITY, "write", "submissions.market", "ledger", "delivery.port", "answers.city"),
    *may_not(CITY, "read", "submissions.market", "receipts.market", "answers.port"),
    *may_not(CITY, "transact", "registrar.0", "courier.port"),
    *may("target.city", "read", "delivery.city"),
    *may("target.city", "write", "answers.city"),
    *may_not(
        "target.city", "read", "delivery.port", "answers.city", "ledger", "submissions.market"
    ),
    *may_not("target.city", "write", "answers.port", "delivery.city", "outcomes.city"),
    # followers, agents, the auditor
    *may("worker.receipts", "write", "receipts.market", "receipts.housing"),
    *may_not("worker.receipts", "write", "ledger", "notices"),
    *may("worker.notices", "write", "notices"),
    *may("worker.cases", "read", "notices"),
    *may("worker.cases", "write", "submissions.credit"),
    *may("worker.cases", "join", "cases"),
    *may_not("worker.cases", "read", "ledger", "submissions.market"),
    *may_not("worker.cases", "write", "ledger", "notices", "submissions.market"),
    *may("worker.reconciler", "write", "submissions.credit"),
    *may_not("worker.reconciler", "read", "ledger", "notices", "submissions.market"),
    *may_not("worker.reconciler", "write", "ledger", "notices", "submissions.market", "control"),
    *may_not("worker.reconciler", "join", "cases"),
    *may("worker.projector", "read", "ledger"),
    *may_not("worker.projector", "write", "ledger", "submissions.market", "receipts.market"),
    *may("auditor", "read", "ledger", "control", "submissions.housing", "outcomes.province"),
    *may("auditor", "read", "notices"),
    *may_not("auditor", "write", "ledger", "control"),
    # what only the operator may
    *(
        Cell(who, deed, "ledger", may=who == "operator")
        for deed in ("create topic", "add partitions", "alter config", "see rights", "give rights")
        for who in ("dept.market", "target.city", REGISTRAR, "auditor", "operator")
    ),
    *may_not("dept.market", "delete topic", "ledger", "submissions.market"),
    *may_not(REGISTRAR, "delete topic", "ledger"),
    *may_not("dept.market", "delete records", "submissions.market", "receipts.market"),
    *may_not(REGISTRAR, "delete records", "ledger"),
    # who cannot say who they are
    *may_not("a stranger", "read", "receipts.market"),
    *may_not("dept.market with another password", "write", "submissions.market"),
]
"""Whatever is not in it is refused too: the broker grants nothing by itself."""
REFUSALS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
    }
)
LOST = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN})
"""What a client that never says who it is hears: the broker hangs up."""
QUICK = {"socket.timeout.ms": 5_000, "log_level": 0}


@pytest.fixture(scope="module")
def site(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> LoadedSite:
    """A site whose topics, users and rights are on the broker."""
    folder = tmp_path_factory.mktemp("rights")
    (folder / "site.yaml").write_text(SITE.format(prefix="matrix."), encoding="utf-8")
    loaded = load_site(folder)
    apply_site_plan(loaded, kafka.access, plan_site(loaded, kafka.access))
    return loaded


def access_of(kafka: KafkaPart, who: str) -> KafkaAccess:
    """The way of one of the matrix."""
    match who:
        case "operator":
            return kafka.access
        case "a stranger":
            return KafkaAccess(kafka.bootstrap)
        case "dept.market with another password":
            return replace(kafka.access.of("matrix.dept.market"), password=Secret("guessed"))
    return kafka.access.of(f"matrix.{who}")


def refusal_of(who: str, error: KafkaError | None) -> bool:
    """Whether this is the broker's refusal; any other error got past it."""
    codes = REFUSALS | LOST if who == "a stranger" else REFUSALS
    return error is not None and error.code() in codes


def write(access: KafkaAccess, topic: str) -> KafkaError | None:
    """Produce without a transaction."""
    said: list[KafkaError] = []
    producer = Producer(
        {**access.as_librdkafka(), **QUICK, "message.timeout.ms": 8_000, "error_cb": said.append}
    )
    producer.produce(
        topic, b"v", b"k", 0, on_delivery=lambda error, _m: said.append(error) if error else None
    )
    while len(producer) and not any(one.code() in REFUSALS for one in said):
        producer.poll(0.1)
    producer.purge()
    return next((one for one in said if one.code() in REFUSALS), said[-1] if said else None)


def read(access: KafkaAccess, topic: str) -> KafkaError | None:
    """Fetch from a partition's beginning, under a group of one's own."""
    group = access.user.replace("worker.", "") + ".test"
    consumer = Consumer(
        {**access.as_librdkafka(), **QUICK, "group.id": group, "auto.offset.reset": "earliest",
         "enable.partition.eof": True, "enable.auto.commit": False}
    )  # fmt: skip
    try:
        known: KafkaError | None = consumer.list_topics(topic, timeout=8).topics[topic].error
        if known is not None:  # a fetch of a topic one may not even know of is never sent
            return known
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(8)
        error = KafkaError(KafkaError._TIMED_OUT) if message is None else message.error()
        is_read = error is None or error.code() == KafkaError._PARTITION_EOF
        return None if is_read else error
    finally:
        consumer.close()


def transact(access: KafkaAccess, transactional_id: str) -> KafkaError | None:
    """Take a transactional id, and with it fence whoever has it."""
    producer = Producer({**access.as_librdkafka(), **QUICK, "transactional.id": transactional_id})
    producer.init_transactions(8)
    return None


def join(access: KafkaAccess, group: str) -> KafkaError | None:
    """Look for a group's coordinator and its offsets, as a member does first."""
    consumer = Consumer({**access.as_librdkafka(), **QUICK, "group.id": group})
    try:
        consumer.committed([TopicPartition("matrix.receipts.market", 0)], timeout=4)
    except KafkaException:
        message = consumer.poll(4)  # the call times out; why, is an event
        return KafkaError(KafkaError._TIMED_OUT) if message is None else message.error()
    finally:
        consumer.close()
    return None


def administer(access: KafkaAccess, deed: str, topic: str) -> KafkaError | None:
    """What only an operator should be able to do."""
    admin = AdminClient({**access.as_librdkafka(), **QUICK})
    setting = ConfigResource(ResourceType.TOPIC, topic)
    setting.add_incremental_config(
        ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)
    )
    resource = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL)
    who = ("User:matrix.worker.registrar.0", "*")
    right = (AclOperation.WRITE, AclPermissionType.ALLOW)
    match deed:
        case "create topic":
            futures = list(admin.create_topics([NewTopic(topic, 1)]).values())
        case "delete topic":
            futures = list(admin.delete_topics([topic]).values())
        case "add partitions":
            futures = list(admin.create_partitions([NewPartitions(topic, 1)]).values())
        case "delete records":
            futures = list(admin.delete_records([TopicPartition(topic, 0, 0)]).values())
        case "alter config":
            futures = list(admin.incremental_alter_configs([setting]).values())
        case "see rights":
            found = admin.describe_acls(AclBindingFilter(*resource, *who, *right)).result(8)
            # to those who may not ask, the client library shows nothing and reports no error
            return None if found else KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED)
        case "give rights":
            futures = list(admin.create_acls([AclBinding(*resource, *who, *right)]).values())
        case _:
            raise AssertionError(deed)
    for future in futures:
        future.result(8)
    return None


DEEDS = {"write": write, "read": read, "transact": transact, "join": join}


def outcome_of(kafka: KafkaPart, cell: Cell) -> str:
    """Try one cell; what happened, where it is not what the matrix says."""
    access, name = access_of(kafka, cell.who), f"matrix.{cell.what}"
    try:
        if cell.deed in DEEDS:
            error = DEEDS[cell.deed](access, name)
        else:
            error = administer(access, cell.deed, name)
    except KafkaException as problem:
        error = problem.args[0]
    was_refused = refusal_of(cell.who, error)
    is_unanswered = error is not None and error.code() == KafkaError._TIMED_OUT
    if was_refused == cell.may or is_unanswered:
        return f"{cell.who} {cell.deed} {cell.what}: {error}, wanted {cell.may}"
    return ""


def test_the_broker_grants_and_refuses_as_the_matrix_says(
    kafka: KafkaPart, site: LoadedSite
) -> None:
    """Every cell, on the real broker, by a client that is not the hub's."""
    assert site.site.prefix == "matrix."
    assert sum(not cell.may for cell in MATRIX) >= 40
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda cell: outcome_of(kafka, cell), MATRIX))
    assert [said for said in outcomes if said] == []


def refused(act: Callable[[], object]) -> str:
    """What the hub tells the operator when the broker refuses."""
    with pytest.raises(ConfigurationError) as problem:
        act()
    return str(problem.value)


def test_a_worker_without_its_right_ends_and_says_what_to_do(
    kafka: KafkaPart, site: LoadedSite
) -> None:
    """Repeating would not help: the message names the user, the refusal and the command."""
    access = kafka.access.of(site.site.user("worker.projector"))
    inputs = KafkaInputs(access, "matrix.projector")
    appender = KafkaAppender(access)
    record = OutputRecord("matrix.ledger", 0, b"", b"forged", ())
    said = [
        refused(lambda: inputs.bounds([("matrix.control", 0)])),
        refused(lambda: list(inputs.read_to_end({("matrix.control", 0): 0}))),
        refused(lambda: appender.append([record])),
        refused(lambda: KafkaTransactions(access, "matrix.registrar.0").initialise()),
    ]
    inputs.assign({("matrix.control", 0): 0})
    said.append(refused(lambda: [inputs.consume(1, 1.0) for _ in range(5)]))
    inputs.close()
    for message in said:
        assert "matrix.worker.projector" in message
        assert "hub topics apply" in message
        assert "uthorization failed" in message


def test_a_wrong_password_ends_the_worker_at_once(kafka: KafkaPart, site: LoadedSite) -> None:
    """Not after minutes of time-outs; and the password is in no message."""
    wrong = replace(kafka.access.of(site.site.user("worker.projector")), password=Secret("canary"))
    inputs = KafkaInputs(wrong, "matrix.projector")
    inputs.assign({("matrix.ledger", 0): 0})
    said = [
        refused(lambda: [inputs.consume(1, 1.0) for _ in range(8)]),
        refused(lambda: KafkaTransactions(wrong, "matrix.projector").initialise()),
    ]
    inputs.close()
    for message in said:
        assert "invalid credentials" in message
        assert "canary" not in message


def hub_topics(site: LoadedSite, *words: str) -> str:
    """Run `hub topics …` and return what it printed."""
    result = CliRunner().invoke(hub, ["topics", *words, "--site", str(site.folder)])
    assert result.exit_code == 0, result.output
    return result.output


def test_rights_no_file_speaks_of_are_shown_and_taken_back_only_on_request(
    kafka: KafkaPart, site: LoadedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours by user or by name; those of another prefix are never touched."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP", kafka.bootstrap)
    ours = {
        Right("matrix.dept.market", "read", "topic", "matrix.ledger"),
        Right("somebody", "read", "topic", "matrix.", is_prefix=True),
    }
    foreign = Right("somebody", "read", "topic", "elsewhere.ledger")
    missing = Right("matrix.dept.market", "write", "topic", "matrix.submissions.market")
    admin = KafkaRights(kafka.access)
    admin.grant([*ours, foreign])
    admin.revoke([missing])
    plan = hub_topics(site, "plan")
    assert "? somebody  read topic matrix.*" in plan
    assert "? matrix.dept.market  read topic matrix.ledger" in plan
    assert "+ matrix.dept.market  write topic matrix.submissions.market" in plan
    assert "elsewhere" not in plan
    hub_topics(site, "apply")
    assert ours | {missing} <= admin.read("matrix.")
    hub_topics(site, "apply", "--revoke")
    assert not ours & admin.read("matrix.")
    assert hub_topics(site, "plan") == "无差异 / no difference\n"
    assert foreign in admin.read("elsewhere.")


def test_a_rotated_password_is_in_the_file_and_the_old_one_is_refused(
    kafka: KafkaPart, site: LoadedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its owner's eyes only, and never printed."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP", kafka.bootstrap)
    before = kafka.access.of("matrix.dept.housing")
    printed = hub_topics(site, "rotate", "dept.housing")
    after = kafka.access.of("matrix.dept.housing")
    assert before.secrets is not None
    file = before.secrets / before.user
    assert file.stat().st_mode & 0o777 == 0o600
    assert before.password.reveal() not in printed
    assert after.password.reveal() not in printed
    assert read(after, "matrix.receipts.housing") is None
    assert refusal_of("dept.housing", write(before, "matrix.submissions.housing"))
