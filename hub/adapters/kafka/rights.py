"""Access control entries of a cluster, through librdkafka's admin client."""

from collections.abc import Collection
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from hub.adapters.kafka.topics import TIMEOUT_SECONDS, unavailable
from hub.config.kafka_access import KafkaAccess
from hub.provisioning.rights import Right, reaches

_Result = TypeVar("_Result")
_USER = "User:"
# librdkafka takes None for "any"; its annotations do not say so.
_ANYTHING = AclBindingFilter(
    ResourceType.ANY,
    None,  # type: ignore[arg-type]
    ResourcePatternType.ANY,
    None,  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    AclOperation.ANY,
    AclPermissionType.ANY,
)


class KafkaRights:
    """The rights of one cluster, as `hub.provisioning.rights.RightsAdmin` wants them."""

    def __init__(self, access: KafkaAccess) -> None:
        self._access = access
        self._admin = AdminClient(access.as_librdkafka())

    def read(self, prefix: str) -> frozenset[Right]:
        """Rights of users, or on resources, whose name begins with `prefix`, or that reach it."""
        found = [_right_of(one) for one in self._wait(self._admin.describe_acls(_ANYTHING))]
        return frozenset(
            one
            for one in found
            if one.user.startswith(prefix) or one.name.startswith(prefix) or reaches(one, prefix)
        )

    def grant(self, rights: Collection[Right]) -> None:
        """Grant; the broker that answered enforces it from then on."""
        if rights:
            wanted = [AclBinding(*_parts_of(right)) for right in rights]
            for future in self._admin.create_acls(wanted).values():
                self._wait(future)

    def revoke(self, rights: Collection[Right]) -> None:
        """Take back exactly these."""
        if rights:
            unwanted = [AclBindingFilter(*_parts_of(right)) for right in rights]
            for future in self._admin.delete_acls(unwanted).values():
                self._wait(future)

    def _wait(self, future: Future[_Result]) -> _Result:
        try:
            return future.result(TIMEOUT_SECONDS)
        except (KafkaException, TimeoutError) as error:
            raise unavailable(self._access, error) from error


def _right_of(entry: AclBinding) -> Right:
    return Right(
        user=str(entry.principal).removeprefix(_USER),
        operation=AclOperation(entry.operation).name.lower(),
        resource=ResourceType(entry.restype).name.lower(),
        name=str(entry.name),
        is_prefix=ResourcePatternType(entry.resource_pattern_type) is ResourcePatternType.PREFIXED,
        is_denial=AclPermissionType(entry.permission_type) is AclPermissionType.DENY,
        host=str(entry.host),
    )


def _parts_of(
    right: Right,
) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
    return (
        ResourceType[right.resource.upper()],
        right.name,
        ResourcePatternType.PREFIXED if right.is_prefix else ResourcePatternType.LITERAL,
        right.user if ":" in right.user else _USER + right.user,
        right.host,
        AclOperation[right.operation.upper()],
        AclPermissionType.DENY if right.is_denial else AclPermissionType.ALLOW,
    )
