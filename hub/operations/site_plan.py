"""Provisions a site on its broker: topics, users, rights, its basis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.adapters.kafka.rights import KafkaRights
from hub.adapters.kafka.topics import KafkaTopics
from hub.adapters.kafka.users import KafkaUsers, ensure_password
from hub.config.repository import TOPICS
from hub.provisioning.rights import (
    RightsPlan,
    make_rights_plan,
    users_of,
    wanted_rights,
    writers_retired,
)
from hub.provisioning.topics import (
    TopicPlan,
    apply_plan,
    make_plan,
    names_of,
    read_families,
    wanted_topics,
)

if TYPE_CHECKING:
    from pathlib import Path

    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import LoadedSite
from hub.operations.control import adopt_basis


@dataclass(frozen=True, slots=True)
class SitePlan:
    """Topics, users and rights of a site that the broker lacks."""

    topics: TopicPlan
    rights: RightsPlan

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to apply."""
        return self.topics.is_empty and self.rights.is_empty


def plan_site(loaded: LoadedSite, access: KafkaAccess, folder: Path = TOPICS) -> SitePlan:
    """Compare the files of `folder` and the site with the broker.

    On a developer's broker without authentication there are no users and no rights.
    """
    families, names = read_families(folder), names_of(loaded.site)
    prefix = names.prefix
    topics = make_plan(prefix, wanted_topics(families, names), KafkaTopics(access).read(prefix))
    if not access.user:
        return SitePlan(topics, RightsPlan((), (), ()))
    users, wanted = users_of(families, names), wanted_rights(families, names)
    known, actual = KafkaUsers(access).known(users), KafkaRights(access).read(prefix)
    return SitePlan(
        topics, make_rights_plan(prefix, users, known, wanted, actual, writers_retired(names))
    )


def apply_site_plan(
    loaded: LoadedSite, access: KafkaAccess, plan: SitePlan, *, revokes: bool = False
) -> None:
    """Make it so; `revokes`: also take back the rights that no topic file declares.

    Rights of retired departments to write are taken back in any case.
    A user that is new gets the password of its file, which is made where it is missing.
    """
    apply_plan(loaded.site.prefix, plan.topics, KafkaTopics(access))
    if access.secrets is None:
        return
    KafkaRights(access).revoke(plan.rights.ended)
    for user in plan.rights.users:
        ensure_password(access.secrets / user)
    KafkaUsers(access).admit(access.of(user) for user in plan.rights.users)
    KafkaRights(access).grant(plan.rights.grants)
    if revokes:
        KafkaRights(access).revoke(plan.rights.unknown)


def prepare_site(loaded: LoadedSite, access: KafkaAccess) -> bool:
    """Create the site's topics, users and rights and adopt its basis; True when it was adopted.

    Safe to repeat: nothing is ever deleted, an unchanged basis is not adopted twice.
    """
    apply_site_plan(loaded, access, plan_site(loaded, access))
    return adopt_basis(loaded, access)
