"""Rights as code: `topics/*.yaml` names who writes and who reads, the broker enforces it.

A principal is a worker, a department, a target's platform or the auditor of one site. What it may
do follows from the files alone: write or read the topics that name it, and use transactional ids
and consumer groups of its own name. Everything else is refused by the broker, and so is everything
for everybody else; the operator is the broker's super user and needs no right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from hub.config.kafka_access import OPERATOR
from hub.config.site import AGENT_WORKERS
from hub.provisioning.topics import refuse_foreign, topics_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from hub.provisioning.topics import SiteNames, TopicFamily

Operation = Literal["read", "write"]
Resource = Literal["topic", "group", "transactional_id"]
_WORKER = "worker."


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One access control entry of the cluster: a user may do something to a resource."""

    user: str
    operation: str
    """`read` or `write` where the hub grants it; the cluster may hold others."""
    resource: str
    """`topic`, `group` or `transactional_id` where the hub grants it."""
    name: str
    is_prefix: bool = False
    """Whether `name` is the beginning of the names meant."""
    is_denial: bool = False
    """The hub grants, and never denies: anything not granted is refused."""
    host: str = "*"
    """From where; the hub does not restrict it."""


@dataclass(frozen=True, slots=True)
class RightsPlan:
    """The difference. `unknown`: rights on the site's resources that no topic file declares.

    `wide` ones reach into the site without naming it (everybody, `*`, the beginning of its
    prefix). They may belong to others on the same cluster: shown, never taken back from here.
    """

    users: tuple[str, ...]
    """Users without a password on the cluster."""
    grants: tuple[Right, ...]
    unknown: tuple[Right, ...]
    wide: tuple[Right, ...] = ()
    ended: tuple[Right, ...] = ()
    """Rights of retired departments to write: taken back whenever the plan is applied."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to apply."""
        return not self.users and not self.grants and not self.ended


class RightsAdmin(Protocol):
    """The calls of planning and applying to a broker."""

    def read(self, prefix: str) -> frozenset[Right]:
        """Rights of users and on resources whose name begins with `prefix`, and `reaches` ones."""

    def grant(self, rights: Collection[Right]) -> None:
        """Grant; raises `UnavailableError`."""

    def revoke(self, rights: Collection[Right]) -> None:
        """Take back exactly these; raises `UnavailableError`."""


def users_of(families: Iterable[TopicFamily], names: SiteNames) -> tuple[str, ...]:
    """Every user of the site: who may write or read some topic."""
    return tuple(sorted({right.user for right in _rights_on_topics(families, names)}))


def wanted_rights(families: Iterable[TopicFamily], names: SiteNames) -> frozenset[Right]:
    """Every right of the site."""
    families = tuple(families)
    return frozenset((*_rights_on_topics(families, names), *_own_names(families, names)))


def make_rights_plan(
    prefix: str,
    users: Iterable[str],
    known_users: Collection[str],
    wanted: Collection[Right],
    actual: Collection[Right],
    ended_writers: Collection[str] = (),
) -> RightsPlan:
    """Compare; rights of other sites are in neither."""
    for right in wanted:
        refuse_foreign(prefix, right.name)
    strange = sorted(set(actual) - set(wanted))
    ended = [
        right for right in strange
        if right.user in ended_writers and right.operation == "write" and not right.is_denial
    ]  # fmt: skip
    strange = [right for right in strange if right not in ended]
    named = [right for right in strange if right.user.startswith(prefix) or _names(right, prefix)]
    return RightsPlan(
        tuple(user for user in users if user not in known_users),
        tuple(sorted(set(wanted) - set(actual))),
        tuple(named),
        tuple(right for right in strange if right not in named),
        tuple(ended),
    )


def writers_retired(names: SiteNames) -> frozenset[str]:
    """Users of the departments that write nothing any more: their own, and their connectors'."""
    return frozenset(
        names.prefix + principal
        for one in names.retired
        for principal in (f"dept.{one}", f"{_WORKER}connector.{one}")
    )


def reaches(right: Right, prefix: str) -> bool:
    """Whether a right gives something of a site without naming it: by `*` or a shorter prefix."""
    if right.is_denial:
        return False
    return right.name == "*" or (right.is_prefix and prefix.startswith(right.name))


def _names(right: Right, prefix: str) -> bool:
    return right.name.startswith(prefix)


def _rights_on_topics(families: Iterable[TopicFamily], names: SiteNames) -> Iterator[Right]:
    retired = writers_retired(names)
    for family in families:
        for topic, owner in topics_of(family, names):
            bound = {**_everybody(names), **owner}
            operation: Operation
            for patterns, operation in ((family.producers, "write"), (family.consumers, "read")):
                for pattern in patterns:
                    for principal in _expanded(pattern, bound):
                        user = names.prefix + principal
                        if principal != OPERATOR and not (operation == "write" and user in retired):
                            yield Right(user, operation, "topic", topic)


def _own_names(families: Iterable[TopicFamily], names: SiteNames) -> Iterator[Right]:
    """A principal's own transactional ids and groups: its name, or more after a dot."""
    retired = writers_retired(names)
    for user in users_of(families, names):
        own = names.prefix + user.removeprefix(names.prefix).removeprefix(_WORKER)
        for operation, resource in (("write", "transactional_id"), ("read", "group")):
            if operation == "write" and user in retired:
                continue
            yield Right(user, operation, resource, own)
            yield Right(user, operation, resource, f"{own}.", is_prefix=True)


def _everybody(names: SiteNames) -> Mapping[str, tuple[str, ...]]:
    return {
        "department": names.departments,
        "target": names.targets,
        "slot": tuple(str(slot) for slot in range(names.slots)),
        "agent": AGENT_WORKERS,
    }


def _expanded(pattern: str, values: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """A pattern with every value in its braces; a name without braces is itself."""
    head, brace, rest = pattern.partition("{")
    if not brace:
        return (pattern,)
    return tuple(head + value for value in values[rest.removesuffix("}")])
