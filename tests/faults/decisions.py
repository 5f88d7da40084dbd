"""What a run with kills carries: every way a row can go, in files, one stream for each record.

Nothing is drawn: the same files each time. A connector reads the folders of an inbox in one order,
and the files of a folder by name, so whichever moment a later wave appears in, the order within a
stream is the same.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path

from bench.sample_site import companies
from tests.driver.rows import AUTHORITY, OTHER_AUTHORITY, licence_row, penalty_row
from tests.faults import promises

WAVES = ("licences", "penalties", "corrections", "withdrawals")
FILE_ROWS = 40
MOVES_EVERY = 4
REFUSED_NAME = "平台不收的示例公司"
EXPIRES_ON = "2026-12-20"
DECIDED_ON = "2026-12-01"
Row = dict[str, str]
_SOURCES = {
    "market": (AUTHORITY, 0, 320),
    "housing": (OTHER_AUTHORITY, 400, 120),
}
"""Inbox → authority, first company, licences. `cases` is the inbox of a layout of its own."""
_CASES = 80
_CASE_FIELDS = (*penalty_row(), "CF_AJCXLB")
MAPPING = "\n".join(
    (
        "kind: penalty.imposed.v1",
        "fields:",
        *(f"  {field}: 案件{field}" for field in _CASE_FIELDS),
        "  source_version: 数据版本",
        "",
    )
)
"""A layout of its own, for a source that numbers its updates."""


@cache
def _companies() -> list[str]:
    return companies(900)


def _name(number: int) -> str:
    return REFUSED_NAME if number % 61 == 7 else f"舟山示例{number}有限公司"


def _licence(authority: str, first: int, number: int) -> Row:
    company = first + number // 2 % 160
    return licence_row(
        XK_XDR_SHXYM=_companies()[company],
        XK_XDR_MC=_name(company),
        XK_WSH=f"示许〔2026〕{first}{number:05}号",
        XK_JDRQ=DECIDED_ON,
        XK_YXQZ=DECIDED_ON,
        XK_XKJGDM=authority,
    )


def _penalty(authority: str, first: int, number: int) -> Row:
    row = penalty_row(
        CF_XDR_SHXYM=_companies()[first + number],
        CF_XDR_MC=_name(first + number),
        CF_WSH=f"示罚〔2026〕{first}{number:05}号",
        CF_JDRQ=DECIDED_ON,
        CF_GSJZQ=EXPIRES_ON,
        CF_CFJGDM=authority,
    )
    if number % 8 == 3:
        row["CF_AJCXLB"] = "简易程序"  # accepted, not shown to the public
    return row


def _licences(authority: str, first: int, count: int) -> Iterator[Row]:
    """Good rows, other spellings of earlier ones, other content, and what nobody can accept."""
    for number in range(count):
        row = _licence(authority, first, number)
        yield row
        match number % 16:
            case 2:  # a duplicate in another spelling
                yield row | {"XK_WSH": row["XK_WSH"].replace("〔", "[").replace("〕", "]")}
            case 5:  # other content that nobody declared as a correction
                yield row | {"XK_NR": "另一种经营内容"}
            case 7:
                yield row | {"XK_XDR_SHXYM": row["XK_XDR_SHXYM"][:-1] + "_"}
            case 9:
                yield row | {"XK_JDRQ": "2026年13月40日", "XK_WSH": f"无日期{first}{number}号"}
            case 11:  # a natural person: sealed whole, not enabled
                yield row | {"XK_XDR_LB": "自然人", "XK_XDR_SHXYM": "", "XK_XDR_MC": "某人"}
            case 13:  # an authority that is not the department's
                yield row | {"XK_XKJGDM": "11330900MA00004453", "XK_WSH": f"越权{number}号"}


def _penalties(authority: str, first: int, count: int) -> Iterator[Row]:
    for number in range(count * 5 // 8):
        row = _penalty(authority, first, number)
        yield row
        if number % 10 == 4:
            yield row  # word for word
        if number % 10 == 6:
            yield row | {"CF_NR_FK": "十万"}


def _corrections(authority: str, first: int, count: int) -> Iterator[Row]:
    """In place, to another code, to another number; of a record nobody knows."""
    for number in range(0, count, 3):
        row = _licence(authority, first, number) | {"原因": "录入错误"}
        match number // 3 % MOVES_EVERY:
            case 1:
                code = _companies()[-1 - first // 4 - number]
                yield row | {"XK_XDR_SHXYM": code, "原统一社会信用代码": row["XK_XDR_SHXYM"]}
            case 2:
                yield row | {"XK_WSH": row["XK_WSH"] + "更", "原文书号": row["XK_WSH"]}
            case _:
                yield row | {"XK_NR": f"更正后的内容{number}"}
    yield _licence(authority, first, 90_000) | {"原因": "录入错误", "原文书号": "从未报送号"}


def _withdrawals(authority: str, first: int, count: int) -> Iterator[Row]:
    for number in range(1, count, 2):
        row = _licence(authority, first, number)
        yield {
            "种类": "行政许可",
            "文书号": row["XK_WSH"],
            "相对人名称": row["XK_XDR_MC"],
            "统一社会信用代码": row["XK_XDR_SHXYM"],
            "机关代码": authority,
            "原因": "依法撤销" if number % 16 != 15 else "",
        }


def _cases() -> Iterator[Row]:
    """Penalties with the source's own version: every fourth is followed by an older one."""
    for number in range(_CASES):
        penalty = _penalty(AUTHORITY, 600, number)
        row = {f"案件{field}": penalty.get(field, "") for field in _CASE_FIELDS}
        yield row | {"数据版本": "2"}
        if number % 4 == 1:
            yield row | {"案件CF_NR": "旧的内容", "数据版本": "1"}


def _parts(rows: Iterable[Row]) -> Iterator[tuple[int, list[Row]]]:
    left = iter(rows)
    return enumerate(iter(lambda: list(islice(left, FILE_ROWS)), []))


_ROWS: Mapping[str, Callable[[str, int, int], Iterable[Row]]] = {
    "licences": _licences,
    "penalties": _penalties,
    "corrections": _corrections,
    "withdrawals": _withdrawals,
}


def _others(wave: str) -> Mapping[str, Iterable[Row]]:
    """Return `<inbox>/<folder>/<letter>` → rows: commitments, and the court's list."""
    codes = _companies()[300:]
    match wave:
        case "penalties":
            return {
                "service/commitments/a": promises.commitments_made(codes),
                "court/court-listings/a": promises.listings(codes),
            }
        case "corrections":
            return {"service/commitments/b": promises.commitments_performed(codes)}
        case "withdrawals":
            return {"court/court-exits/a": promises.exits(codes)}
    return {}


def files_of(wave: str) -> dict[str, list[Row]]:
    """Return `<inbox>/<folder>/<file>` → rows of one wave."""
    found: dict[str, list[Row]] = {}
    for inbox, (authority, first, count) in _SOURCES.items():
        rows = _ROWS[wave](authority, first, count)
        for number, some in _parts(rows):
            found[f"{inbox}/{wave}/{number:02}.csv"] = some
    if wave == "penalties":
        for number, some in _parts(_cases()):
            found[f"cases/{wave}/{number:02}.csv"] = some
    for name, rows in _others(wave).items():
        for number, some in _parts(rows):
            found[f"{name}{number:02}.csv"] = some
    return found


def submissions_in(wave: str) -> int:
    """How many submissions a wave is: one a row, two where the identity changes."""
    rows = [row for some in files_of(wave).values() for row in some]
    moves = sum(1 for row in rows if "原文书号" in row or "原统一社会信用代码" in row)
    return len(rows) + moves


def write_wave(inboxes: Path, wave: str) -> None:
    """Let a wave's folders appear, each at once with all its files; or files, where it is there."""
    made = inboxes.parent / "made"
    folders = set()
    for name, rows in files_of(wave).items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_table(rows))
        folders.add(Path(name).parent)
    for folder in sorted(folders):
        (inboxes / folder).parent.mkdir(parents=True, exist_ok=True)
        if not (inboxes / folder).exists():
            (made / folder).rename(inboxes / folder)
            continue
        for path in sorted((made / folder).iterdir()):
            path.rename(inboxes / folder / path.name)


def write_full_list(inboxes: Path) -> None:
    """Let the court's whole list of the next morning appear: one submission."""
    path = inboxes / "court/court-snapshots/20261202.csv"
    path.parent.mkdir(parents=True)
    unfinished = inboxes.parent / "made" / path.name
    unfinished.write_bytes(_table(list(promises.full_list(_companies()[300:]))))
    unfinished.rename(path)


def _table(rows: list[Row]) -> bytes:
    headers = list(dict.fromkeys(header for row in rows for header in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, headers, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
