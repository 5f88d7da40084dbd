"""The file that describes a database source: one table of a department, row by row.

```yaml
url: postgresql://hub_reader@10.1.2.3:5432/exchange      # or mariadb://, mysql://
password_file: ../secrets/exchange.password
table: t_licence
key: [id]                                   # what names a row
stamp: {column: update_time, overlap_seconds: 600}       # or: outbox: {id: seq}
rows:                                       # the form of a mapping file: connectors/mapping.py
  kind: licence.granted.v1
  fields: {XK_WSH: licence_no, XK_JDRQ: decided_on}
withdrawn: {column: status, values: [revoked], reason: revoke_reason}
corrected: {reason: change_reason}
result: {table: hub_result}
compare_at: "02:30"
```

docs/database-sources.md says what each key means, and gives the DDL.
"""

from datetime import time
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, field_validator, model_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from connectors.mapping import Mapping, check_names
from hub.io.secret import read_secret
from hub.io.typed_yaml import StrictModel, read_typed

DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
}
_CLOCK_PARTS: Final = 2


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _texts(value: object) -> object:
    """YAML reads an unquoted `1` or `true` as something else; what a column says is text."""
    if isinstance(value, list):
        return [str(each) for each in value]
    return value


def _checked_url(text: str) -> str:
    """Raises `ValueError` for another dialect, and for a password, however it is written."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("not a URL: postgresql://USER@HOST:PORT/DATABASE") from None
    if url.drivername not in DRIVERS:
        raise ValueError(f"unknown dialect; one of {', '.join(DRIVERS)}")
    if url.password is not None or any("pass" in name.casefold() for name in url.query):
        raise ValueError("口令不能写在这里 / the password belongs into password_file")
    return text


Columns = Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]


class Stamp(StrictModel):
    """Rows are found by the date and time of their last change.

    Of several columns the first that is not null counts. The overlap must be longer than the
    longest transaction that writes the table, and than the writers' clocks differ.
    """

    column: Columns
    overlap_seconds: Annotated[float, Field(ge=0, le=30 * 86_400)] = 600.0


class Outbox(StrictModel):
    """Rows are events with an increasing number; none is ever changed.

    A number that was skipped may still be committed for so long.
    """

    id: str
    settle_seconds: Annotated[float, Field(ge=0, le=86_400)] = 120.0


class Withdrawn(StrictModel):
    """A row whose `column` says one of `values` takes back the record it describes."""

    column: str
    values: Annotated[tuple[str, ...], BeforeValidator(_texts), Field(min_length=1)]
    reason: str = ""
    """Column with the reason, in words."""


class Corrected(StrictModel):
    """A row with text in `reason` is a declared correction of its record."""

    reason: str


class KindColumn(StrictModel):
    """Rows of several kinds in one table: what the column says chooses the mapping."""

    column: str
    rows: Annotated[dict[str, Mapping], Field(min_length=1)]


class ResultTable(StrictModel):
    """Where the hub's answers are written."""

    table: str
    url: str = ""
    """When it is not the database of the rows."""
    password_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _known_and_without_password(cls, text: str) -> str:
        return _checked_url(text) if text else text


class TableFile(StrictModel):
    """One database source."""

    url: str
    password_file: Path | None = None
    table: str
    """With its schema, where that is not the connection's own: `exchange.t_licence`."""
    key: Columns
    stamp: Stamp | None = None
    outbox: Outbox | None = None
    rows: Mapping | None = None
    kinds: KindColumn | None = None
    withdrawn: Withdrawn | None = None
    corrected: Corrected | None = None
    result: ResultTable | None = None
    compare_at: str = ""
    """Time of day, Beijing, of the comparison of the whole table; empty: never."""
    keeps_rows: bool = True
    """False: the department clears rows away once they were read."""
    poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    page_rows: Annotated[int, Field(ge=2, le=10_000)] = 1000
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    note: str = ""

    @field_validator("url")
    @classmethod
    def _known_and_without_password(cls, text: str) -> str:
        return _checked_url(text)

    @field_validator("compare_at")
    @classmethod
    def _time_of_day(cls, text: str) -> str:
        if text and (len(text.split(":")) != _CLOCK_PARTS or time.fromisoformat(text) is None):
            raise ValueError("a time of day: 02:30")
        return text

    @model_validator(mode="after")
    def _one_way_each(self) -> "TableFile":
        if (self.stamp is None) == (self.outbox is None):
            raise ValueError("stamp 与 outbox 二选一 / give either `stamp` or `outbox`")
        if (self.rows is None) == (self.kinds is None):
            raise ValueError("rows 与 kinds 二选一 / give either `rows` or `kinds`")
        return self

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """Every mapping of the source."""
        if self.kinds is not None:
            return tuple(self.kinds.rows.values())
        return () if self.rows is None else (self.rows,)

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns a row's content is made of, in a fixed order; key and stamp are not."""
        named = {header for mapping in self.mappings for header in mapping.headers}
        if self.kinds is not None:
            named.add(self.kinds.column)
        if self.withdrawn is not None:
            named |= {self.withdrawn.column, self.withdrawn.reason}
        if self.corrected is not None:
            named.add(self.corrected.reason)
        named.discard("")
        return tuple(sorted(named))

    @property
    def order(self) -> tuple[str, ...]:
        """The columns rows are ordered by: the stamp's, or the outbox's number."""
        if self.outbox is not None:
            return (self.outbox.id,)
        return () if self.stamp is None else self.stamp.column

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the source reads."""
        return tuple(dict.fromkeys((*self.key, *self.order, *self.cells)))


def read_table_file(path: Path, known: dict[str, frozenset[str]]) -> TableFile:
    """Read the description of a source; `known` gives the field names of each kind.

    Raises `ConfigurationError` naming file and line.
    """
    described = read_typed(path, TableFile)
    if described.rows is not None:
        check_names(path, described.rows, known, ("rows",))
    if described.kinds is not None:
        for value, mapping in described.kinds.rows.items():
            check_names(path, mapping, known, ("kinds", "rows", value))
    return described


def address_of(path: Path, url: str, password_file: Path | None) -> URL:
    """Return the address with driver and password; `path` is the file that names them.

    Raises `ConfigurationError` when the password file cannot be read.
    """
    address = make_url(url)
    address = address.set(drivername=DRIVERS[address.drivername])
    if password_file is None:
        return address
    secret = read_secret(
        path.parent / password_file,
        remedy_zh="核对 password_file 的路径（相对于来源文件所在目录）与权限，文件中只写口令",
        remedy_en="check path (from the source file's folder) and permission; the password alone",
    )
    return address.set(password=secret.reveal())
