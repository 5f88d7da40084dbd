"""The case files: what their keys mean, read strictly.

A key nobody knows, a word that is none of the list or a case without its source is refused with
file and line. Keys are English as in a rulebook; titles, sources and words are Chinese.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from hub.domain.rulebook import DeadlineRule, PublicationRule, Role
from hub.io.typed_yaml import StrictModel, read_typed
from tests.driver.rows import at

FOLDER = Path(__file__).parent
PENDING = FOLDER / "pending.yaml"
"""Cases of rules that the registrar learns next; see `test_law`."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


def _moment(value: object) -> object:
    """Business milliseconds of `2026-11-02` (ten in the morning) or `2026-11-02 23:59`."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return at(f"{value} 10:00")
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return at(value)
    message = f"{value!r}: a day (2026-11-02) or a time of a day (2026-11-02 23:59) was expected"
    raise ValueError(message)


Moment = Annotated[int, BeforeValidator(_moment)]
Seriousness = Literal["轻微", "一般", "严重", "无"]
Dates = dict[str, date]
"""Target → due date."""


class CasePlatform(StrictModel):
    """A platform of a file's own; without any a file has 省平台 (reports) and 市网站 (shows)."""

    name: str
    role: str
    public: bool


class SiteRules(StrictModel):
    """Rules that a site adds to the national ones."""

    roles: tuple[Role, ...] = ()
    deadlines: tuple[DeadlineRule, ...] = ()
    publication_periods: tuple[PublicationRule, ...] = ()


class Event(StrictModel):
    """What happens next, and when.

    接收 and 公示 (a platform has taken the row over, has shown it), 已撤下 (no longer shows it) ·
    更正 (a declared correction), 重报 (the row again, undeclared) · 撤回 · 退出名单 ·
    履行认定 (a commitment was performed) · 放假通知 (a notice is loaded) · 等待 (time passes).
    """

    event: Literal[
        "接收", "公示", "已撤下", "更正", "重报", "撤回", "退出名单", "履行认定", "放假通知", "等待"
    ]
    at: Moment
    #: Platforms that report; with `version` of an earlier version, with `since`, since that time.
    targets: tuple[str, ...] = ()
    version: int = 0
    since: Moment | None = None
    #: What the corrected row says instead.
    seriousness: Seriousness | None = Field(default=None, alias="class")
    decided_on: date | None = None
    publish_until: date | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    #: The date on which an authority determined the class again, as the correction states it.
    redetermined_on: date | None = None
    notice: dict[str, Any] | None = None


class Expectation(StrictModel):
    """What must hold at the end. What is not written must not be: no clock, no warning."""

    #: Answer to the last submission.
    outcome: Literal["接受", "更正", "撤下", "隔离"]
    shown_at: tuple[str, ...]
    taken_down_at: tuple[str, ...] = ()
    #: Due dates that still run.
    disclose: Dates = Field(default_factory=dict)
    correct: Dates = Field(default_factory=dict)
    withdraw: Dates = Field(default_factory=dict)
    #: Last day of publication.
    ends_on: Dates = Field(default_factory=dict)
    provisional: bool = False
    estimated: bool = False
    #: Reason codes of the last submission.
    says: tuple[str, ...] = ()


class LawCase(StrictModel):
    """One row of a department, what happens to it, and what is owed then."""

    title: str = Field(min_length=1)
    #: The text that says so; `is_verified` as in a rulebook.
    source: str = Field(min_length=1)
    is_verified: bool
    by: Literal["市场监管", "住房建设", "法院"] = "市场监管"
    kind: Literal["行政许可", "行政处罚", "失信被执行人", "信用承诺"]
    #: 决定日期, or 发布日期 of a listing, or 承诺作出日期.
    decided_on: date
    arrives: Moment
    seriousness: Seriousness = Field(default="无", alias="class")
    procedure: Literal["简易", "普通", "无"] = "无"
    #: 公示截止期, as submitted.
    publish_until: date | None = None
    #: Columns of the row that are otherwise than in the sample, by their code.
    columns: dict[str, str] = Field(default_factory=dict)
    #: Targets whose clocks begin with decisions of a day.
    clock_from: Dates = Field(default_factory=dict)
    then: tuple[Event, ...] = ()
    expect: Expectation

    @model_validator(mode="after")
    def _says_how_long_a_penalty_is_shown(self) -> Self:
        """The column 公示截止期 is required, and of penalties alone."""
        if (self.kind == "行政处罚") != (self.publish_until is not None):
            message = f"{self.title}: publish_until belongs to 行政处罚, and is required there"
            raise ValueError(message)
        return self


class CaseFile(StrictModel):
    """Cases of one subject, with the targets and rules they need beyond the usual ones."""

    title: str
    rules: SiteRules = SiteRules()
    targets: tuple[CasePlatform, ...] = ()
    cases: tuple[LawCase, ...] = Field(min_length=1)


def read_cases(path: Path) -> CaseFile:
    """Read a file of cases; `ConfigurationError` names file and line of a mistake."""
    return read_typed(path, CaseFile)


def case_files() -> list[Path]:
    """Every file of cases that must hold today."""
    return [path for path in sorted(FOLDER.glob("*.yaml")) if path != PENDING]
