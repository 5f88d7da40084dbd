"""SQLAlchemy Core: one table of a department's database, read in short read-only transactions.

PostgreSQL through psycopg, MariaDB and MySQL through PyMySQL. No message carries a row's content:
of an error of the server only its code is shown, and its text where it is about names.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, NoSuchTableError, SQLAlchemyError

from connectors.database.settings import TableFile
from hub.errors import HubError, SourceError, UnavailableError, missing_extra
from hub.io.postgres_values import UTF8, load_as_written

CONNECT_SECONDS: Final = 10
_REFUSED_AT_THE_DOOR: Final = "password authentication failed"
_BEIJING_SESSION: Final = "+08:00"
_NAMES_AND_RIGHTS: Final = ("28", "3D", "42")
"""SQLSTATE classes of PostgreSQL: authorisation, no such database, names and privileges."""
_NOT_ALLOWED: Final = frozenset({1044, 1045, 1049, 1054, 1142, 1143, 1146, 1370, 1698})
"""The same of MariaDB and MySQL, by error number."""

_DOES_NOT_FIT: Final = ("22", "23502", "23514")
"""A value that a column, a cast or a rule of the table refuses: no later attempt is better."""
_DOES_NOT_FIT_NUMBERS: Final = frozenset({1048, 1264, 1265, 1292, 1364, 1365, 1366, 1406, 4025})

Order = datetime | date | int
"""A stamp, or an outbox's number."""


STAMP_FAULT: Final = "STAMP_NOT_A_TIME"
_FIRST_TO_LAST: Final[tuple[sa.ColumnClause[Any], sa.ColumnClause[Any]]] = (
    sa.literal_column("TIMESTAMP '0001-01-01 00:00:00'"),
    sa.literal_column("TIMESTAMP '9999-12-31 23:59:59.999999'"),
)
"""Between these a stamp can be ordered; infinity, the year 20000 and 0000-00-00 cannot."""


class RawRow(NamedTuple):
    """One row as the driver gives it; `order` None is a row without a stamp.

    `fault` is a reason code for a stamp that is not a time.
    """

    key: tuple[Any, ...]
    order: Order | None
    cells: tuple[object, ...]
    fault: str = ""


class TableState(NamedTuple):
    """State of the table: the database's own clock, the highest stamp or number."""

    clock: datetime
    top: Order | None


class After(NamedTuple):
    """Where the next page begins: behind this row."""

    order: Order | None
    key: tuple[Any, ...]


def make_engine(address: URL, timeout_seconds: int, *, read_only: bool = True) -> Engine:
    """Return an engine; nothing is connected yet.

    Each session gives times in Beijing's zone, may only read (unless `read_only` is false) and lets
    no statement run longer than the time-out. Raises `ConfigurationError` without the driver.
    """
    is_postgres = address.get_backend_name() == "postgresql"
    connect: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
    if is_postgres:
        connect |= UTF8
    else:
        connect |= {
            "charset": "utf8mb4",
            "read_timeout": timeout_seconds + CONNECT_SECONDS,
            "write_timeout": timeout_seconds + CONNECT_SECONDS,
        }
    try:
        engine = sa.create_engine(
            address, connect_args=connect, hide_parameters=True, pool_pre_ping=True, pool_size=1,
            max_overflow=1,
        )  # fmt: skip
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "", "mysql") from None
    statements = (
        _postgres_session(timeout_seconds, read_only=read_only)
        if is_postgres
        else _mariadb_session(address, timeout_seconds, read_only=read_only)
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(session: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
        cursor = session.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        session.commit()
        load_as_written(session, "surrogateescape")

    return engine


def _postgres_session(timeout_seconds: int, *, read_only: bool) -> tuple[str, ...]:
    return (
        f"SET SESSION TIME ZONE INTERVAL '{_BEIJING_SESSION}' HOUR TO MINUTE",
        f"SET statement_timeout = {timeout_seconds * 1000}",
        f"SET default_transaction_read_only = {'on' if read_only else 'off'}",
    )


def _mariadb_session(address: URL, timeout_seconds: int, *, read_only: bool) -> tuple[str, ...]:
    timeout = (
        f"SET SESSION max_statement_time = {timeout_seconds}"
        if address.drivername.startswith("mariadb")
        else f"SET SESSION max_execution_time = {timeout_seconds * 1000}"
    )
    access = "READ ONLY" if read_only else "READ WRITE"
    return (
        f"SET SESSION time_zone = '{_BEIJING_SESSION}'",
        timeout,
        f"SET SESSION TRANSACTION {access}",
    )


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what the driver raises into `SourceError` (a person) or `UnavailableError` (later)."""
    try:
        yield
    except NoSuchTableError:
        raise SourceError(_gone(where)) from None
    except UnicodeError:  # of a key that was read from SQL_ASCII, to be asked for again
        raise SourceError(_no_text(where)) from None
    except DBAPIError as error:
        raise _meaning(where, error) from None
    except SQLAlchemyError as error:
        raise _away(where, type(error).__name__) from None


def _meaning(where: str, error: DBAPIError) -> HubError:
    origin = error.orig
    state, number = getattr(origin, "sqlstate", None) or "", None
    if not state and origin is not None and origin.args and isinstance(origin.args[0], int):
        number = origin.args[0]
    code = str(number or state or type(origin).__name__)
    text = str(origin)
    if number in _NOT_ALLOWED or state.startswith(_NAMES_AND_RIGHTS):
        if isinstance(origin, psycopg.Error):
            said = origin.diag.message_primary or ""  # its details may quote a row
        else:
            said = str(origin.args[-1]) if origin is not None else ""
        return SourceError(_refused(where, code, said))
    if number in _DOES_NOT_FIT_NUMBERS or state.startswith(_DOES_NOT_FIT):
        return SourceError(_unfit(where, code))
    if not state and number is None and _REFUSED_AT_THE_DOOR in text:
        # psycopg gives no SQLSTATE before the session
        return SourceError(_refused(where, "28P01", _REFUSED_AT_THE_DOOR))
    return _away(where, code)


def _refused(where: str, code: str, said: str) -> str:
    return (
        f"数据库拒绝读取 {where}：{said}（{code}）\n"
        f"the database refuses {where}: {said} ({code})\n"
        "处理办法：核对账号、口令、表名、列名与授权（docs/database-sources.zh-CN.md）；"
        "可先运行 hub connector check\n"
        "Remedy: check user, password, table, columns, privileges: hub connector check"
    )


def _unfit(where: str, code: str) -> str:
    return (
        f"{where} 中有数据不合数据库的列或规则（{code}）\n"
        f"a value of {where} does not fit a column or rule of the database ({code})\n"
        "处理办法：结果表按 docs/database-sources.zh-CN.md 的建表语句加宽；"
        "视图由部门修正后重新启动\n"
        "Remedy: widen the result table as in the DDL; a view is for the department to mend; then "
        "start again"
    )


def _no_text(where: str) -> str:
    return (
        f"表 {where} 的主键中有无法识别的编码，不能据此继续读取\n"
        f"a key of {where} is in an unknown encoding: rows cannot be read on from it\n"
        "处理办法：在来源文件中换用数字主键，或请部门把该列转为UTF-8\n"
        "Remedy: name a key of numbers, or ask the department to turn the column into UTF-8"
    )


def _gone(where: str) -> str:
    return (
        f"数据库中没有表 {where}\nthere is no table {where} in the database\n"
        "处理办法：核对 table 与账号的授权；表被改名或删除的，请与部门确认\n"
        "Remedy: check `table` and the user's privileges; ask the department whether it was renamed"
    )


def _away(where: str, code: str) -> UnavailableError:
    return UnavailableError(
        f"数据库暂时不可用（{where}，{code}），稍后自动重试\n"
        f"the database does not answer ({where}, {code}); tried again by itself"
    )


def named_table(name: str, *columns: str) -> sa.TableClause:
    """Return a table by its name, with its schema before a dot."""
    schema, _, plain = name.rpartition(".")
    return sa.table(plain, *(sa.column(column) for column in columns), schema=schema or None)


class SqlTable:
    """The table of one source."""

    def __init__(self, engine: Engine, described: TableFile) -> None:
        self._engine = engine
        self._described = described
        self._table = named_table(described.table, *described.columns)
        columns = self._table.c
        self._keys = [columns[name] for name in described.key]
        self._order = (
            columns[described.order[0]]
            if len(described.order) == 1
            else sa.func.coalesce(*(columns[name] for name in described.order))
        )
        self._is_ordered: sa.ColumnElement[bool] = self._order.is_not(None)
        if described.outbox is None:
            self._is_ordered = self._order.between(*_FIRST_TO_LAST)
            if engine.dialect.name != "postgresql":  # which may hold 2026-02-31
                self._is_ordered &= sa.func.last_day(self._order).is_not(None)
        self._cells = [columns[name] for name in described.cells]

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def column_kinds(self) -> dict[str, str]:
        """Return what each column the source reads is: `text`, `number`, `moment`, `day` and so on.

        Raises `SourceError` when the table or one of the columns is not there.
        """
        schema, _, plain = self._described.table.rpartition(".")
        with self._session() as session:
            listed = sa.inspect(session).get_columns(plain, schema=schema or None)
            found = {each["name"]: kind_of(each["type"]) for each in listed}
            nullable = [each["name"] for each in listed if each.get("nullable", True)]
        missing = [name for name in self._described.columns if name not in found]
        if missing:
            raise SourceError(
                f"表 {self._described.table} 中没有列：{'、'.join(missing)}\n"
                f"the table {self._described.table} has no column {', '.join(missing)}\n"
                "处理办法：与部门核对表结构，修正来源文件中的列名后重新启动\n"
                "Remedy: ask the department; mend the names in the source's file, then start again"
            )
        self._refuse_rows_without_key([name for name in nullable if name in self._described.key])
        return {name: found[name] for name in self._described.columns}

    def _refuse_rows_without_key(self, nullable: Sequence[str]) -> None:
        """No page that begins behind a key finds a row without one: it would never be read."""
        if not nullable:
            return
        columns = self._table.c
        absent = sa.or_(*(columns[name].is_(None) for name in nullable))
        with self._session() as session:
            if session.execute(sa.select(self._keys[0]).where(absent).limit(1)).first() is None:
                return
        raise SourceError(
            f"表 {self._described.table} 中有行的主键列为空（NULL）：{'、'.join(nullable)}\n"
            f"{self._described.table} has rows whose key is NULL: {', '.join(nullable)}\n"
            "处理办法：请部门补齐这些行的主键，或在来源文件中换用不为空的列\n"
            "Remedy: ask the department to fill the key in, or name other columns as the key"
        )

    def standing(self, *, is_zoned: bool) -> TableState:
        """Return clock and highest stamp or number that is one, of one moment."""
        clock = "CURRENT_TIMESTAMP(6)" if is_zoned else "LOCALTIMESTAMP(6)"
        with self._session() as session:
            row = session.execute(
                sa.select(sa.literal_column(clock), sa.func.max(self._order))
                .select_from(self._table)
                .where(self._is_ordered)
            ).one()
        return TableState(row[0], row[1])

    def page(self, low: Order | None, after: After | None) -> list[RawRow]:
        """Return the next rows with order ≥ `low`, in the order of (order, key), behind `after`."""
        order = self._order
        wanted = self._select().order_by(order, *self._keys).where(self._is_ordered)
        if low is not None:
            wanted = wanted.where(order >= low)
        if after is not None:
            wanted = wanted.where(order >= after.order).where(
                sa.or_(order > after.order, self._behind(after.key))
            )
        return self._read(wanted)

    def page_without_stamp(self, after: After | None) -> list[RawRow]:
        """Return the next rows that have no stamp, or none that is a time, by their keys."""
        without = sa.or_(self._order.is_(None), sa.not_(self._is_ordered))
        return self._read(self._by_key(after).where(without))

    def page_by_key(self, after: After | None) -> list[RawRow]:
        """Return the next rows of the whole table, in the order of their keys."""
        return self._read(self._by_key(after))

    def _by_key(self, after: After | None) -> sa.Select[Any]:
        wanted = self._select().order_by(*self._keys)
        return wanted if after is None else wanted.where(self._behind(after.key))

    def _behind(self, key: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Rows whose key comes after this one; spelled out, since MariaDB finds no index else."""
        column, value = self._keys[len(key) - 1], key[-1]
        condition: sa.ColumnElement[bool] = column > value
        for column, value in reversed(list(zip(self._keys, key, strict=True))[:-1]):
            condition = sa.or_(column > value, sa.and_(column == value, condition))
        return condition

    def _select(self) -> sa.Select[Any]:
        return sa.select(*self._keys, self._order, *self._cells).limit(self._described.page_rows)

    def _read(self, wanted: sa.Select[Any]) -> list[RawRow]:
        keys = len(self._keys)
        with self._session() as session:
            return [
                _raw(tuple(row[:keys]), row[keys], tuple(row[keys + 1 :]))
                for row in session.execute(wanted)
            ]

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        with translated(self._described.table), self._engine.connect() as session:
            yield session


def _raw(key: tuple[Any, ...], order: object, cells: tuple[object, ...]) -> RawRow:
    if order is None or isinstance(order, datetime | date | int):
        return RawRow(key, order, cells)
    return RawRow(key, None, cells, STAMP_FAULT)


def kind_of(type_: sa.types.TypeEngine[Any]) -> str:
    """Return the kind of a column: what a change of its type would change in what is read."""
    kinds: tuple[tuple[type[Any], str], ...] = (
        (sa.types.DateTime, "moment"),
        (sa.types.Date, "day"),
        (sa.types.Boolean, "truth"),
        (sa.types.Integer, "integer"),
        (sa.types.Float, "float"),
        (sa.types.Numeric, "decimal"),
        (sa.types.String, "text"),
        (sa.types.LargeBinary, "bytes"),
    )
    for known, kind in kinds:
        if isinstance(type_, known):
            is_zoned = kind == "moment" and getattr(type_, "timezone", False)
            return "zoned moment" if is_zoned else kind
    return "other"
