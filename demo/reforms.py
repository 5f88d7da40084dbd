"""The site changes at the end of the play: a merger, and a platform that opens to the public.

Invented: on Sunday 11 October the bureau of natural resources is merged into that of housing and
construction, which takes a licence of its predecessor down the same morning; and the region's
exchange of files opens to the public, so that what may not be published must leave it.
"""

from datetime import date, time
from typing import Any, Final

from demo.account import OutcomeTally
from demo.generator.working_days import business_ms
from demo.stage import DemoEnvironment, drop
from hub.domain import kinds
from hub.operations.control import adopt_basis

REFORMED_AT: Final = business_ms(date(2026, 10, 11), time(10))
"""Business milliseconds: on a day off, no file is due."""
RETIRED: Final = "natural-resources"
SUCCESSOR: Final = "housing-construction"
OPENED: Final = "region"
TAKE_DOWN: Final = f"{SUCCESSOR}/withdrawals/20261011T1100-licences.csv"
"""Under the inboxes, and with `.result.csv` under the results."""
_HEADER: Final = "文书号,相对人名称,统一社会信用代码,类型,机关代码,原因"


def adopt_reforms(stage: DemoEnvironment) -> None:
    """Write the changed site, and adopt it."""
    stage.put_site(reformed)
    adopt_basis(stage.loaded, stage.access)


def reformed(site: dict[str, Any]) -> dict[str, Any]:
    """The site with one department retired, and one target open to the public."""
    departments = [
        one | {"retired": True, "successor": SUCCESSOR} if one["id"] == RETIRED else one
        for one in site["departments"]
    ]
    targets = [one | {"public": True} if one["id"] == OPENED else one for one in site["targets"]]
    return site | {"departments": departments, "targets": targets}


def take_down(stage: DemoEnvironment, account: OutcomeTally) -> bytes:
    """The successor withdraws a licence of its predecessor; return the record's key."""
    wanted = [t.number for t in stage.loaded.site.targets if kinds.LICENCE in t.kinds]
    key, row = min(
        (
            (key, row)
            for key, row in account.rows.items()
            if row.department == RETIRED and row.kind == kinds.LICENCE and row.status == "live"
            if row.version == 1
            if all(account.standing_of(key).get(number) == "published" for number in wanted)
        ),
        key=lambda one: one[1].document_number,
    )
    cells = row.document_number, row.subject_name, row.ledger_key, "行政许可", row.authority_code
    text = f"{_HEADER}\n{','.join(cells)},机构合并后复查，决定撤销\n"
    drop(stage.folder / "inbox" / TAKE_DOWN, text.encode())
    return key
