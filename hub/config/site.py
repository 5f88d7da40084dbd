"""A site: one city's or province's configuration folder, read once and checked.

`site.yaml` names the departments, their authorities and sources, the targets and the dated rules.
Kinds of record live in code; instances live here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from hub.config.repository import ROOT, contract_texts
from hub.contracts import Contracts, load_contracts
from hub.domain.credit_code import check_credit_code
from hub.domain.hosts import OWN_HOSTS
from hub.domain.succession import Successions, lineage_of, oldest_first
from hub.errors import ConfigurationError
from hub.io.typed_yaml import Name, StrictModel, fault, line_in, read_plain, read_typed
from hub.targets.database.settings import FrontEndDatabase
from hub.targets.file.settings import FileDrop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import PydanticCustomError

Sharing = Literal["public", "government", "authorised"]
AGENT_WORKERS = ("cases", "reconciler")
"""The workers that state facts as the site's department of kind `agent`; where it has `cases`."""


class FileSourceSettings(StrictModel):
    """A folder a department drops files into.

    Its sub-folders are `licences`, `penalties`, `corrections`, `withdrawals`, `restorations`,
    `court-listings`, `court-exits`, `court-snapshots`, `commitments` and `output-counts`; what is
    not there is empty.
    """

    name: Name
    inbox: Path
    results: Path
    mapping: Path | None = None
    """Mapping file for a layout that is not the national one."""


class DatabaseSourceSettings(StrictModel):
    """A table of a department's database; the file says which, and what its columns mean.

    Its form: `connectors/database/settings.py`, docs/database-sources.md.
    """

    name: Name
    file: Path


class Department(StrictModel):
    """Who submits: one topic, its authorities, its sources."""

    id: Name
    name_zh: str
    kind: Literal["office", "court", "agent"] = "office"
    """An `agent` is the hub's own: it makes the statements that contracts leave to agents."""
    states: tuple[str, ...] = ()
    """Kinds of row this department may state, and correct, withdraw or move; no others. Counts and
    reconciliations of its own work need no permission."""
    authorities: tuple[str, ...] = ()
    """Credit codes of the authorities this department submits for."""
    may_act_on: tuple[Name, ...] = ()
    """Departments whose records this one may correct, withdraw or move, besides its own."""
    replaces: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Code of one of its authorities → older codes it replaces, the oldest unit first. Records
    under those stay there; only ever extended, at the end of a list."""
    retired: bool = False
    """Merged or abolished: it states nothing new; listed for ever."""
    successor: Name | None = None
    """Of a retired one: who owns its records from now on."""
    files: tuple[FileSourceSettings, ...] = ()
    databases: tuple[DatabaseSourceSettings, ...] = ()

    @field_validator("authorities")
    @classmethod
    def _are_credit_codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        """Each authority by its own code: no pattern, and no wildcard."""
        for code in codes:
            if (broken := check_credit_code(code)) is not None:
                raise fault(
                    f"{code} 不是统一社会信用代码（{broken.value}）",
                    f"{code} is not a unified social credit code ({broken.value})",
                    remedy_zh="逐个写明机关的 18 位代码，大写、无空格；不能用 * 代表全部",
                    remedy_en="write each authority's 18 characters, in capitals, without blanks; "
                    "there is no wildcard",
                )
        return codes

    @field_validator("states")
    @classmethod
    def _may_be_stated_by_it(cls, states: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        kind, contracts = info.data.get("kind"), _contracts()
        if states and kind == "agent":
            raise fault(
                "代理的部门不写 states",
                "a department of kind: agent has no states",
                remedy_zh="删去 states：代理陈述哪些种类由契约规定",
                remedy_en="take states out: contracts say which kinds agents state",
            )
        for each in states:
            if each not in contracts.grantable_kinds:
                raise fault(
                    f"没有可授权的记录种类 {each}",
                    f"{each} is no kind of record that a site allows",
                    remedy_zh=f"可写的种类：{'、'.join(contracts.grantable_kinds)}；"
                    "更正、撤回、退出和全量名单随其所涉种类授权",
                    remedy_en=f"kinds to choose from: {', '.join(contracts.grantable_kinds)}; "
                    "corrections, withdrawals, exits and full lists go with their kind",
                )
            if kind == "office" and contracts.is_left_to_courts(each):
                raise fault(
                    f"{each} 只能由法院报送",
                    f"{each} is stated by courts only",
                    remedy_zh="该部门是法院的，写 kind: court；不是的，从 states 中删去该种类",
                    remedy_en="write kind: court where the department is one; "
                    "else take the kind out of states",
                )
        return states

    @property
    def sources(self) -> tuple[FileSourceSettings | DatabaseSourceSettings, ...]:
        """Every source, each a connector with a stream of its own."""
        return (*self.files, *self.databases)

    @property
    def running_sources(self) -> tuple[FileSourceSettings | DatabaseSourceSettings, ...]:
        """The sources that are read: none of a retired department."""
        return () if self.retired else self.sources

    @model_validator(mode="after")
    def _is_succeeded(self) -> Department:
        if self.retired != (self.successor is not None):
            raise fault(
                f"部门 {self.id}：retired: true 与 successor 须同时写明",
                f"department {self.id}: retired: true and successor go together",
                remedy_zh="撤并的部门写 retired: true，并在 successor 写明承接其记录的部门",
                remedy_en="write retired: true, and the department that takes its records over "
                "as successor",
            )
        if foreign := sorted(set(self.replaces) - set(self.authorities)):
            raise fault(
                f"部门 {self.id} 的 replaces：{foreign[0]} 不在其 authorities 中",
                f"replaces of department {self.id}: {foreign[0]} is not one of its authorities",
                remedy_zh="replaces 写为“新代码: [被取代的旧代码]”，新代码须列在 authorities 中",
                remedy_en="write a new code of authorities, then the list of old codes it replaces",
            )
        return self


class Target(StrictModel):
    """A place a record must be shown, and how it is reached."""

    id: Name
    name_zh: str
    number: Annotated[int, Field(ge=0, le=63)]
    """Bit of this target in the ledger; used again only after this one was left out of the site."""
    kind: Literal["http", "kafka", "file", "database"]
    role: str
    """A duty of the rulebook (`report` 报送, `display` 公示), which says what stops the clock."""
    public: bool
    """Whether the public sees what is delivered here."""
    clearance: tuple[Sharing, ...]
    kinds: tuple[str, ...]
    clock_from: str = "1970-01-01"
    """Decisions before this date have no deadline here (a target added later)."""
    retired: bool = False
    """Taken off the list: shows nothing any more, withdraws what it holds. Listed until nothing is
    shown there or owed any more."""
    url: str = ""
    token_file: Path | None = None
    drop: FileDrop | None = None
    """How a target of kind `file` is reached."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 32
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 8
    database: FrontEndDatabase | None = None
    """Settings of the kind `database`."""

    @field_validator("clock_from")
    @classmethod
    def _is_a_day(cls, text: str) -> str:
        with suppress(ValueError):
            if date.fromisoformat(text).isoformat() == text:
                return text
        raise fault(
            f"{text} 不是一个存在的日期", f"{text} is not a day that exists",
            remedy_zh="写成 2026-03-01 的样式", remedy_en="write it as 2026-03-01",
        )  # fmt: skip

    @field_validator("kinds")
    @classmethod
    def _are_known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in _contracts().by_kind:
                raise fault(
                    f"没有记录种类 {kind}", f"there is no kind of record {kind}",
                    remedy_zh="检查拼写：docs/data-dictionary.md 列有全部种类",
                    remedy_en="check the spelling: docs/data-dictionary.md has every kind",
                )  # fmt: skip
        return kinds

    @field_validator("url")
    @classmethod
    def _is_an_address_alone(cls, url: str) -> str:
        """No user, password or query: who reads the site would read them, and logs name it."""
        if not url:
            return url
        is_open = False
        with suppress(ValueError):
            parts = urlsplit(url)
            is_plain = url.isascii() and url.isprintable() and not set(url) & set(_IN_NO_ADDRESS)
            # reading the port raises where it is none
            if is_plain and parts.hostname and (parts.port is None or parts.port >= 0):
                if parts.scheme == "https" or (
                    parts.scheme == "http" and parts.hostname in OWN_HOSTS
                ):
                    return url
                is_open = True
        if is_open:
            raise fault(
                "平台地址必须是 https", "a platform's address must be https",
                remedy_zh="改用 https 地址；明文 http 只允许本机",
                remedy_en="use an https address; plain http is allowed to this machine only",
            )  # fmt: skip
        raise fault(
            "平台地址只写协议、主机、端口和路径：不含用户、口令、查询参数、反斜杠和空格",
            "an address is scheme, host, port and path: no user, password, query, backslash, blank",
            remedy_zh="令牌写入 token_file 所指的文件，地址中删去其余部分",
            remedy_en="put the token into the file of token_file, and the rest out of the address",
        )

    @model_validator(mode="after")
    def _database_is_described(self) -> Target:
        if (self.kind == "database") != (self.database is not None):
            message = "database: 恰用于 kind: database / goes with kind: database, and only there"
            raise ValueError(message)
        missing = set(self.kinds) - set(self.database.tables) if self.database else set()
        if missing:
            message = f"database.tables: 缺少 / missing: {', '.join(sorted(missing))}"
            raise ValueError(message)
        self._refuse_parted_kinds()
        return self

    def _refuse_parted_kinds(self) -> None:
        """A kind and the one it follows are one record, and one row of one table.

        In two tables the first row would stay as it was when the record is withdrawn.
        """
        tables = {} if self.database is None else self.database.tables
        for kind, contract in _contracts().by_kind.items():
            followed = contract.schema.follows
            if kind in tables and tables.get(followed, tables[kind]) != tables[kind]:
                raise fault(
                    f"目标 {self.id}：{followed} 与 {kind} 是同一条记录，必须写入同一张表",
                    f"target {self.id}: {followed} and {kind} are one record and share one table",
                    remedy_zh="在 database.tables 中为两者写同一张表",
                    remedy_en="name one table for both under database.tables",
                )

    @model_validator(mode="after")
    def _says_how_it_is_reached(self) -> Target:
        lacking: list[str] = []
        if self.kind == "http":
            lacking += [] if self.url else ["url"]
            lacking += [] if self.token_file else ["token_file"]
        if self.kind == "file":
            drop = self.drop
            lacking += ["drop"] if drop is None else sorted(set(self.kinds) - set(drop.tables))
        if lacking:
            raise fault(
                f"目标 {self.id} 缺少设置：{', '.join(lacking)}",
                f"target {self.id} lacks settings: {', '.join(lacking)}",
                remedy_zh="http 平台写明 url 和 token_file；文件平台写明 drop，"
                "其 tables 为每类数据写两位表号",
                remedy_en="a platform of kind http has url and token_file; one of kind file has "
                "drop, with two characters for each kind under its tables",
            )
        return self


_IN_NO_ADDRESS = '@?#\\ "<>^`{|}'
"""Characters that would begin a user's end, a query or a fragment, and all RFC 3986 leaves out."""


class CaseLevel(StrictModel):
    """Who is informed of due-soon and overdue records, and when."""

    name_zh: str
    after_hours: Annotated[float, Field(ge=0, le=24 * 90)] = 0
    """Business hours since the first level was informed; a level is, while something waits."""
    department: Name | None = None
    """None is the department whose records they are."""


class Cases(StrictModel):
    """Settings of the case agents: `hub run cases`."""

    department: Name
    """Of `kind: agent`; its first authority is the credit centre's code."""
    remind_working_days: tuple[Annotated[int, Field(ge=1, le=60)], ...] = (5, 1)
    """A commitment's accepting unit is reminded when so many working days are left."""
    hour: Annotated[int, Field(ge=0, le=23)] = 9
    """When due-soon and overdue records are reported on a working day, Asia/Shanghai."""
    levels: Annotated[tuple[CaseLevel, ...], Field(min_length=1, max_length=9)] = (
        CaseLevel(name_zh="经办人"),
    )


class Site(StrictModel):
    """One site, as `site.yaml` says it; paths are relative to the site folder."""

    site: Name
    name_zh: str
    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*\.$")]
    """Every topic of the site begins with this."""
    partitions: Annotated[int, Field(ge=1, le=256)]
    """Partition count of every topic; fixed for life."""
    rulebook: Path
    calendar: Path
    sealing_key_file: Path
    business_clock: Path | None = None
    """Accelerated or scripted business clock of a demo or test site; None is real time."""
    clock_guard_days: Annotated[int, Field(ge=2, le=366)] = 10
    """At a start, a clock further ahead of all the hub ever wrote waits for a person; longer than
    any holiday, on which nothing may be written."""
    slots: tuple[tuple[int, ...], ...] = ()
    """Partitions of each registrar slot; empty is one slot for all. A change is handed over."""
    departments: tuple[Department, ...]
    targets: tuple[Target, ...]
    cases: Cases | None = None
    """None: the site runs no case agents."""

    @model_validator(mode="after")
    def _agents_and_levels_are_departments(self) -> Site:
        known = {department.id: department for department in self.departments}
        if self.cases is not None:
            agent = known.get(self.cases.department)
            if agent is None or agent.kind != "agent" or not agent.authorities:
                message = (
                    "cases.department: 应为 kind: agent 且有机关代码的部门 / "
                    "must be a department of kind: agent with an authority"
                )
                raise ValueError(message)
            if any(each.department not in {None, *known} for each in self.cases.levels):
                message = "cases.levels: 没有这个部门 / no such department"
                raise ValueError(message)
            named = {self.cases.department, *(each.department for each in self.cases.levels)}
            for department in self.departments:
                if department.retired and department.id in named:
                    raise fault(
                        f"cases 指向已撤并的部门 {department.id}",
                        f"cases names department {department.id}, which is retired",
                        remedy_zh=f"改为 {department.successor}",
                        remedy_en=f"name {department.successor} instead",
                    )
        return self

    @model_validator(mode="after")
    def _departments_follow_each_other(self) -> Site:
        """Who succeeds a retired department is in office, of its kind, and may state the same."""
        known = {department.id: department for department in self.departments}
        successors = {d.id: d.successor for d in self.departments if d.successor is not None}
        for department in self.departments:
            if not department.retired:
                continue
            if department.successor not in known:
                raise _no_successor(department, "没有这个部门", "there is no such department")
            try:
                heir = known[lineage_of(department.id, successors)[-1]]
            except (ValueError, KeyError) as error:
                raise _no_successor(
                    department, "承接关系成环或中断", "successors go in a circle or end nowhere"
                ) from error
            if heir.kind != department.kind:
                raise _no_successor(department, "两者 kind 不同", "the two differ in kind")
            if missing := sorted(set(department.states) - set(heir.states)):
                raise _no_successor(
                    department,
                    f"{heir.id} 的 states 缺 {missing[0]}，这些记录将无人可以更正或撤回",
                    f"states of {heir.id} lacks {missing[0]}: no department could correct or "
                    "withdraw those records",
                )
        return self

    @model_validator(mode="after")
    def _codes_are_replaced_once(self) -> Site:
        replaces: dict[str, tuple[str, ...]] = {}
        replaced: dict[str, str] = {}
        for department in self.departments:
            for code, older in department.replaces.items():
                if replaces.setdefault(code, older) != older:
                    raise _doubly_replaced(code)
                for one in older:
                    if older.count(one) > 1 or replaced.setdefault(one, code) != code:
                        raise _doubly_replaced(one)
        for code in replaces:
            try:
                oldest_first(code, replaces)
            except ValueError as error:
                raise fault(
                    f"departments.replaces：{code} 的取代关系成环",
                    f"departments.replaces: {code} replaces itself in the end",
                    remedy_zh="旧代码不能再取代新代码：核对机构改革文件后改正",
                    remedy_en="an old code replaces no newer one: mend it after the reform's text",
                ) from error
        return self

    @model_validator(mode="after")
    def _names_and_numbers_are_unique(self) -> Site:
        for what, values in (
            ("departments.id", [d.id for d in self.departments]),
            ("targets.id", [t.id for t in self.targets]),
            ("targets.number", [t.number for t in self.targets]),
            ("departments.sources", [(d.id, s.name) for d in self.departments for s in d.sources]),
        ):
            if len(set(values)) != len(values):
                message = f"{what}: 重复 / not unique"
                raise ValueError(message)
        if not all(self.slots):
            # beyond the number of partitions slots would come to the connectors' ports
            message = "slots: 空的单元 / a slot without partitions"
            raise ValueError(message)
        owned = sorted(p for slot in self.slots for p in slot)
        if self.slots and owned != list(range(self.partitions)):
            message = "slots: 每个分区恰好属于一个单元 / each partition in exactly one slot"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _departments_that_are_named_are_there(self) -> Site:
        known = {department.id for department in self.departments}
        for department in self.departments:
            if unknown := sorted(set(department.may_act_on) - known):
                raise fault(
                    f"部门 {department.id} 的 may_act_on：没有部门 {unknown[0]}",
                    f"may_act_on of department {department.id}: no department {unknown[0]}",
                    remedy_zh=f"检查拼写；站点的部门：{'、'.join(sorted(known))}",
                    remedy_en=f"check the spelling; the site's are {', '.join(sorted(known))}",
                )
        for target in self.targets:
            if target.drop is not None and (
                lacking := sorted(known - set(target.drop.departments))
            ):
                raise fault(
                    f"目标 {target.id} 的 drop.departments 缺少：{', '.join(lacking)}",
                    f"drop.departments of target {target.id} lacks {', '.join(lacking)}",
                    remedy_zh="为每个部门写四位代码",
                    remedy_en="give each department four characters",
                )
        return self

    def topic(self, name: str) -> str:
        """The full name of a topic of this site."""
        return self.prefix + name

    def user(self, principal: str) -> str:
        """The Kafka user of a principal of this site (`worker.registrar.0`, `dept.<id>`, …)."""
        return self.prefix + principal

    @property
    def input_topics(self) -> tuple[str, ...]:
        """Every topic the registrar reads, co-partitioned with the ledger; control first."""
        return (
            self.topic("control"),
            *(self.topic(f"submissions.{d.id}") for d in self.departments),
            *(self.topic(f"outcomes.{t.id}") for t in self.targets),
        )

    @property
    def successions(self) -> Successions:
        """Who follows whom among departments and authority codes."""
        followers = {d.id: d.successor for d in self.departments if d.successor is not None}
        replaces = {code: old for d in self.departments for code, old in d.replaces.items()}
        return Successions(
            {name: lineage_of(name, followers)[-1] for name in followers},
            {code: oldest_first(code, replaces) for code in replaces},
        )

    def partitions_of_slot(self, slot: int) -> tuple[int, ...]:
        """The partitions a registrar slot owns. Raises `ConfigurationError` for no such slot."""
        if not self.slots and slot == 0:
            return tuple(range(self.partitions))
        if slot >= len(self.slots):
            raise ConfigurationError(
                f"站点没有第 {slot} 个登记单元",
                f"the site has no registrar slot {slot}",
                remedy_zh="在 site.yaml 的 slots 中列出每个单元的分区",
                remedy_en="list the partitions of each slot under slots in site.yaml",
            )
        return self.slots[slot]

    def department_of(self, topic: str) -> str:
        """The department whose topic this is, or an empty string."""
        head = self.topic("submissions.")
        return topic[len(head) :] if topic.startswith(head) else ""


class LoadedSite(StrictModel):
    """A site with the folder its relative paths start from."""

    folder: Path
    site: Site

    def target(self, name: str) -> Target:
        """The target of this id. Raises `ConfigurationError` with those there are."""
        known = {target.id: target for target in self.site.targets}
        if name not in known:
            raise ConfigurationError(
                f"站点没有目标 {name}",
                f"the site has no target {name}",
                remedy_zh=f"可用的目标：{'、'.join(known)}",
                remedy_en=f"its targets are: {', '.join(known)}",
                file=str(self.folder / "site.yaml"),
            )
        return known[name]

    def path(self, relative: Path) -> Path:
        """A path of the site folder; absolute ones stay."""
        return self.folder / relative

    def require_outside(self, folder: Path) -> None:
        """Raise `ConfigurationError` for a place inside the site folder, which is copied to it."""
        if folder.resolve().is_relative_to(self.folder.resolve()):
            raise ConfigurationError(
                "输出目录在站点目录之内",
                "the folder to write to lies inside the site folder",
                remedy_zh="换到站点目录之外",
                remedy_en="name one outside it",
                file=str(folder),
            )

    def exchange_folders(self) -> tuple[Path, ...]:
        """Every folder in which files are exchanged: inboxes, results, drop folders of platforms.

        Their content belongs to departments and platforms; it is not the site's configuration.
        """
        return tuple(self.path(folder) for _place, folder in _exchange_places(self.site))

    def files_read(self) -> tuple[Path, ...]:
        """Every file the site is configured by, but for the secrets.

        Site, rulebook, calendar, business clock, mappings, descriptions of database sources:
        a party that may write one of them decides what becomes of all others' rows.
        """
        named = [Path("site.yaml"), self.site.rulebook, self.site.calendar]
        if self.site.business_clock is not None:
            named.append(self.site.business_clock)
        for department in self.site.departments:
            named += [each.mapping for each in department.files if each.mapping is not None]
            named += [each.file for each in department.databases]
        return tuple(map(self.path, named))

    def secret_files(self) -> tuple[Path, ...]:
        """Every file the site calls `…_file`, and those its database sources call so.

        Keys, tokens, passwords, addresses that hold one. A source's file that cannot be read is
        passed over: the worker that runs it says what is wrong with it.
        """
        sources = [
            self.path(each.file)
            for department in self.site.departments
            for each in department.databases
        ]
        named = [self.path(path) for path in _called_file(self.site.model_dump())]
        for source in sources:
            with suppress(ConfigurationError):
                named += [source.parent / path for path in _called_file(read_plain(source))]
        return tuple(dict.fromkeys(named))


def _no_successor(department: Department, zh: str, en: str) -> PydanticCustomError:
    return fault(
        f"部门 {department.id} 的 successor {department.successor}：{zh}",
        f"successor {department.successor} of department {department.id}: {en}",
        remedy_zh="写明一个在用的、同类的、可报送相同种类的部门；其自身若已撤并，也须有承接部门",
        remedy_en="name a department in office, of the same kind, that may state the same kinds; "
        "one that is retired itself has a successor, too",
    )


def _doubly_replaced(code: str) -> PydanticCustomError:
    return fault(
        f"departments.replaces：{code} 被写了两次，且写法不一",
        f"departments.replaces: {code} is listed twice, and not alike",
        remedy_zh="一个旧代码只由一个新代码取代，一个新代码只有一个列表",
        remedy_en="one code replaces an old one, and each new code has one list",
    )


@cache
def _contracts() -> Contracts:
    """The contracts of this checkout: they say which kinds there are, and which are courts'."""
    return load_contracts(contract_texts())


def _called_file(value: object) -> Iterator[Path]:
    """Every path under a key that ends in `_file`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if str(key).endswith("_file") and isinstance(inner, str | Path):
                yield Path(inner)
            else:
                yield from _called_file(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _called_file(inner)


def load_site(folder: Path) -> LoadedSite:
    """Read `folder/site.yaml`. Raises `ConfigurationError` (file, line, remedy)."""
    if not folder.is_dir():
        raise ConfigurationError(
            "站点目录不存在",
            "the site folder does not exist",
            remedy_zh="用 --site 指定含 site.yaml 的目录",
            remedy_en="name the folder that holds site.yaml with --site",
            file=str(folder),
        )
    loaded = LoadedSite(folder=folder, site=read_typed(folder / "site.yaml", Site))
    _refuse_shared_folders(loaded)
    return loaded


def _refuse_shared_folders(loaded: LoadedSite) -> None:
    """Each inbox, results and drop folder is one party's: none is another, or lies inside one.

    Nor does any hold a file that the site reads, or one of its secrets. Links are followed: what
    counts is where files land.
    """
    folders = sorted(
        (Path(os.path.realpath(loaded.path(folder))).parts, place, folder)
        for place, folder in _exchange_places(loaded.site)
    )
    for parts, place, folder in folders:
        _refuse_system_folder(loaded, place, folder, Path(*parts))
    # what lies inside a folder follows it at once when both are sorted by their parts
    for (outer, _, one), (inner, place, other) in pairwise(folders):
        if inner[: len(outer)] == outer:
            raise _shared(loaded, place, str(other), str(one))
    known = {parts: (place, folder) for parts, place, folder in folders}
    for guarded in (*loaded.files_read(), *loaded.secret_files()):
        parts = Path(os.path.realpath(guarded)).parts
        for count in range(len(parts)):
            if parts[:count] in known:
                place, folder = known[parts[:count]]
                raise _shared(loaded, place, str(folder), str(guarded))


_OF_THE_SYSTEM = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr",
)  # fmt: skip
"""Nothing in them is exchanged."""
_OF_MANY = (
    "/home", "/opt", "/root", "/srv", "/tmp", "/var", "/var/lib", "/var/tmp",  # noqa: S108 - refused
)  # fmt: skip
"""Folders of many programs and people: no one's as a whole, each in it may be somebody's."""
_OF_THE_HUB = (".git", ".venv", "avro_schemas", "connectors", "hub", "topics")


def _really(*paths: str | Path) -> list[Path]:
    """Where these lead to."""
    return [Path(os.path.realpath(each)) for each in paths]


def _refuse_system_folder(
    loaded: LoadedSite, place: tuple[str | int, ...], folder: Path, real: Path
) -> None:
    """No folder of the system, of all users, of the hub's own code is one to exchange files in.

    What lies there would be taken for a department's files, moved away and given back. A site
    folder is the operator's own, wherever it is: /etc/hub/site, say, with inboxes in it.
    """
    if real.is_relative_to(os.path.realpath(loaded.folder)):
        return
    home = os.path.expanduser("~")  # noqa: PTH111 - an account without one is no error here
    closed = _really(*_OF_THE_SYSTEM, *(ROOT / each for each in _OF_THE_HUB))
    whole = _really(*_OF_MANY, ROOT, home)
    if any(real.is_relative_to(each) for each in closed) or any(
        each.is_relative_to(real) for each in (*closed, *whole)
    ):
        file = loaded.folder / "site.yaml"
        raise ConfigurationError(
            f"SYSTEM_FOLDER：{folder} 是系统、用户主目录或枢纽自身的目录，不能用来交换文件",
            f"SYSTEM_FOLDER: {folder} is the system's, a user's home or the hub's own: no folder "
            "to exchange files in",
            remedy_zh="换成专用的目录，如 /srv/exchange/… 或 /var/lib/hub/… 下的一个",
            remedy_en="name a folder made for it, such as one below /srv/exchange or /var/lib/hub",
            file=str(file),
            line=line_in(file, place),
        )


def _exchange_places(site: Site) -> Iterator[tuple[tuple[str | int, ...], Path]]:
    """Every folder in which files are exchanged, with its place in `site.yaml`."""
    for number, department in enumerate(site.departments):
        for count, source in enumerate(department.files):
            yield ("departments", number, "files", count, "inbox"), source.inbox
            yield ("departments", number, "files", count, "results"), source.results
    for number, target in enumerate(site.targets):
        if target.drop is not None:
            yield ("targets", number, "drop", "folder"), target.drop.folder


def _shared(
    loaded: LoadedSite, place: tuple[str | int, ...], one: str, other: str
) -> ConfigurationError:
    file = loaded.folder / "site.yaml"
    return ConfigurationError(
        f"目录 {one} 与 {other} 相同或互相包含",
        f"{one} and {other} are one folder, or one lies in the other",
        remedy_zh="每个来源的收件、结果和每个平台的投递目录各用一个，"
        "互不包含，也不含站点读取的文件（规则、日历、映射、数据库来源）和秘密文件",
        remedy_en="give each inbox, each results folder and each platform's drop folder a place of "
        "its own, none inside another, none around a file the site reads (rulebook, calendar, "
        "mapping, database source) or a secret",
        file=str(file),
        line=line_in(file, place),
    )
