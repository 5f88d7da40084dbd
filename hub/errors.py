"""The hub's exceptions: few, and each says whose fault it is.

Expected outcomes (quarantined, duplicate, retry later) are values, never exceptions.

    HubError
    ├── ConfigurationError   the operator's fault: a file, a setting, a pinned hash; refuse to start
    ├── SourceError          a department's file or database cannot be read on, or was reset
    └── StoppedError         we stopped on purpose before harm: nothing was committed
        ├── FencedError      a newer owner took the slot; this process ends
        ├── IntegrityError   what was stored is not what was written: chain, order, fingerprint
        └── UnavailableError a part we need (Kafka, PostgreSQL, a disk) does not answer; start again
"""

from dataclasses import dataclass
from typing import Final


class HubError(Exception):
    """Root of every exception the hub raises on purpose; `str` is the message for people."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a person must put right: where it is, what is wrong, what to do; zh first."""

    zh: str
    en: str
    remedy_zh: str = ""
    remedy_en: str = ""
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """Several lines: place, Chinese, English, then the remedy in both."""
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        lines = [f"{place}: {self.zh}" if place else self.zh, self.en]
        if self.remedy_zh or self.remedy_en:
            lines.append(f"处理办法：{self.remedy_zh}")
            lines.append(f"Remedy: {self.remedy_en}")
        return "\n".join(lines)


class ConfigurationError(HubError):
    """Wrong or missing configuration: names file, line and remedy; the process does not start."""

    def __init__(
        self,
        zh: str,
        en: str,
        *,
        remedy_zh: str = "",
        remedy_en: str = "",
        file: str = "",
        line: int | None = None,
    ) -> None:
        self.problem = Problem(zh, en, remedy_zh, remedy_en, file, line)
        super().__init__(str(self.problem))

    @property
    def file(self) -> str:
        """The file at fault, or an empty string."""
        return self.problem.file

    @property
    def line(self) -> int | None:
        """The line at fault, counted from 1, or None when the whole file is meant."""
        return self.problem.line


LOCK_OF_EXTRA: Final = {
    "agents": "requirements-image.txt", "mysql": "requirements-image.txt",
    "embedded": "requirements-dev.txt",
}  # fmt: skip
"""Extra of pyproject.toml → the lock that has it."""


def missing_extra(package: str, extra: str) -> ConfigurationError:
    """What to raise where a package is not installed that one of the extras brings."""
    install = f"pip install --require-hashes -r {LOCK_OF_EXTRA[extra]}"
    return ConfigurationError(
        f"缺少 Python 包 {package}：没有安装附加依赖 {extra}",
        f"the Python package {package} is missing: the extra {extra} is not installed",
        remedy_zh=install,
        remedy_en=install,
    )


class SourceError(HubError):
    """A source cannot be read on: unreadable, or reset behind the connector's back."""


class StoppedError(HubError):
    """We stopped on purpose, before harm; what was committed is what the ledger says."""


class FencedError(StoppedError):
    """Another process owns the slot now (same transactional id); this one ends."""


class IntegrityError(StoppedError):
    """Stored bytes are not what was written: a broken chain, order or fingerprint."""


class UnavailableError(StoppedError):
    """A part outside (Kafka, PostgreSQL, a disk, a port) does not answer; safe to start again."""


def message_for_people(error: HubError) -> str:
    """Return the message for people: a broker's own text gets a Chinese one and a remedy."""
    said = str(error)
    if any("\u4e00" <= char <= "\u9fff" for char in said):
        return said
    return (
        f"Kafka 未完成操作：{said}\nKafka operation failed: {said}\n"
        "处理办法：检查 Kafka 是否运行（hub dev status）与 KAFKA_BOOTSTRAP，然后重试\n"
        "Remedy: does Kafka run (hub dev status), is KAFKA_BOOTSTRAP right? Then try again"
    )


def remedy_in(message: str) -> tuple[str, str]:
    """Return the remedy in a message of ours, Chinese and English; empty where it has none."""
    zh = en = ""
    for line in message.split("\n"):
        first, _, second = line.partition(" / Remedy: ")
        if first.startswith("处理办法："):
            zh, en = first.removeprefix("处理办法："), second or en
        elif first.startswith("Remedy: "):
            en = line.removeprefix("Remedy: ")
    return zh, en
