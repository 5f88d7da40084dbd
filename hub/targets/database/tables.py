"""The tables of a platform's front-end database as they are, and every statement the hub makes.

Nothing here begins or ends a connection or a transaction; what is missing is a `LayoutError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from hub.targets.database.protocol import (
    CONTROL,
    RECEIPTS,
    ReceiptRow,
    RowStanding,
    content_of,
    missing_columns,
    moment_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hub.targets.database.settings import FrontEndDatabase
    from hub.targets.delivery import Delivery, Expected

Receipts = list[tuple[str, ReceiptRow]]
"""Each with the delivery it answers."""


class Records(NamedTuple):
    """A table of records as it is; its columns have their lower-case names as keys."""

    table: sa.Table
    columns: frozenset[str]
    put: tuple[sa.Insert | sa.Update, ...]
    """Statements that write a row, in order; see `_put_statements`."""


class TableLayout(NamedTuple):
    """The tables of records by kind, and the receipts."""

    tables: dict[str, Records]
    receipts: sa.Table


class LayoutError(Exception):
    """A table or column is missing; the text names it."""


def read_layout(connection: sa.Connection, settings: FrontEndDatabase) -> TableLayout:
    """Read the tables as they are. Raises `LayoutError` for what is missing."""
    found: dict[str, Records] = {}
    for name in set(settings.tables.values()):
        table = _read_table(connection, name, CONTROL)
        is_postgres = connection.dialect.name == "postgresql"
        put = _put_statements(table, is_postgres=is_postgres)
        found[name] = Records(table, frozenset(table.c.keys()), put)
    tables = {kind: found[name] for kind, name in settings.tables.items()}
    return TableLayout(tables, _read_table(connection, settings.receipts, RECEIPTS))


def _read_table(connection: sa.Connection, name: str, wanted: Sequence[str]) -> sa.Table:
    """Columns have no type here: the server takes our texts as what its columns are."""
    schema, _dot, table = name.rpartition(".")
    try:
        columns = sa.inspect(connection).get_columns(table, schema=schema or None)
    except sa.exc.NoSuchTableError as error:
        raise LayoutError(f"table {name}") from error
    names = {str(column["name"]).lower(): str(column["name"]) for column in columns}
    missing = [column for column in wanted if column not in names]
    if missing:
        raise LayoutError(f"table {name}: columns {', '.join(missing)}")
    if connection.dialect.name != "postgresql":
        _check_transactional(connection, table, schema)
    return sa.Table(
        table,
        sa.MetaData(),
        *(sa.Column(real, sa.types.NullType(), key=key) for key, real in names.items()),
        schema=schema or None,
    )


def _check_transactional(connection: sa.Connection, table: str, schema: str) -> None:
    """A table that cannot roll back would keep half of a transaction."""
    engine = connection.execute(
        sa.text(
            "SELECT engine FROM information_schema.tables"
            " WHERE table_schema = coalesce(nullif(:schema, ''), database()) AND table_name = :name"
        ),
        {"schema": schema, "name": table},
    ).scalar()
    if engine != "InnoDB":
        raise LayoutError(f"table {table}: engine {engine}, not InnoDB")


def _table_for(layout: TableLayout, kind: str) -> Records:
    records = layout.tables.get(kind)
    if records is None:
        raise LayoutError(f"no table for {kind} in site.yaml")
    return records


def _put_statements(table: sa.Table, *, is_postgres: bool) -> tuple[sa.Insert | sa.Update, ...]:
    """Write a row unless the table holds it already, or a newer one.

    The row is locked until the transaction ends, whichever it is: another transaction with a
    version of the same record, even one whose client is gone, is waited for. MariaDB has no
    condition on what it does with a duplicate: there the row is locked first, then changed.
    """
    c = table.c
    names = [key for key in c.keys() if key != "sent_at"]  # noqa: SIM118  (no dict)
    values: dict[str, Any] = {key: sa.bindparam(f"v_{key}") for key in names}
    values["sent_at"] = sa.text("CURRENT_TIMESTAMP" if is_postgres else "CURRENT_TIMESTAMP(3)")
    if is_postgres:
        insert = postgresql.insert(table).values(values)
        changed = {c[key].name: insert.excluded[key] for key in values if key != "record_key"}
        is_older = _is_older(c, dict(insert.excluded))
        key = [c["record_key"]]
        return (insert.on_conflict_do_update(index_elements=key, set_=changed, where=is_older),)
    lock = mysql.insert(table).values(values)
    name = c["record_key"].name
    change = sa.update(table).where(c["record_key"] == values["record_key"], _is_older(c, values))
    return lock.on_duplicate_key_update({name: c["record_key"]}), change.values(values)


def _is_older(there: sa.ColumnCollection[str, Any], here: Mapping[str, Any]) -> Any:  # noqa: ANN401  (a condition of SQLAlchemy's)
    """Whether the row there gives way to the one here; one without a version always does."""
    version = sa.func.coalesce(there["version"], sa.literal_column("-1"))
    return sa.or_(
        version < here["version"],
        sa.and_(
            version == here["version"],
            sa.func.coalesce(there["send_order"], sa.literal_column("-1")) <= here["send_order"],
            sa.func.coalesce(there["delivery_id"], sa.literal_column("''")) != here["delivery_id"],
        ),
    )


def put_rows(connection: sa.Connection, layout: TableLayout, rows: Sequence[Delivery]) -> None:
    """Write rows, each unless the table holds it already or a newer one."""
    for kind in sorted({row.kind for row in rows}):
        records = _table_for(layout, kind)
        values = [_values_of(records, row) for row in rows if row.kind == kind]
        for statement in records.put:
            connection.execute(statement, values)


def _values_of(records: Records, row: Delivery) -> dict[str, Any]:
    missing = missing_columns(row.fields, records.columns)
    if missing:
        raise LayoutError(f"table {records.table.name}: columns {', '.join(missing)}")
    values: dict[str, Any] = {
        **content_of(row.fields, records.columns),
        "record_key": row.record,
        "delivery_id": row.delivery,
        "version": row.version,
        "send_order": row.sequence,
        "action": row.action,
        "digest": row.digest,
        "reason": row.reason,
    }
    return {f"v_{key}": value for key, value in values.items()}


def standings(
    connection: sa.Connection, layout: TableLayout, ones: Sequence[Delivery | Expected]
) -> dict[str, RowStanding | None]:
    """Return what the tables hold now for the record of each delivery."""
    records: dict[str, RowStanding] = {}
    for kind in sorted({one.kind for one in ones}):
        table = _table_for(layout, kind).table
        wanted = [one.record for one in ones if one.kind == kind]
        names = ("record_key", "delivery_id", "version", "send_order", "digest")
        query = sa.select(*(table.c[name] for name in names))
        for row in connection.execute(query.where(table.c["record_key"].in_(wanted))):
            record, delivery, version, order, digest = row
            records[_text(record)] = RowStanding(
                _text(delivery), _number(version), _number(order), _text(digest)
            )
    return {one.delivery: records.get(one.record) for one in ones}


def _receipt_columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [table.c[name] for name in RECEIPTS]


def receipts_after(
    connection: sa.Connection, table: sa.Table, start: int | None, limit: int
) -> Receipts:
    """Return the next receipts after a number, by number; without one only the last."""
    number = table.c["receipt_id"]
    query = sa.select(*_receipt_columns(table))
    if start is None:
        query = query.where(number.is_not(None)).order_by(number.desc()).limit(1)
    else:
        query = query.where(number > start).order_by(number).limit(limit)
    return _read_receipts(connection.execute(query))


def receipts_about(
    connection: sa.Connection, table: sa.Table, deliveries: set[str], limit: int
) -> Receipts:
    """Return the newest receipts of these deliveries, by number."""
    query = sa.select(*_receipt_columns(table)).where(
        table.c["delivery_id"].in_(sorted(deliveries))
    )
    query = query.order_by(table.c["receipt_id"].desc()).limit(limit)
    return _read_receipts(connection.execute(query))[::-1]


def _read_receipts(rows: Iterable[Any]) -> Receipts:
    return [
        (
            _text(delivery),
            ReceiptRow(
                _number(number), _text(stage), _text(digest), _text(code), _text(message),
                moment_of(at),
            ),
        )
        for number, delivery, stage, digest, code, message, at in rows
    ]  # fmt: skip


def by_delivery(receipts: Receipts) -> dict[str, tuple[ReceiptRow, ...]]:
    """Return the receipts of each delivery, in their order."""
    found: dict[str, list[ReceiptRow]] = {}
    for delivery, receipt in receipts:
        found.setdefault(delivery, []).append(receipt)
    return {delivery: tuple(rows) for delivery, rows in found.items()}


def _number(told: Any) -> int:  # noqa: ANN401  (a column of the platform's)
    """Return a number that the hub or the platform wrote; 0 for anything that is not one."""
    try:
        return int(told)
    except (TypeError, ValueError, OverflowError):
        return 0


def _text(told: object) -> str:
    """CHAR columns are padded with blanks."""
    return str(told).rstrip() if told is not None else ""
