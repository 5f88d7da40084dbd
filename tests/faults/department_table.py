"""A department's table in PostgreSQL: rows appear in waves, later some change, some are revoked.

Rows change only when the versions before them were submitted, so that each version must be there.
"""

from typing import Final

import psycopg
import sqlalchemy as sa
from psycopg import sql

from bench.sample_site import companies
from tests.unit.connectors.test_results import DDL

SOURCE_FILE: Final = """\
url: {url}
password_file: department.password
table: t_licence
key: id
stamp: {{column: touched, overlap_seconds: 60}}
rows:
  kind: licence.granted.v1
  fields:
    XK_XDR_MC: who
    XK_XDR_LB: {{always: 法人及非法人组织}}
    XK_XDR_SHXYM: code
    XK_FRDB: {{always: 甲某}}
    XK_XKWS: {{always: 食品经营许可决定书}}
    XK_WSH: "number"
    XK_XKLB: {{always: 普通}}
    XK_NR: content
    XK_JDRQ: decided
    XK_YXQZ: decided
    XK_YXQZI: {{always: "2031-11-30"}}
    XK_XKJG: {{always: 审批局}}
    XK_XKJGDM: authority
    XK_ZT: {{always: "1"}}
    XK_LYDW: {{always: 审批局}}
    XK_LYDWDM: authority
withdrawn: {{column: status, values: [revoked], reason: why}}
corrected: {{reason: why}}
result: {{table: t_licence_result}}
poll_seconds: 0.1
page_rows: 40
"""
SOURCE: Final = "licences"
IN_WAVE: Final = 60
CORRECTED, REVOKED = range(80), range(80, 105)
TOUCHED = range(105, 110)
"""Rows written again as they were: nothing new."""


class DepartmentTable:
    """The table, in a database of its own, and the table of answers beside it."""

    authority = "11330900MA0002010D"

    def __init__(self, dsn: str) -> None:
        address = sa.make_url(dsn)
        self.password = str(address.password or "")
        self.url = address._replace(password=None).render_as_string()
        self._dsn = dsn
        self._rows = 0
        self.has_changed = False
        with psycopg.connect(self._dsn) as session:
            session.execute(
                "CREATE TABLE t_licence (id BIGINT PRIMARY KEY, who TEXT, code TEXT, number TEXT,"
                " content TEXT, decided DATE, authority TEXT, status TEXT, why TEXT,"
                " touched TIMESTAMP(6))"
            )
            session.execute(DDL.format("t_licence_result").encode())

    @property
    def submissions(self) -> int:
        """Row versions that must have been submitted by now."""
        return self._rows + (len(CORRECTED) + len(REVOKED)) * self.has_changed

    def add(self) -> None:
        """Let the rows of a wave appear, in one transaction."""
        codes = companies(900)
        new = range(self._rows, self._rows + IN_WAVE)
        with psycopg.connect(self._dsn) as session:
            session.cursor().executemany(
                "INSERT INTO t_licence VALUES (%s, %s, %s, %s, '食品经营', '2026-12-01', %s,"
                " 'valid', NULL, localtimestamp)",
                [
                    (n, f"舟山示例{n}有限公司", codes[700 + n], f"审批许〔2026〕{n:05}号",
                     self.authority)
                    for n in new
                ],
            )  # fmt: skip
        self._rows += IN_WAVE

    def change(self) -> None:
        """Correct some rows, revoke some, write some as they were."""
        with psycopg.connect(self._dsn) as session:
            for rows, columns in (
                (CORRECTED, sql.SQL("content = '零售', why = '录入错误',")),
                (REVOKED, sql.SQL("status = 'revoked', why = '依法撤销',")),
                (TOUCHED, sql.SQL("")),
            ):
                statement = sql.SQL(
                    "UPDATE t_licence SET {} touched = localtimestamp WHERE id BETWEEN %s AND %s"
                )
                session.execute(statement.format(columns), (rows[0], rows[-1]))
        self.has_changed = True

    def answers(self) -> list[tuple[object, ...]]:
        """The answers, without times: row, number, outcome, reasons, version."""
        with psycopg.connect(self._dsn) as session:
            return session.execute(
                "SELECT row_key, submission, outcome, reason_codes, version FROM t_licence_result"
                " ORDER BY submission"
            ).fetchall()
