"""Topics as code: what a file must say, what a plan shows, what is refused."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import ConfigurationError
from hub.provisioning.topics import (
    KEPT_FOR_EVER,
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

NAMES = SiteNames(
    prefix="demo.",
    partitions=4,
    departments=("market", "transport"),
    targets=("province", "city"),
    kafka_targets=("city",),
    connectors=("market.files",),
)
WANTED = wanted_topics(read_families(), NAMES)
SUBMISSIONS = """\
name: submissions
for_each: department
purpose_zh: 报送
purpose_en: what was sent
owner: the department
key: credit code
producers: ["dept.{department}"]
consumers: ["worker.registrar.{slot}"]
config:
  cleanup.policy: delete
  retention.ms: -1
  max.message.bytes: 1048576
  compression.type: uncompressed
"""


class Broker:
    """Remembers topics; answers as `TopicAdmin`."""

    def __init__(self, *topics: Topic) -> None:
        self.topics = {topic.name: topic for topic in topics}
        self.calls = 0

    def read(self, prefix: str) -> tuple[Topic, ...]:
        """Topics under the prefix."""
        return tuple(topic for name, topic in self.topics.items() if name.startswith(prefix))

    def create(self, topics: Iterable[Topic]) -> None:
        """Remember them."""
        for topic in topics:
            self.calls += 1
            self.topics[topic.name] = topic

    def alter(self, alters: Iterable[Alter]) -> None:
        """Change or drop the setting."""
        for alter in alters:
            self.calls += 1
            topic = self.topics[alter.name]
            config = {k: v for k, v in topic.config.items() if k != alter.setting}
            if alter.wanted is not None:
                config[alter.setting] = alter.wanted
            self.topics[alter.name] = replace(topic, config=config)


def write(folder: Path, text: str, name: str = "submissions.yaml") -> Path:
    """Write one topic file and return its path."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_every_topic_of_a_site_is_named_after_its_owner() -> None:
    """The names departments, platforms and operators use are exactly these."""
    assert {topic.name for topic in WANTED} == {
        "demo.control",
        "demo.ledger",
        "demo.notices",
        "demo.submissions.market",
        "demo.submissions.transport",
        "demo.receipts.market",
        "demo.receipts.transport",
        "demo.outcomes.province",
        "demo.outcomes.city",
        "demo.attempts.province",
        "demo.attempts.city",
        "demo.delivery.city",
        "demo.answers.city",
        "demo.cursors.market.files",
    }


def test_every_topic_of_a_site_has_the_ledgers_partition_count() -> None:
    """Co-partitioning is what lets one process own a company's whole history."""
    assert {topic.partitions for topic in WANTED} == {NAMES.partitions}


def test_every_topic_file_says_purpose_owner_key_producers_and_consumers() -> None:
    """A topic nobody owns is a topic nobody may change or read."""
    for family in read_families():
        assert family.purpose_zh
        assert family.purpose_en
        assert family.owner
        assert family.key
        assert family.producers
        assert family.consumers


def test_what_decisions_are_replayed_from_is_kept_for_ever_and_never_compacted() -> None:
    """Compaction keeps the last record of a key, and a key is a company with many records."""
    kept = {
        family.name: family.config
        for family in read_families()
        if family.name in {"submissions", "ledger", "outcomes", "control"}
    }
    assert set(kept) == KEPT_FOR_EVER
    assert all(c.retention_ms == -1 and c.cleanup_policy == "delete" for c in kept.values())


def test_a_ledger_record_may_be_64_kib_larger_than_a_submission() -> None:
    """A record carries its cause whole, so a submission at the limit must still fit."""
    limits = {family.name: family.config.max_message_bytes for family in read_families()}
    assert limits["ledger"] == limits["submissions"] + 64 * 1024
    assert limits["submissions"] == 1024 * 1024


@pytest.mark.parametrize("setting", ["retention.ms: 86400000", "cleanup.policy: compact"])
def test_a_file_that_would_forget_submissions_is_refused(tmp_path: Path, setting: str) -> None:
    """Neither time nor compaction may take a submission away."""
    key = setting.split(":", maxsplit=1)[0]
    lines = [f"  {setting}" if key in line else line for line in SUBMISSIONS.splitlines()]
    write(tmp_path, "\n".join(lines))
    with pytest.raises(ConfigurationError, match="kept for ever"):
        read_families(tmp_path)


def test_a_typo_in_a_topic_file_names_the_file_the_line_and_a_remedy(tmp_path: Path) -> None:
    """`retention.mss` is on line 11; an operator must not have to search for it."""
    file = write(tmp_path, SUBMISSIONS.replace("retention.ms:", "retention.mss:"))
    with pytest.raises(ConfigurationError) as refused:
        read_families(tmp_path)
    problem = refused.value.problem
    assert problem.file == str(file)
    assert problem.line == 11
    assert "retention.mss" in problem.zh
    assert problem.remedy_zh
    assert problem.remedy_en


def test_a_topic_file_named_after_another_topic_is_refused(tmp_path: Path) -> None:
    """One grep for a topic's name must find its file."""
    write(tmp_path, SUBMISSIONS, "ledger.yaml")
    with pytest.raises(ConfigurationError, match="named after its topic"):
        read_families(tmp_path)


def test_a_plan_against_an_empty_broker_creates_everything() -> None:
    """The first apply of a site needs no other tool."""
    plan = make_plan("demo.", WANTED, ())
    assert plan.creates == tuple(Create(topic) for topic in WANTED)
    assert plan.alters == ()


@given(st.lists(st.sampled_from(WANTED), unique_by=lambda topic: topic.name), st.data())
def test_a_plan_applied_to_any_broker_leaves_no_difference(
    present: list[Topic], data: st.DataObject
) -> None:
    """Whatever exists, with whatever settings, one apply makes the broker as the files say."""
    settings = st.dictionaries(
        st.sampled_from(["retention.ms", "cleanup.policy", "segment.ms"]), st.just("1")
    )
    broker = Broker(*(replace(topic, config=data.draw(settings)) for topic in present))
    apply_plan("demo.", make_plan("demo.", WANTED, broker.read("demo.")), broker)
    assert make_plan("demo.", WANTED, broker.read("demo.")).is_empty


def test_a_topic_without_a_file_is_shown_and_left_alone() -> None:
    """Nothing is ever deleted: an unknown topic may hold what somebody needs."""
    stranger = Topic("demo.strangers", 1, {})
    broker = Broker(*WANTED, stranger)
    plan = make_plan("demo.", WANTED, broker.read("demo."))
    apply_plan("demo.", plan, broker)
    assert plan.unknown == ("demo.strangers",)
    assert broker.topics["demo.strangers"] == stranger
    assert broker.calls == 0


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_another_partition_count_is_refused_whether_larger_or_smaller(count: int) -> None:
    """More partitions would send a company's next record away from its history."""
    actual = (replace(WANTED[0], partitions=count),)
    with pytest.raises(ConfigurationError, match="fixed for life"):
        make_plan("demo.", WANTED, actual)


@pytest.mark.parametrize("name", ["other.ledger", "demo", "ledger", "demonstration.ledger"])
def test_a_name_outside_the_prefix_is_refused_by_plan_and_by_apply(name: str) -> None:
    """Two sites share a cluster; neither may touch the other's topics."""
    foreign = replace(WANTED[0], name=name)
    broker = Broker()
    with pytest.raises(ConfigurationError, match="not this site's"):
        make_plan("demo.", (*WANTED, foreign), ())
    for plan in (
        TopicPlan((Create(WANTED[1]), Create(foreign)), (), ()),
        TopicPlan((Create(WANTED[1]),), (Alter(name, "retention.ms", None, "1"),), ()),
    ):
        with pytest.raises(ConfigurationError, match="not this site's"):
            apply_plan("demo.", plan, broker)
    assert broker.calls == 0


@pytest.mark.parametrize("prefix", ["", ".", "demo"])
def test_a_prefix_that_would_cover_other_sites_is_refused(prefix: str) -> None:
    """An empty prefix would own every topic of the cluster."""
    with pytest.raises(ConfigurationError):
        make_plan(prefix, WANTED, ())
