"""Reading, creating and altering topics with librdkafka's admin client. There is no delete."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourceType,
)

from hub.config.kafka_access import KafkaAccess
from hub.errors import UnavailableError
from hub.provisioning.topics import Alter, Topic

TIMEOUT_SECONDS = 30.0
_Result = TypeVar("_Result")


class KafkaTopics:
    """The topics of one cluster, as `hub.provisioning.topics.TopicAdmin` wants them."""

    def __init__(self, access: KafkaAccess) -> None:
        self._admin = AdminClient(access.as_librdkafka())
        self._access = access

    def read(self, prefix: str) -> tuple[Topic, ...]:
        """Topics under `prefix` with their own settings (broker defaults left out)."""
        try:
            listed = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        except KafkaException as error:
            raise unavailable(self._access, error) from error
        return self._describe(
            {
                name: len(topic.partitions)
                for name, topic in listed.items()
                if name.startswith(prefix)
            }
        )

    def create(self, topics: Iterable[Topic]) -> None:
        """Create topics, replicated as the broker's default says; wait until all exist."""
        new = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=-1,
                config=dict(topic.config),
            )
            for topic in topics
        ]
        if new:
            for future in self._admin.create_topics(
                new, operation_timeout=TIMEOUT_SECONDS
            ).values():
                self._wait(future)

    def alter(self, alters: Iterable[Alter]) -> None:
        """Set each setting, or unset it where the broker's default is wanted; wait until it shows.

        The controller answers before the brokers follow, so an answer alone proves nothing.
        """
        alters = tuple(alters)
        resources: dict[str, ConfigResource] = {}
        for alter in alters:
            resource = resources.setdefault(
                alter.name, ConfigResource(ResourceType.TOPIC, alter.name)
            )
            operation = AlterConfigOpType.DELETE if alter.wanted is None else AlterConfigOpType.SET
            resource.add_incremental_config(
                ConfigEntry(alter.setting, alter.wanted, incremental_operation=operation)
            )
        if resources:
            futures = self._admin.incremental_alter_configs(list(resources.values()))
            for future in futures.values():
                self._wait(future)
            self._wait_until_shown(alters)

    def _describe(self, partitions: Mapping[str, int]) -> tuple[Topic, ...]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in partitions]
        if not resources:
            return ()
        futures = self._admin.describe_configs(resources, request_timeout=TIMEOUT_SECONDS)
        return tuple(
            Topic(resource.name, partitions[resource.name], _own_settings(self._wait(future)))
            for resource, future in futures.items()
        )

    def _wait_until_shown(self, alters: tuple[Alter, ...]) -> None:
        names = {alter.name: 0 for alter in alters}
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            actual = {topic.name: topic.config for topic in self._describe(names)}
            if all(actual[alter.name].get(alter.setting) == alter.wanted for alter in alters):
                return
            time.sleep(0.05)
        raise unavailable(self._access, TimeoutError("changed settings do not show"))

    def _wait(self, future: Future[_Result]) -> _Result:
        try:
            return future.result(TIMEOUT_SECONDS)
        except (KafkaException, TimeoutError) as error:
            raise unavailable(self._access, error) from error


def unavailable(access: KafkaAccess, error: Exception) -> UnavailableError:
    """Describe a failed administrative request for people."""
    return UnavailableError(
        f"Kafka（{access.bootstrap}）未完成操作：{error}\n"
        f"Kafka ({access.bootstrap}) did not do it: {error}\n"
        "处理办法：检查 Kafka 是否运行（hub dev status）与 KAFKA_BOOTSTRAP，然后重试\n"
        "Remedy: does Kafka run (hub dev status), is KAFKA_BOOTSTRAP right? Then try again"
    )


def _own_settings(entries: Mapping[str, ConfigEntry]) -> dict[str, str]:
    return {
        name: entry.value or ""
        for name, entry in entries.items()
        if ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG
    }
