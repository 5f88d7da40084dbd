"""Kafka and PostgreSQL as they answer: brokers, replicas, clocks, what waits and how long.

Lag is the age of the oldest input that waits, not a count of offsets: ten records that wait since
yesterday are worse than ten thousand of this second.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.kafka.copy import read_place
from hub.adapters.postgres.tables import UNANSWERED
from hub.doctor.symptom import Level, Symptom, judged, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.adapters.postgres.lookups import LookUps
    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import Site

_SECONDS: Final = 10.0
_OLDEST_POSTGRES: Final = 150_000
_CLOCK_WARNING, _CLOCK_FAULT = 2.0, 30.0
_WAIT_WARNING, _WAIT_FAULT = 60.0, 900.0
_DELIVERY_WARNING, _DELIVERY_FAULT = 3_600.0, 86_400.0
_READ_TO: LiteralString = """
SELECT cause_topic AS topic, partition, max(cause_offset) AS last FROM entries
WHERE cause_kind IN ('submission', 'control', 'outcome') GROUP BY cause_topic, partition
"""
_OLDEST_DELIVERY: LiteralString = """
SELECT s.target, count(*) AS waiting, min(g.at) AS since FROM standings s
JOIN stages g ON g.record_key = s.record_key AND g.target = s.target AND g.version = s.version
 AND g.action = s.action AND g.stage = 'named'
WHERE s.stage IN ('named', 'sent') GROUP BY s.target ORDER BY s.target
"""


class _ReadTo(NamedTuple):
    topic: str
    partition: int
    last: int


class _Waiting(NamedTuple):
    target: int
    waiting: int
    since: int


def brokers(access: KafkaAccess, prefix: str) -> Iterator[Symptom]:
    """Whether the cluster answers, and each partition of the site has a leader and its replicas."""
    try:
        listed = AdminClient(access.as_librdkafka()).list_topics(timeout=_SECONDS)
    except KafkaException as error:
        yield Symptom(
            "kafka", Level.FAULT, "KAFKA_AWAY", f"Kafka（{access.bootstrap}）无应答",
            f"Kafka ({access.bootstrap}) does not answer: {error}",
            "检查 broker 与 KAFKA_BOOTSTRAP", "look at the brokers and KAFKA_BOOTSTRAP",
        )  # fmt: skip
        return
    yield ok(
        "kafka",
        f"{len(listed.brokers)} 个 broker，用户 {access.user or '无'}",
        f"{len(listed.brokers)} brokers, as {access.user or 'nobody'}",
    )
    for name, topic in sorted(listed.topics.items()):
        if not name.startswith(prefix):
            continue
        for number, partition in topic.partitions.items():
            if partition.leader < 0 or len(partition.isrs) < len(partition.replicas):
                level = Level.FAULT if partition.leader < 0 else Level.WARNING
                yield Symptom(
                    "kafka", level, "REPLICAS_MISSING",
                    f"{name} 分区 {number}："
                    f"{len(partition.isrs)}/{len(partition.replicas)} 副本同步",
                    f"{name}[{number}]: {len(partition.isrs)} of {len(partition.replicas)} in sync",
                    "检查各 broker", "look at the brokers",
                )  # fmt: skip


def database(dsn: str) -> Iterator[Symptom]:
    """Version and clock of the database; its clock tells when this machine's is wrong."""
    try:
        with psycopg.connect(dsn, connect_timeout=int(_SECONDS), autocommit=True) as session:
            version = session.info.server_version
            before = time.time()
            row = session.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
            after = time.time()
    except UNANSWERED as error:
        yield Symptom(
            "postgres", Level.FAULT, "POSTGRES_AWAY", "PostgreSQL 无应答",
            f"PostgreSQL does not answer ({type(error).__name__})",
            "检查服务与 HUB_POSTGRES_DSN", "look at the server and HUB_POSTGRES_DSN",
        )  # fmt: skip
        return
    words = (f"PostgreSQL {version // 10_000}", f"PostgreSQL {version // 10_000}")
    remedy = ("升级到 15 或更高", "upgrade to 15 or later")
    yield judged(
        "postgres", -version, -_OLDEST_POSTGRES + 1, -_OLDEST_POSTGRES + 1, "POSTGRES_OLD", words,
        remedy,
    )  # fmt: skip
    apart = abs(float(row[0]) - (before + after) / 2) if row else 0.0
    yield judged(
        "clocks", apart, _CLOCK_WARNING, _CLOCK_FAULT, "CLOCKS_APART",
        (f"本机与数据库的时钟相差 {apart:.1f} 秒",
         f"this machine's clock and the database's are {apart:.1f} s apart"),
        ("校准时间同步：期限按时钟计算", "synchronise them: deadlines are reckoned by the clock"),
    )  # fmt: skip


def waiting(access: KafkaAccess | None, site: Site, tables: LookUps) -> Iterator[Symptom]:
    """The oldest input the registrar has not decided, the projector's lag, the oldest delivery.

    Without a way to Kafka (`access` None) nothing is said of inputs.
    """
    beat = tables.heartbeat()
    real_now = time.time_ns() // 1_000_000
    silent = (real_now - beat.seen_at) / 1000 if beat is not None else float("inf")
    behind = beat.lag_seconds if beat is not None else 0.0
    yield judged(
        "lag", max(silent, behind), _WAIT_WARNING, _WAIT_FAULT, "LOOK_UPS_BEHIND",
        (f"查询库落后 {behind:.0f} 秒，{silent:.0f} 秒前有更新",
         f"look-ups are {behind:.0f} s behind, written {silent:.0f} s ago")
        if beat is not None
        else ("查询库从未有投影进程写入", "no projector has written to the look-ups yet"),
        ("检查投影进程；以下数字以其为准", "look at the projector; what follows is as it saw it"),
    )  # fmt: skip
    if access is not None:
        age, topic = _oldest_input(access, site, tables, real_now)
        said = f"（{topic}）" if topic else ""
        yield judged(
            "lag", age, _WAIT_WARNING, _WAIT_FAULT, "INPUT_WAITS",
            (f"登记进程最早的未决输入已等待 {age:.0f} 秒{said}",
             f"the oldest input not decided waits for {age:.0f} s {topic}"),
            ("检查登记进程", "look at the registrar"),
        )  # fmt: skip
    now, names = tables.now(), tables.target_names()
    for row in tables.fetch(_Waiting, _OLDEST_DELIVERY):
        seconds = max(0.0, (now - row.since) / 1000)
        target = names.get(row.target, str(row.target))
        yield judged(
            "lag", seconds, _DELIVERY_WARNING, _DELIVERY_FAULT, "DELIVERY_WAITS",
            (f"{target} 有 {row.waiting} 件待接收，最早的已等 {seconds / 3600:.1f} 小时",
             f"{target}: {row.waiting} not taken over, the oldest for {seconds / 3600:.1f} h"),
            ("检查该目标的投递进程与平台：hub due", "look at its courier and platform: hub due"),
        )  # fmt: skip


def _oldest_input(
    access: KafkaAccess, site: Site, tables: LookUps, real_now: int
) -> tuple[float, str]:
    """Age in seconds of the oldest record that no ledger record refers to, and its topic."""
    last = {(row.topic, row.partition): row.last for row in tables.fetch(_ReadTo, _READ_TO)}
    inputs = KafkaInputs(access, "hub.doctor")
    try:
        places = [(topic, p) for topic in site.input_topics for p in range(site.partitions)]
        bounds = inputs.bounds(places)
    finally:
        inputs.close()
    oldest, where = 0.0, ""
    for place, (start, end) in bounds.items():
        position = max(start, last.get(place, -1) + 1)
        if position >= end:
            continue
        # The first batch there is; markers and whole transactions thrown away may lie before it.
        for record in next(read_place(access, place, position, end), []):
            age = (real_now - (record.timestamp or real_now)) / 1000
            if age > oldest:
                oldest, where = age, place[0]
    return oldest, where
