"""A mapping file: how a source with a layout of its own fills the fields of a kind.

```yaml
kind: penalty.imposed.v1
fields:
  CF_WSH: punishNumber                                    # field: header
  CF_JDRQ: {from: decisionDate, date: epoch_seconds}
  XK_WSH: {from: [certificate, item], join: "-"}          # several columns, one field
  XK_XDR_SHXYM: {from: licenceNumber, first: 18}
  XK_ZT: {from: status, codes: {正常: "1", 撤销: "2"}}
  CF_XDR_LB: {always: 法人及非法人组织}
  source_version: updates                                 # a whole number that counts up
person_ids: [身份证号]                                      # a row with one of these is a person's
```

A value that a rule does not fit stays as it is: the registrar judges values, not the connector.
"""

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, model_validator

from hub.errors import ConfigurationError
from hub.io.typed_yaml import StrictModel, line_in, read_typed

_BEIJING: Final = timezone(timedelta(hours=8))
_DIGITS_OF_SECONDS: Final = range(9, 12)
_MOST_DIGITS: Final = 18
MOST_COLUMNS: Final = 16
"""Columns that are joined to one field: each row pays for them."""
LONGEST_TEXT: Final = 4_000
"""Characters of a text that a mapping puts into rows."""
_Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
SOURCE_VERSION: Final = "source_version"
"""A pseudo field: the source's own update order, sent as the header `hub_source_version`.

With it, a row whose status column says valid comes back after it was withdrawn.
"""


class DateStyle(StrEnum):
    """How a source writes days, where it is not year-month-day."""

    AS_WRITTEN = "as_written"
    EPOCH_SECONDS = "epoch_seconds"
    EPOCH_MILLISECONDS = "epoch_milliseconds"
    MONTH_DAY_YEAR = "month_day_year"


def _as_text(value: object) -> object:
    """YAML reads an unquoted `1` as a number; a code is text."""
    if isinstance(value, dict):
        return {str(key): str(entry) for key, entry in value.items()}
    return value


class FieldRule(StrictModel):
    """Where one field comes from: columns or a constant; then cut, translated, read as a day."""

    source: tuple[str, ...] = Field(default=(), alias="from", max_length=MOST_COLUMNS)
    always: Annotated[_Text, BeforeValidator(str)] = ""
    join: _Text = ""
    first: int | None = Field(default=None, ge=1)
    codes: Annotated[dict[str, _Text], BeforeValidator(_as_text)] = Field(default_factory=dict)
    date: DateStyle = DateStyle.AS_WRITTEN

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """Accept a bare header, and a single header under `from`."""
        if isinstance(value, str):
            return {"from": [value]}
        if isinstance(value, dict) and isinstance(value.get("from"), str):
            return {**value, "from": [value["from"]]}
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> "FieldRule":
        if bool(self.source) == bool(self.always):
            raise ValueError("give either `from` (columns) or `always` (a constant)")
        return self

    def value(self, cells: dict[str, str]) -> str:
        """Return the field's text from the cells of one row (header -> text)."""
        if self.always:
            return self.always
        texts = [cells[header] for header in self.source]
        text = texts[0] if len(texts) == 1 else self.join.join(t for t in texts if t.strip())
        if self.first is not None:
            text = text[: self.first]
        text = self.codes.get(text.strip(), text)
        return _day(text, self.date)


class Mapping(StrictModel):
    """One source layout; `kind` is the kind its rows are submitted as."""

    kind: str
    fields: Annotated[dict[str, FieldRule], Field(min_length=1)]
    person_ids: tuple[str, ...] = Field(default=(), max_length=MOST_COLUMNS)
    note: str = ""

    @property
    def headers(self) -> frozenset[str]:
        """Every column the mapping reads; a sheet without all of them is not this layout."""
        named = (header for rule in self.fields.values() for header in rule.source)
        return frozenset((*named, *self.person_ids))


def read_mapping(path: Path, known: dict[str, frozenset[str]]) -> Mapping:
    """Read a mapping file; `known` gives the field names of each kind.

    Raises `ConfigurationError` naming file and line for a typo, an unknown kind or field, and for
    more than a mapping may ask of each row.
    """
    mapping = read_typed(path, Mapping)
    check_names(path, mapping, known)
    return mapping


def check_names(
    path: Path, mapping: Mapping, known: dict[str, frozenset[str]], within: tuple[str, ...] = ()
) -> None:
    """Raise `ConfigurationError` where the mapping in this file names no known kind or field.

    `within` is where the mapping lies in the file; it is the whole file where there is none.
    """
    fields = known.get(mapping.kind)
    if fields is None:
        place, allowed = (*within, "kind"), "; ".join(sorted(known))
        raise _fault(path, place, f"unknown kind {mapping.kind}", allowed)
    for name in mapping.fields:
        if name not in fields and name != SOURCE_VERSION:
            raise _fault(
                path,
                (*within, "fields", name),
                f"{mapping.kind} has no field {name}",
                ", ".join(sorted(fields)),
            )


def _fault(path: Path, place: tuple[str, ...], problem: str, allowed: str) -> ConfigurationError:
    """Point at the line of a key, by its path in the file."""
    return ConfigurationError(
        f"映射文件中的名称不存在：{place[-1]}",
        problem,
        remedy_zh=f"可用的名称：{allowed}",
        remedy_en=f"allowed: {allowed}",
        file=str(path),
        line=line_in(path, place),
    )


def _day(text: str, style: DateStyle) -> str:
    """Return year-month-day where the text is written in `style`, else the text unchanged.

    Epoch times are midnights in Beijing (UTC+8 without summer time since 1992).
    """
    stripped = text.strip()
    if style is DateStyle.MONTH_DAY_YEAR:
        parts = stripped.split("/")
        if len(parts) == 3 and len(parts[2]) == 4 and all(p.isdecimal() for p in parts):  # noqa: PLR2004 - month, day, four-digit year
            return f"{parts[2]}-{parts[0]:0>2}-{parts[1]:0>2}"
        return text
    is_number = len(stripped) <= _MOST_DIGITS and stripped.isascii() and stripped.isdigit()
    if style is DateStyle.AS_WRITTEN or not is_number:
        return text
    seconds = int(stripped) // (1000 if style is DateStyle.EPOCH_MILLISECONDS else 1)
    if len(str(seconds)) not in _DIGITS_OF_SECONDS:
        return text
    return datetime.fromtimestamp(seconds, UTC).astimezone(_BEIJING).date().isoformat()
