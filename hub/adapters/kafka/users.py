"""Users of a Kafka cluster (SCRAM) and the files their passwords are kept in."""

import os
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from hub.adapters.kafka.topics import TIMEOUT_SECONDS, unavailable
from hub.config.kafka_access import KafkaAccess
from hub.errors import ConfigurationError
from hub.io.secret import Secret

_SCRAM = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
_PASSWORD_BYTES = 24


class KafkaUsers:
    """Who can prove to the cluster who they are. There is no way to delete."""

    def __init__(self, access: KafkaAccess) -> None:
        self._access = access
        self._admin = AdminClient(access.as_librdkafka())

    def known(self, users: Sequence[str]) -> frozenset[str]:
        """Those of `users` that have a password on the cluster. Raises `UnavailableError`."""
        futures = self._admin.describe_user_scram_credentials(list(users))
        if not isinstance(futures, dict):
            raise TypeError  # it is a single one only where everybody is asked for
        found = set()
        for user, future in futures.items():
            try:
                future.result(TIMEOUT_SECONDS)
            except KafkaException as error:
                if error.args[0].name() != "RESOURCE_NOT_FOUND":
                    raise unavailable(self._access, error) from error
            else:
                found.add(user)
        return frozenset(found)

    def admit(self, accesses: Iterable[KafkaAccess]) -> None:
        """Give each user its password, in place of an earlier one; wait until it is in force."""
        made: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(
                one.user, _SCRAM, one.password.reveal().encode(), secrets.token_bytes(16)
            )
            for one in accesses
        ]
        if not made:
            return
        for future in self._admin.alter_user_scram_credentials(made).values():
            try:
                future.result(TIMEOUT_SECONDS)
            except KafkaException as error:
                raise unavailable(self._access, error) from error
        names = [one.user for one in made]
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while len(self.known(names)) < len(names):
            if time.monotonic() > deadline:
                raise unavailable(self._access, TimeoutError("new users do not show"))
            time.sleep(0.02)

    def rotate(self, access: KafkaAccess) -> None:
        """Give a user a new password and write it to its file; connections it has stay open.

        The cluster first: ended in between, the file is wrong, and a repetition mends it.
        """
        if access.secrets is None:
            raise AssertionError(access.user)
        file = access.secrets / access.user
        fresh = file.with_name(f".{file.name}.new")
        fresh.unlink(missing_ok=True)
        ensure_password(fresh)
        self.admit([replace(access, password=Secret(fresh.read_text(encoding="ascii").strip()))])
        fresh.replace(file)


def ensure_password(file: Path) -> None:
    """Write a new password for its owner's eyes only, unless there is one.

    Raises `ConfigurationError` where nothing can be written, as in a mounted Secret.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as text:
                text.write(secrets.token_urlsafe(_PASSWORD_BYTES) + "\n")
    except OSError as error:
        raise ConfigurationError(
            "口令文件不能创建",
            f"the password file cannot be made: {error.strerror}",
            remedy_zh="检查目录权限；在 Kubernetes 上用户由 Strimzi 建立：等它建好后重试",
            remedy_en="check the folder's permissions; on Kubernetes Strimzi makes the users: try "
            "again when it has",
            file=str(file),
        ) from error
