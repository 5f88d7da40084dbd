"""The site and the rows the benchmarks run on: synthetic codes, invented texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub.adapters.clocks import write_business_clock
from hub.config.site import LoadedSite, load_site
from hub.domain.credit_code import check_credit_code, organisation_part_is_valid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hub.contracts import Contract

AUTHORITY = "11330900MA0000015E"
DEPARTMENT = "market-supervision"
STREAM = b"market-supervision/files"
RECORD_BYTES = 335
"""Size of a licence of required fields with short texts, to a byte: that of the bar."""
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_KINDS = ["licence.granted.v1", "penalty.imposed.v1"]


def write_site(
    folder: Path, repository: Path, partitions: int, province_url: str = "http://127.0.0.1:9"
) -> LoadedSite:
    """A site folder with one department, a province and a city site."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sealing.key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    (folder / "province.token").write_text("bench\n")
    noon = datetime(2026, 11, 20, 4, tzinfo=UTC)
    # nothing falls due during a run: what is measured is submissions
    write_business_clock(folder / "business-clock.json", int(noon.timestamp() * 1000), factor=1)
    site = {
        "site": "bench",
        "name_zh": "基准测试",
        "prefix": "bench.",
        "partitions": partitions,
        "rulebook": str(repository / "deploy/rulebooks/national-2026.yaml"),
        "calendar": str(repository / "deploy/calendars/cn-2007-2026.json"),
        "sealing_key_file": "sealing.key",
        "business_clock": "business-clock.json",
        "departments": [
            {
                "id": DEPARTMENT, "name_zh": "示例局", "authorities": [AUTHORITY],
                "states": _KINDS,
            },
        ],
        "targets": [
            {
                "id": "province", "name_zh": "省平台", "number": 0, "kind": "http",
                "role": "report", "public": False, "clearance": ["public", "government"],
                "kinds": _KINDS, "url": province_url, "token_file": "province.token",
                "concurrency": 64,
            },
            {
                "id": "city", "name_zh": "市网站", "number": 1, "kind": "kafka",
                "role": "display", "public": True, "clearance": ["public"], "kinds": _KINDS,
            },
        ],
    }  # fmt: skip
    (folder / "site.yaml").write_text(json.dumps(site, ensure_ascii=False), encoding="utf-8")
    return load_site(folder)


def companies(count: int) -> list[str]:
    """Valid synthetic credit codes, on both layers (GB 32100 and GB 11714)."""
    found: list[str] = []
    for number in range(10 * count):
        organisation = f"91330900MA{number:06d}"
        for check in _ALPHABET:
            if organisation_part_is_valid(organisation + check + "0"):
                found += [
                    code
                    for last in _ALPHABET
                    if not check_credit_code(code := organisation + check + last)
                ]
        if len(found) >= count:
            break
    return found[:count]


def submissions(contract: Contract, count: int, first: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """(key, framed licence) of `RECORD_BYTES` each; every fifth repeats the one before it."""
    codes = companies(2_000)
    last = (b"", b"")
    for n in range(first, first + count):
        if n % 5 == 4:  # noqa: PLR2004 - 20 % duplicates
            yield last
            continue
        code = codes[n % len(codes)]
        day = f"2026-11-{16 + n % 5}"
        row = {
            "XK_XDR_MC": f"示例{n % len(codes)}号贸易公司", "XK_XDR_LB": "法人及非法人组织",
            "XK_XDR_SHXYM": code, "XK_FRDB": "甲某", "XK_XKWS": "食品经营许可决定书",
            "XK_WSH": f"示许〔2026〕{n:06d}号", "XK_XKLB": "普通", "XK_NR": "", "XK_JDRQ": day,
            "XK_YXQZ": day, "XK_YXQZI": "2031-11-01", "XK_XKJG": "示例局",
            "XK_XKJGDM": AUTHORITY, "XK_ZT": "1", "XK_LYDW": "示例局", "XK_LYDWDM": AUTHORITY,
        }  # fmt: skip
        room = RECORD_BYTES - len(contract.encode({**row, "XK_NR": "x"})) + 1
        row["XK_NR"] = "食" * (room // 3) + "x" * (room % 3)
        last = (code.encode(), contract.encode(row))
        yield last
