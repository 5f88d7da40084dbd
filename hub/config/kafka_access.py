"""How a process reaches Kafka: where it is, and as whom.

Each worker, department and target is a *principal* with a user of its own; a site's users begin
with its prefix, as its topics do (`demo.worker.registrar.0`). A password is a file named after the
user in one folder, so that a process can be given its own file and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hub.io.secret import NO_SECRET, Secret, read_secret

if TYPE_CHECKING:
    from pathlib import Path

OPERATOR: Final = "operator"
"""Who makes topics, users and rights; the only user that belongs to no site."""
MECHANISM: Final = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """One principal's way to one cluster; no user, no authentication (a developer's broker)."""

    bootstrap: str
    """`host:port`, several with commas."""
    user: str = ""
    password: Secret = NO_SECRET
    ca_file: Path | None = None
    """Authorities of the brokers' certificates; None means no TLS."""
    mechanism: str = MECHANISM
    secrets: Path | None = None
    """The folder of password files; on the operator's machine it holds everybody's."""

    @property
    def protocol(self) -> str:
        """Kafka's name for the combination of TLS and authentication."""
        transport = "PLAINTEXT" if self.ca_file is None else "SSL"
        return f"SASL_{transport}" if self.user else transport

    def of(self, user: str) -> KafkaAccess:
        """The way of another user of the same cluster, by its file in the same folder."""
        return access_from_files(self.bootstrap, user, self.secrets, self.ca_file)

    def as_librdkafka(self) -> dict[str, str | int | float | bool]:
        """Settings of a client of confluent-kafka."""
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.protocol,
        }
        if self.user:
            settings |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.user,
                "sasl.password": self.password.reveal(),
            }
        if self.ca_file is not None:
            settings["ssl.ca.location"] = str(self.ca_file)
        return settings


def access_from_files(
    bootstrap: str, user: str, secrets: Path | None, ca_file: Path | None = None
) -> KafkaAccess:
    """The access of one user whose password is `secrets/<user>`; without a folder, anonymous.

    Raises `ConfigurationError` when the file is missing, empty or unreadable.
    """
    if secrets is None:
        return KafkaAccess(bootstrap, ca_file=ca_file)
    password = read_secret(
        secrets / user,
        remedy_zh=f"由运维为用户 {user} 创建：hub topics apply；再把该文件交给这台机器",
        remedy_en=f"the operator makes user {user} with hub topics apply, then gives this machine "
        "the file",
    )
    return KafkaAccess(bootstrap, user, password, ca_file, secrets=secrets)
