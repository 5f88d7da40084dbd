"""The demo's stage: a state folder of its own, a site, real parts, every worker as a process."""

import base64
import fcntl
import json
import os
import secrets
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from demo.databases import CaseSystem, make_nation, nation_file
from hub.adapters.clocks import FileBusinessClock, write_business_clock
from hub.adapters.sealing import KEY_BYTES
from hub.config.kafka_access import OPERATOR, KafkaAccess
from hub.config.repository import DEPLOY, ROOT
from hub.config.settings import Settings, read_settings
from hub.config.site import LoadedSite, load_site
from hub.embedded.parts import BackingServices
from hub.embedded.server_process import ServerProcess
from hub.errors import UnavailableError
from hub.operations.site_plan import prepare_site
from standins import nation, platform_book

_SITE: Final = DEPLOY / "sites" / "demo"
_MARK: Final = "made-by-the-demo"
_OWN: Final = ("kafka", "postgres", "workers", "connectors", "demo")
"""What a demo leaves in its state folder; made anew by the next one."""
_STANDSTILL_SECONDS: Final = 40.0
_MOST_RESTARTS: Final = 5
_TIMEOUT: Final = 1.0
"""A second is half a business day here; a real site waits ten."""
_SLOW_TIMEOUT: Final = 10.0
"""Of platforms that are not asked but look for themselves: a table, a folder."""

PROVINCE_CONDUCT: Final = {
    "seed": 20260914,
    "mix": {
        "429": 0.002, "500": 0.012, "503": 0.001, "late": 0.004, "never_applied": 0.001,
        "never_lost": 0.001, "reset_applied": 0.004, "reset_lost": 0.004, "twice": 0.004,
        "wrong_digest": 0.002, "not_json": 0.002,
    },
    "only_first": 3, "refuse_share": 0.002, "late_seconds": 0.4, "hold_seconds": 2.0,
    "retry_after_seconds": 0.2, "publish_after_seconds": 3_600,
    "forbid": ["屿YHLS〔2026〕117号"],
}  # fmt: skip
"""One licence of the first morning is answered 403 for ever: a record that only a person can help.
"""
CITY_CONDUCT: Final = {
    "seed": 20261011,
    "mix": {
        "late": 0.005, "never_applied": 0.002, "never_lost": 0.003, "twice": 0.004,
        "wrong_delivery": 0.002, "wrong_digest": 0.002, "not_json": 0.002,
    },
    "only_first": 3, "refuse_share": 0.002, "late_seconds": 0.4,
}  # fmt: skip


NATION_CONDUCT: Final = {
    "seed": 20260930,
    "mix": {
        "late": 0.004, "never_applied": 0.001, "never_lost": 0.003, "twice": 0.004,
        "wrong_delivery": 0.002, "wrong_digest": 0.002, "wrong_stage": 0.002,
    },
    "only_first": 3, "refuse_share": 0.002, "late_seconds": 0.4, "hold_seconds": 2.0,
    "publish_after_seconds": 7_200, "half_batches": True,
    "disconnect_share": 0.001, "lock_share": 0.001, "lock_seconds": 0.3,
}  # fmt: skip
REGION_CONDUCT: Final = {
    "seed": 20261001,
    "mix": {
        "late": 0.04, "half": 0.02, "twice": 0.04, "partial": 0.04, "lose_applied": 0.01,
        "gap": 0.02, "wrong_digest": 0.02, "unknown": 0.02,
    },
    "only_first": 3, "refuse_share": 0.002, "late_seconds": 0.4,
}  # fmt: skip
"""Of files, not of rows."""


@dataclass(frozen=True, slots=True)
class Script:
    """What is played: the site that is copied and how its platforms behave."""

    site: Path
    conduct: Mapping[str, Mapping[str, object]]
    """Target → orders of `standins/conduct.py`."""
    timeout_seconds: float
    """How long a courier waits for an answer."""


DEMO: Final = Script(
    _SITE,
    {
        "province": PROVINCE_CONDUCT, "city": CITY_CONDUCT, "nation": NATION_CONDUCT,
        "region": REGION_CONDUCT,
    },
    _TIMEOUT,
)  # fmt: skip


@dataclass(slots=True)
class Worker:
    """One process of the demo: how it is started, how often it had to be started again."""

    name: str
    argv: tuple[str, ...]
    process: ServerProcess
    restarts: int = 0


@dataclass(slots=True)
class DemoEnvironment:
    """Everything the demo runs on; `folder` is also the site's."""

    settings: Settings
    loaded: LoadedSite
    parts: BackingServices
    leashed: bool
    workers: dict[str, Worker] = field(default_factory=dict)
    cases: CaseSystem | None = None
    """The department's database that the hub reads, where the site has one."""

    @property
    def folder(self) -> Path:
        """The site folder: site.yaml, inbox, results, platforms, processes."""
        return self.loaded.folder

    @property
    def clock_file(self) -> Path:
        """The business clock every process reads."""
        return self.folder / "business-clock.json"

    @property
    def access(self) -> KafkaAccess:
        """The operator's way to Kafka."""
        return self.parts.require_kafka(OPERATOR)

    def book(self, target: str) -> Path:
        """The stand-in platform's own book."""
        return self.folder / "platforms" / f"{target}.sqlite"

    def conduct(self, target: str) -> Path:
        """The file with a stand-in's orders."""
        return self.folder / "platforms" / f"{target}.json"

    @property
    def nation_address(self) -> str:
        """The nation's own way to its database."""
        return nation_file(self.folder).read_text(encoding="ascii")

    def shown(self, target: str) -> dict[str, dict[str, object]]:
        """What the stand-in platform shows, by its own book: record → version, stage, digest."""
        if target == "nation":
            return nation.dump(self.nation_address)
        return platform_book.dump(self.book(target))

    def now(self) -> int:
        """Business milliseconds."""
        return FileBusinessClock(self.clock_file).now()

    def set_clock(self, origin_business_ms: int, factor: float) -> None:
        """Let business time go on from a moment, `factor` times as fast as real time."""
        write_business_clock(self.clock_file, origin_business_ms, factor)

    def put_calendar(self, content: object) -> None:
        """Give the site a calendar of its own; it is in force once it is adopted."""
        text = json.dumps(content, ensure_ascii=False)
        (self.folder / "calendar.json").write_text(text, encoding="utf-8")
        self.put_site(lambda site: site | {"calendar": "calendar.json"})

    def put_site(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change `site.yaml`; most of it is in force once it is adopted."""
        site = yaml.safe_load((self.folder / "site.yaml").read_text(encoding="utf-8"))
        _write_yaml(self.folder, change(site))
        self.loaded = load_site(self.folder)

    def start(self, name: str, *argv: str) -> None:
        """Start a process of the demo; its log is `processes/<name>/<name>.log`."""
        folder = self.folder / "processes" / name
        folder.mkdir(parents=True, exist_ok=True)
        worker = Worker(name, (sys.executable, *argv), ServerProcess(name, folder))
        worker.process.start(worker.argv, leashed=self.leashed)
        self.workers[name] = worker

    def start_hub(self, name: str, *arguments: str) -> None:
        """Start a worker of the hub on this site."""
        self.start(name, "-m", "hub", *arguments, "--site", str(self.folder))

    def health(self, name: str) -> dict[str, object] | None:
        """What a worker with a metrics port says of itself; None while it does not answer."""
        argv = self.workers[name].argv
        port = argv[argv.index("--metrics-port") + 1]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
                told: dict[str, object] = json.load(answer)
        except (OSError, ValueError):
            return None
        return told

    def supervise(self) -> list[str]:
        """Start again what has ended; return its names.

        Raises `UnavailableError` with the log's end when one ends again and again.
        """
        fallen = [one for one in self.workers.values() if one.process.pid is None]
        for one in fallen:
            one.restarts += 1
            if one.restarts > _MOST_RESTARTS:
                one.process.check_alive()
            one.process.start(one.argv, leashed=self.leashed)
        return [one.name for one in fallen]

    def stop(self) -> None:
        """End every process of the stage, all at once, and reap it; the parts are left alone."""
        if self.workers:
            with ThreadPoolExecutor(len(self.workers)) as pool:
                list(pool.map(lambda one: one.process.stop(), self.workers.values()))
        self.workers.clear()
        if self.cases is not None:
            self.cases.close()

    def release(self) -> None:
        """Leave everything running behind us."""
        for one in self.workers.values():
            one.process.release()


def drop(path: Path, content: bytes) -> None:
    """Put a file where a connector looks for it, whole at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def stop_processes(folder: Path) -> None:
    """End the demo's processes, whoever started them: their process ids are in `folder`."""
    homes = sorted((folder / "processes").glob("*/"))
    if homes:
        with ThreadPoolExecutor(len(homes)) as pool:
            list(pool.map(lambda home: ServerProcess(home.name, home).stop(), homes))


def choose_settings() -> Settings:
    """Settings of this run, also put into the environment of what it starts.

    The state folder is the usual one, so that `hub trace` finds the demo without being told where;
    but what somebody else keeps there is never touched: then a folder inside it is the demo's.
    """
    settings = read_settings()
    state = settings.state_folder
    foreign = [name for name in _OWN if (state / name).exists()]
    if foreign and not (state / _MARK).exists():
        settings = replace(settings, state_folder=state / "demo-state")
    os.environ["HUB_STATE"] = str(settings.state_folder)
    # a broker that lives for minutes is better off with the quick compiler alone
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    return settings


def is_usual(settings: Settings) -> bool:
    """Whether commands find this state folder without being told."""
    return settings.state_folder == ROOT / ".state"


@contextmanager
def only_demo(settings: Settings) -> Iterator[None]:
    """One demo at a time in a state folder. Raises `UnavailableError` for the second."""
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    with (settings.state_folder / "demo.lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UnavailableError(
                "演示正在另一终端运行；请等它结束，或设 HUB_STATE 换一个状态目录\n"
                "a demo is running in another terminal; wait, or set HUB_STATE to another folder"
            ) from error
        yield


def clear(settings: Settings) -> None:
    """Stop and remove what an earlier demo left in the state folder."""
    stop_everything(settings)
    for name in _OWN:
        shutil.rmtree(settings.state_folder / name, ignore_errors=True)
    (settings.state_folder / _MARK).write_text(
        "此目录由 ./run demo 创建，每次演示重建\nmade anew by every ./run demo\n", encoding="utf-8"
    )


@contextmanager
def stage(
    settings: Settings, *, keep: bool, opens_at: int, script: Script = DEMO
) -> Iterator[DemoEnvironment]:
    """Parts, site, platforms and workers, ready to begin; all gone afterwards unless kept.

    `opens_at`: business ms at which the clock stands still until the play begins. What was started
    is stopped when anything fails, whatever `keep` says.
    """
    parts = BackingServices(settings)
    made: DemoEnvironment | None = None
    finished = False
    try:
        parts.up(leashed=not keep)
        loaded = _write_site(settings, script, opens_at)
        made = DemoEnvironment(settings, loaded, parts, leashed=not keep)
        _make_databases(made, script)
        prepare_site(made.loaded, made.access)  # a platform needs its user before it starts
        _start_platforms(made, script)
        _start_workers(made)
        yield made
        finished = True
    finally:
        if keep and finished and made is not None:
            made.release()
        else:
            if made is not None:
                made.stop()
            stop_everything(settings)


def _write_site(settings: Settings, script: Script, opens_at: int) -> LoadedSite:
    """Write the site folder: the repository's site with paths, keys and clock of this run."""
    folder = settings.state_folder / "demo"
    for name in ("secrets", "platforms", "inbox", "processes"):
        (folder / name).mkdir(parents=True)
    for name in ("mappings", "sources"):
        if (script.site / name).is_dir():
            shutil.copytree(script.site / name, folder / name)
    content = yaml.safe_load((script.site / "site.yaml").read_text(encoding="utf-8"))
    for name in ("rulebook", "calendar"):
        content[name] = str((script.site / content[name]).resolve())
    content["business_clock"] = "business-clock.json"
    if settings.kafka_bootstrap is not None:
        # nothing is ever deleted from a broker that is not ours: each run has its own topics
        content["prefix"] = f"{content['site']}-{int(time.time())}."
    for target in content["targets"]:
        is_asked = target["kind"] in {"http", "kafka"}
        target["timeout_seconds"] = script.timeout_seconds if is_asked else _SLOW_TIMEOUT
        target["concurrency"] = 64 if is_asked else 256
    _write_secret(folder / "secrets/sealing.key", base64.b64encode(secrets.token_bytes(KEY_BYTES)))
    _write_secret(folder / "secrets/province.token", secrets.token_urlsafe(24).encode())
    write_business_clock(folder / "business-clock.json", opens_at, 0)
    _write_yaml(folder, content)
    return load_site(folder)


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _write_yaml(folder: Path, content: object) -> None:
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (folder / "site.yaml").write_text(text, encoding="utf-8")


def _make_databases(made: DemoEnvironment, script: Script) -> None:
    """Make what others hold in databases of their own, where the site and the script name it."""
    server, name = made.parts.require_dsn(), made.loaded.site.prefix.strip(".").replace("-", "_")
    if "nation" in script.conduct:
        make_nation(server, f"{name}_nation", made.folder)
    for department in made.loaded.site.departments:
        for source in department.databases:
            made.cases = CaseSystem.make(
                server, f"{name}_cases", made.folder, made.loaded.path(source.file)
            )


def _start_platforms(made: DemoEnvironment, script: Script) -> None:
    """Start the stand-ins; the province's port goes into the site."""
    platforms = made.folder / "platforms"
    for name, conduct in script.conduct.items():
        made.conduct(name).write_text(json.dumps(conduct), encoding="utf-8")
        made.start(
            f"platform-{name}", *_STAND_INS[name](made),
            "--clock", str(made.clock_file), "--control", str(made.conduct(name)),
        )  # fmt: skip
    port = _wait_for_text(platforms / "province.port", made)
    content = yaml.safe_load((made.folder / "site.yaml").read_text(encoding="utf-8"))
    for target in content["targets"]:
        if target["id"] == "province":
            target["url"] = f"http://127.0.0.1:{port}"
    _write_yaml(made.folder, content)
    made.loaded = load_site(made.folder)
    # started again, it must be where it was
    province = made.workers["platform-province"]
    province.argv = (*province.argv, "--port", port)


def _province(made: DemoEnvironment) -> tuple[str, ...]:
    return (
        str(_SCRIPTS / "province.py"), "--book", str(made.book("province")),
        "--token-file", str(made.folder / "secrets" / "province.token"),
        "--portfile", str(made.folder / "platforms" / "province.port"),
    )  # fmt: skip


def _city(made: DemoEnvironment) -> tuple[str, ...]:
    return (
        str(_SCRIPTS / "city.py"), "--book", str(made.book("city")),
        "--bootstrap", made.access.bootstrap, "--prefix", made.loaded.site.prefix,
        "--user", made.loaded.site.user("target.city"), "--secrets", str(made.access.secrets or ""),
    )  # fmt: skip


def _nation(made: DemoEnvironment) -> tuple[str, ...]:
    return (str(_SCRIPTS / "nation.py"), "serve", "--url-file", str(nation_file(made.folder)))


def _region(made: DemoEnvironment) -> tuple[str, ...]:
    folder = made.folder / "exchange" / "region"
    for name in ("out", "ack"):
        (folder / name).mkdir(parents=True)
    return (
        str(_SCRIPTS / "file_receiver.py"), "--folder", str(folder),
        "--book", str(made.book("region")),
    )  # fmt: skip


_SCRIPTS: Final = ROOT / "standins"
_STAND_INS: Final = {
    "province": _province, "city": _city, "nation": _nation, "region": _region,
}  # fmt: skip
"""Target → how its stand-in is started."""


def _wait_for_text(path: Path, made: DemoEnvironment) -> str:
    deadline = time.monotonic() + _STANDSTILL_SECONDS
    while not path.exists():
        for worker in made.workers.values():
            worker.process.check_alive()
        if time.monotonic() > deadline:
            raise UnavailableError(f"未能启动 / did not start: {path.stem}")
        time.sleep(0.02)
    return path.read_text(encoding="utf-8")


def _start_workers(made: DemoEnvironment) -> None:
    made.start_hub("registrar", "run", "registrar")
    for target in made.loaded.site.targets:
        made.start_hub(f"courier-{target.id}", "run", "courier", target.id)
    made.start_hub("connector", "connector", "--poll", "0.15")
    followers = ["receipts", "projector"]
    if made.loaded.site.cases is not None:
        followers += ["notices", "cases", "reconciler"]
    for name in followers:
        made.start_hub(name, "run", name, "--metrics-port", str(_free_port()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_everything(settings: Settings) -> None:
    """Stop what a demo left running; its data stay."""
    stop_processes(settings.state_folder / "demo")
    BackingServices(settings).down()
