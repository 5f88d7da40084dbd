"""Apache Kafka's jars: fetched once by jgo (pure Python, no Maven), each checked at every use.

`kafka_jars.txt` pins every file by SHA-256. A file with another hash is refused, never run:
the store is a cache on disk and the source is a mirror, and neither is trusted.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hub.errors import ConfigurationError, UnavailableError, missing_extra

KAFKA_JARS = Path(__file__).with_name("kafka_jars.txt")
_DOWNLOADS_AT_ONCE = 8
_DOWNLOAD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PinnedJar:
    """One jar: Maven coordinates and the SHA-256 (hex) its bytes must have."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        """Name in the store."""
        return f"{self.artifact}-{self.version}.jar"


def read_pins(file: Path = KAFKA_JARS) -> tuple[PinnedJar, ...]:
    """Read `sha256 group:artifact:version` lines; `#` begins a comment."""
    pins = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            sha256, coordinates = line.split()
            pins.append(PinnedJar(sha256, *coordinates.split(":")))
    return tuple(pins)


def ensure_jars(
    store: Path, pins: Iterable[PinnedJar], repository: str | None = None
) -> tuple[Path, ...]:
    """Return the jars' paths in `store`, fetching those that are missing; works offline after.

    `repository` is the address of a Maven repository other than Maven Central. Raises
    `ConfigurationError` on a wrong hash, `UnavailableError` when a jar cannot be fetched.
    """
    pins = tuple(pins)
    store.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in pins if not (store / pin.file_name).exists()]
    if missing:
        _fetch(store, missing, repository)
    paths = tuple(store / pin.file_name for pin in pins)
    for pin, path in zip(pins, paths, strict=True):
        _check(pin, path)
    return paths


def _fetch(store: Path, missing: list[PinnedJar], repository: str | None) -> None:
    """Download into a scratch folder, check, then move: an interrupted fetch leaves no half jar."""
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 - slow, needed once in a lifetime
    except ModuleNotFoundError:
        raise missing_extra("jgo", "embedded") from None

    remotes = {"configured": repository} if repository else None
    with tempfile.TemporaryDirectory(dir=store, prefix=".fetch-") as scratch:
        context = MavenContext(
            repo_cache=Path(scratch), remote_repos=remotes, timeout=_DOWNLOAD_SECONDS
        )

        def fetch_one(pin: PinnedJar) -> None:
            component = context.project(pin.group, pin.artifact).at_version(pin.version)
            path = component.artifact().resolve()
            _check(pin, path)
            os.replace(path, store / pin.file_name)  # noqa: PTH105 - atomic within the store

        try:
            with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
                list(pool.map(fetch_one, missing))
        except (RuntimeError, OSError) as error:
            raise UnavailableError(
                f"无法下载 Apache Kafka 的 jar 文件：{error}\n"
                f"Apache Kafka's jars cannot be fetched: {error}\n"
                "处理办法：检查网络（代理有自己的证书时设 REQUESTS_CA_BUNDLE），"
                "或用 HUB_MAVEN_REPOSITORY 指定 Maven 镜像地址\n"
                "Remedy: check the network (REQUESTS_CA_BUNDLE for a proxy's own certificate), "
                "or name a mirror with HUB_MAVEN_REPOSITORY"
            ) from error


def _check(pin: PinnedJar, path: Path) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != pin.sha256:
        raise ConfigurationError(
            f"jar 文件的哈希不符：应为 {pin.sha256}，实为 {found}",
            f"wrong hash: expected {pin.sha256}, found {found}",
            remedy_zh="删除该文件后重试；若仍不符，说明下载源不可信，请更换镜像",
            remedy_en="delete the file and try again; if it stays wrong, do not trust that mirror",
            file=str(path),
        )
