"""Topics as code: `topics/*.yaml` says what must be, the broker says what is, a plan is between.

Nothing here deletes a topic, and a partition count never changes: the key's partition, and with it
the place of a company's whole history, depends on it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

from pydantic import ConfigDict, Field, model_validator

from hub.config.repository import TOPICS
from hub.config.site import AGENT_WORKERS, Site
from hub.errors import ConfigurationError
from hub.io.typed_yaml import StrictModel, read_typed

KEPT_FOR_EVER = frozenset({"submissions", "control", "ledger", "outcomes"})
"""Families a decision is replayed from; losing one record of them cannot be repaired."""

_FOREIGN = ("dept.", "target.", "worker.connector.")
"""Principals at departments' and platforms' own machines."""

Text = Annotated[str, Field(min_length=1)]
Principal = Annotated[
    str,
    Field(
        pattern=r"^(operator|auditor|worker\.[a-z]+(\.\{(slot|target|department)\})?|worker\.\{agent\}"
        r"|dept\.\{department\}|target\.\{target\})$"
    ),
]
"""Who may write or read, see `hub.provisioning.rights`.

`{agent}` is a worker that acts for a department of kind `agent`. Braces are the topic's owner,
where it has one of that kind, else all of that kind."""


class TopicConfig(StrictModel):
    """Kafka's own settings of a topic, by Kafka's own names."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=False)

    cleanup_policy: Annotated[Literal["delete", "compact"], Field(alias="cleanup.policy")]
    retention_ms: Annotated[int, Field(alias="retention.ms", ge=-1)]
    max_message_bytes: Annotated[int, Field(alias="max.message.bytes", ge=1024)]
    compression_type: Annotated[Literal["uncompressed"] | None, Field(alias="compression.type")] = (
        None
    )
    """With it the broker unpacks what comes in, and its limit holds for what was packed, too."""

    def as_kafka(self) -> dict[str, str]:
        """Setting name to value, both as the broker writes them; without those left open."""
        settings = self.model_dump(by_alias=True, exclude_none=True)
        return {name: str(value) for name, value in settings.items()}


class TopicFamily(StrictModel):
    """One file of `topics/`: a topic, or one topic for each department, target or connector."""

    name: Annotated[str, Field(pattern=r"^[a-z]+$")]
    for_each: Literal["site", "department", "target", "kafka_target", "connector"]
    purpose_zh: Text
    purpose_en: Text
    owner: Text
    key: Text
    producers: Annotated[tuple[Principal, ...], Field(min_length=1)]
    consumers: Annotated[tuple[Principal, ...], Field(min_length=1)]
    config: TopicConfig

    @model_validator(mode="after")
    def _what_is_replayed_is_kept(self) -> Self:
        kept = self.config.retention_ms == -1 and self.config.cleanup_policy == "delete"
        if self.name in KEPT_FOR_EVER and not kept:
            raise ValueError(
                f"{self.name} 必须永久保留且不压缩 / must be kept for ever: "
                "cleanup.policy delete, retention.ms -1"
            )
        return self

    @model_validator(mode="after")
    def _what_others_write_is_measured(self) -> Self:
        is_foreign = any(who.startswith(_FOREIGN) for who in self.producers)
        if is_foreign and self.config.compression_type is None:
            raise ValueError(
                f"{self.name} 由外部写入，须由 broker 解压后核对大小 / others write there, so the "
                "broker must unpack and measure: compression.type uncompressed"
            )
        return self


@dataclass(frozen=True, slots=True)
class SiteNames:
    """The parts of a site that its topics are named after."""

    prefix: str
    """With its final dot."""
    partitions: int
    departments: tuple[str, ...]
    targets: tuple[str, ...]
    kafka_targets: tuple[str, ...]
    connectors: tuple[str, ...]
    """`<department>.<source>`: the stream's name with a dot for its slash."""
    slots: int = 1
    """Registrar slots."""
    agents: tuple[str, ...] = ()
    """Departments for which the workers of agents act."""
    retired: tuple[str, ...] = ()
    """Departments that write nothing any more."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is, or as it must be: full name, partition count, settings that were set."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Create:
    """A topic that is missing."""

    topic: Topic


@dataclass(frozen=True, slots=True)
class Alter:
    """A setting to change: `now` or `wanted` is None where it is (to be) the broker's default."""

    name: str
    setting: str
    now: str | None
    wanted: str | None


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """The difference. `unknown`: topics with the prefix that no file declares; left alone."""

    creates: tuple[Create, ...]
    alters: tuple[Alter, ...]
    unknown: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to apply."""
        return not self.creates and not self.alters


class TopicAdmin(Protocol):
    """The calls of planning and applying to a broker. There is no way to delete."""

    def read(self, prefix: str) -> tuple[Topic, ...]:
        """Topics whose name begins with `prefix`, with the settings that were set on them."""

    def create(self, topics: Iterable[Topic]) -> None:
        """Create the topics; raises `UnavailableError`."""

    def alter(self, alters: Iterable[Alter]) -> None:
        """Set or unset the settings; raises `UnavailableError`."""


def read_families(folder: Path = TOPICS) -> tuple[TopicFamily, ...]:
    """Read every file of the folder; `ConfigurationError` names file, line and remedy."""
    families: dict[str, TopicFamily] = {}
    for file in sorted(folder.glob("*.yaml")):
        family = read_typed(file, TopicFamily)
        if file.stem != family.name:
            raise ConfigurationError(
                f"文件名应与主题名一致：{family.name}.yaml",
                f"the file must be named after its topic: {family.name}.yaml",
                remedy_zh="改文件名，或改 name",
                remedy_en="rename the file, or change name",
                file=str(file),
            )
        families[family.name] = family
    return tuple(families.values())


def names_of(site: Site) -> SiteNames:
    """Take the names the topics need from a site."""
    return SiteNames(
        prefix=site.prefix,
        partitions=site.partitions,
        departments=tuple(department.id for department in site.departments),
        targets=tuple(target.id for target in site.targets),
        kafka_targets=tuple(target.id for target in site.targets if target.kind == "kafka"),
        connectors=tuple(
            f"{department.id}.{source.name}"
            for department in site.departments
            for source in department.sources
        ),
        slots=len(site.slots) or 1,
        agents=() if site.cases is None else (site.cases.department,),
        retired=tuple(department.id for department in site.departments if department.retired),
    )


def wanted_topics(families: Iterable[TopicFamily], names: SiteNames) -> tuple[Topic, ...]:
    """Every topic of the site, by full name."""
    return tuple(
        Topic(topic, names.partitions, family.config.as_kafka())
        for family in families
        for topic, _owner in topics_of(family, names)
    )


def topics_of(
    family: TopicFamily, names: SiteNames
) -> Iterator[tuple[str, Mapping[str, tuple[str, ...]]]]:
    """The full name of each topic of a family, with what its owner is called in a principal."""
    name = names.prefix + family.name
    match family.for_each:
        case "site":
            yield name, {}
        case "department":
            for one in names.departments:
                agent = AGENT_WORKERS if one in names.agents else ()
                yield f"{name}.{one}", {"department": (one,), "agent": agent}
        case "target" | "kafka_target":
            for one in names.targets if family.for_each == "target" else names.kafka_targets:
                yield f"{name}.{one}", {"target": (one,)}
        case "connector":
            for one in names.connectors:
                yield f"{name}.{one}", {"department": (one.partition(".")[0],)}


def make_plan(prefix: str, wanted: Iterable[Topic], actual: Iterable[Topic]) -> TopicPlan:
    """Compare. Raises `ConfigurationError` for a foreign name or another partition count."""
    existing = {topic.name: topic for topic in actual}
    creates: list[Create] = []
    alters: list[Alter] = []
    known: set[str] = set()
    for topic in wanted:
        refuse_foreign(prefix, topic.name)
        known.add(topic.name)
        found = existing.get(topic.name)
        if found is None:
            creates.append(Create(topic))
            continue
        if found.partitions != topic.partitions:
            raise _partitions_are_fixed(topic, found.partitions)
        settings = sorted({*topic.config, *found.config})
        alters += [
            Alter(topic.name, setting, found.config.get(setting), topic.config.get(setting))
            for setting in settings
            if found.config.get(setting) != topic.config.get(setting)
        ]
    return TopicPlan(tuple(creates), tuple(alters), tuple(sorted(set(existing) - known)))


def apply_plan(prefix: str, plan: TopicPlan, admin: TopicAdmin) -> None:
    """Create and alter as planned; a foreign name in the plan is refused before anything."""
    for create in plan.creates:
        refuse_foreign(prefix, create.topic.name)
    for alter in plan.alters:
        refuse_foreign(prefix, alter.name)
    admin.create(create.topic for create in plan.creates)
    admin.alter(plan.alters)


def refuse_foreign(prefix: str, name: str) -> None:
    """Raise `ConfigurationError` unless the topic's name begins with the site's prefix."""
    if len(prefix) < len("x.") or not prefix.endswith(".") or not name.startswith(prefix):
        raise ConfigurationError(
            f"主题 {name} 不属于本站点（前缀 {prefix!r}）",
            f"topic {name} is not this site's (prefix {prefix!r})",
            remedy_zh="一个站点只管自己前缀下的主题；检查 site.yaml 的 prefix",
            remedy_en="a site touches topics under its own prefix only; check prefix in site.yaml",
        )


def _partitions_are_fixed(topic: Topic, actual: int) -> ConfigurationError:
    return ConfigurationError(
        f"主题 {topic.name} 有 {actual} 个分区，站点要求 {topic.partitions}：分区数不可更改",
        f"topic {topic.name} has {actual} partitions, the site wants {topic.partitions}: "
        "the count is fixed for life",
        remedy_zh=f"把 site.yaml 的 partitions 改回 {actual}，或换一个新的前缀",
        remedy_en=f"set partitions in site.yaml back to {actual}, or take a new prefix",
    )
