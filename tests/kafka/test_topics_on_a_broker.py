"""Topics planned and applied on a real broker, by the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from hub.adapters.kafka.topics import KafkaTopics
from hub.cli import EXIT_REFUSED, hub
from hub.errors import ConfigurationError, UnavailableError
from hub.provisioning.topics import (
    Alter,
    Create,
    SiteNames,
    Topic,
    TopicPlan,
    apply_plan,
    make_plan,
    read_families,
    wanted_topics,
)
from tests.conftest import KafkaPart

pytestmark = pytest.mark.kafka

SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: {partitions}
rulebook: rulebook.yaml
calendar: calendar.json
sealing_key_file: key
departments:
  - id: market
    name_zh: 市场监管局
    files:
      - name: files
        inbox: inbox
        results: results
targets:
  - id: city
    name_zh: 信用网站
    number: 0
    kind: kafka
    public: true
    clearance: [public]
    role: display
    kinds: [licence.granted.v1]
"""


def names(prefix: str) -> SiteNames:
    """A site with one department and one platform."""
    return SiteNames(prefix, 2, ("market",), ("city",), ("city",), ("market.files",))


def write_site(folder: Path, prefix: str, partitions: int = 2) -> Path:
    """Write `site.yaml` and return its folder."""
    folder.mkdir(exist_ok=True)
    text = SITE.format(prefix=prefix, partitions=partitions)
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return folder


def run_topics(kafka: KafkaPart, *arguments: str) -> Result:
    """Run `hub topics …` against the session's broker."""
    return CliRunner().invoke(hub, ["topics", *arguments], env={"KAFKA_BOOTSTRAP": kafka.bootstrap})


def test_applying_makes_the_broker_as_the_files_say(
    kafka: KafkaPart, prefix: str, tmp_path: Path
) -> None:
    """Plan shows what is missing, apply makes it, and then there is no difference."""
    site = str(write_site(tmp_path / "site", prefix))
    planned = json.loads(run_topics(kafka, "plan", "--site", site, "--json").output)
    wanted = wanted_topics(read_families(), names(prefix))
    assert len(planned["creates"]) == len(wanted)
    assert KafkaTopics(kafka.access).read(prefix) == ()

    applied = run_topics(kafka, "apply", "--site", site)
    assert applied.exit_code == 0, applied.output
    actual = KafkaTopics(kafka.access).read(prefix)
    assert {topic.name: topic for topic in actual} == {topic.name: topic for topic in wanted}
    assert "no difference" in run_topics(kafka, "plan", "--site", site).output


def test_a_setting_changed_by_hand_is_shown_and_put_back(kafka: KafkaPart, prefix: str) -> None:
    """Somebody's retention of one day on the ledger is found before it costs a record."""
    admin = KafkaTopics(kafka.access)
    ledger = Topic(f"{prefix}ledger", 2, {"retention.ms": "86400000", "segment.ms": "60000"})
    admin.create([ledger])
    wanted = wanted_topics(read_families(), names(prefix))
    plan = make_plan(prefix, wanted, admin.read(prefix))
    assert Alter(ledger.name, "retention.ms", "86400000", "-1") in plan.alters
    assert Alter(ledger.name, "segment.ms", "60000", None) in plan.alters
    apply_plan(prefix, plan, admin)
    assert make_plan(prefix, wanted, admin.read(prefix)).is_empty


def test_a_changed_partition_count_is_refused_from_either_side(
    kafka: KafkaPart, prefix: str, tmp_path: Path
) -> None:
    """Neither an edited site nor a topic widened on the broker is applied over."""
    site = str(write_site(tmp_path / "site", prefix))
    assert run_topics(kafka, "apply", "--site", site).exit_code == 0
    wider = str(write_site(tmp_path / "wider", prefix, partitions=3))
    refused = run_topics(kafka, "apply", "--site", wider)
    assert refused.exit_code == EXIT_REFUSED
    assert "分区数不可更改" in refused.output
    assert {topic.partitions for topic in KafkaTopics(kafka.access).read(prefix)} == {2}

    admin = AdminClient(kafka.access.as_librdkafka())
    for future in admin.create_partitions([NewPartitions(f"{prefix}ledger", 4)]).values():
        future.result(30)
    refused = run_topics(kafka, "plan", "--site", site)
    assert refused.exit_code == EXIT_REFUSED
    assert "fixed for life" in refused.output


def test_topics_of_others_are_neither_read_nor_changed_nor_deleted(
    kafka: KafkaPart, prefix: str, tmp_path: Path
) -> None:
    """A neighbour's topics, and our own that no file speaks of, stay as they are."""
    neighbour = f"n{prefix}ledger"
    unknown = f"{prefix}experiment"
    admin = AdminClient(kafka.access.as_librdkafka())
    made = admin.create_topics([NewTopic(neighbour, 1, 1), NewTopic(unknown, 1, 1)])
    for future in made.values():
        future.result(30)
    site = str(write_site(tmp_path / "site", prefix))
    applied = run_topics(kafka, "apply", "--site", site)
    assert f"? {unknown}" in applied.output
    assert neighbour not in applied.output
    assert {neighbour, unknown} <= set(admin.list_topics(timeout=10).topics)

    foreign = Topic(neighbour, 1, {"retention.ms": "1"})
    plan = TopicPlan((Create(foreign),), (Alter(neighbour, "retention.ms", None, "1"),), ())
    with pytest.raises(ConfigurationError, match="not this site's"):
        apply_plan(prefix, plan, KafkaTopics(kafka.access))


def test_a_topic_the_broker_refuses_is_reported_with_a_remedy(
    kafka: KafkaPart, prefix: str
) -> None:
    """A failed creation is never taken for done."""
    with pytest.raises(UnavailableError, match="Remedy"):
        KafkaTopics(kafka.access).create([Topic(f"{prefix}bad name", 1, {})])


def test_a_mistyped_topic_name_creates_no_topic(kafka: KafkaPart, prefix: str) -> None:
    """The embedded broker does not create topics on its own."""
    admin = AdminClient(kafka.access.as_librdkafka())
    admin.list_topics(f"{prefix}legder", timeout=10)
    assert f"{prefix}legder" not in admin.list_topics(timeout=10).topics
