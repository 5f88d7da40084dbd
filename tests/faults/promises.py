"""Commitments and a court's list, and what the hub's own workers must find in them.

Counted by hand: each commitment that is not performed is found so once; each entry that the court's
full list lacks is one exit nobody reported.
"""

from collections.abc import Iterator

from tests.driver.rows import CONTRACTS, DELISTED, LISTED, MADE, commitment_row, exit_row
from tests.driver.rows import listing_row as entry_row

SERVICE = "11330900MA0001018Y"
COMMITMENTS, PERFORMED_EVERY = 120, 12
DUE_ON = "2026-12-15"
LISTINGS, EXITS, STILL_LISTED = 120, 10, 5
UNPERFORMED = COMMITMENTS - COMMITMENTS // PERFORMED_EVERY
EXITS_MISSING = LISTINGS - EXITS - STILL_LISTED
Row = dict[str, str]


def _headed(kind: str, row: Row) -> Row:
    """A row under the headers a clerk's table has."""
    labels = {field.name: field.zh for field in CONTRACTS.by_kind[kind].schema.fields}
    return {labels[name]: text for name, text in row.items()}


def _commitment(number: int, company: str) -> Row:
    return commitment_row(
        commitment_code=f"33090220261201{number:06}",
        promisor_code=company,
        promisor_name=f"舟山示例{number}有限公司",
        committed_on="2026-12-01",
        commitment_valid_to=DUE_ON,
        accepting_unit="政务服务中心",
        accepting_unit_code=SERVICE,
    )


def commitments_made(companies: list[str]) -> Iterator[Row]:
    """Everything promised."""
    for number in range(COMMITMENTS):
        yield _headed(MADE, _commitment(number, companies[number]))


def commitments_performed(companies: list[str]) -> Iterator[Row]:
    """What was kept: the same rows with their status."""
    for number in range(0, COMMITMENTS, PERFORMED_EVERY):
        row = _commitment(number, companies[number]) | {"performance_status": "全部履行"}
        yield _headed("commitment.performed.v1", row)


def _debtor(number: int, companies: list[str]) -> Row:
    return {
        "debtor_code": companies[number],
        "debtor_name": f"舟山示例{number}有限公司",
        "case_number": f"（2026）浙0902执{number}号",
    }


def listings(companies: list[str]) -> Iterator[Row]:
    """The court's entries."""
    for number in range(LISTINGS):
        yield _headed(LISTED, entry_row(**_debtor(number, companies), listed_on="2026-11-30"))


def exits(companies: list[str]) -> Iterator[Row]:
    """Exits the court reports."""
    for number in range(EXITS):
        yield _headed(DELISTED, exit_row(**_debtor(number, companies), exited_on="2026-12-01"))


def full_list(companies: list[str]) -> Iterator[Row]:
    """What the court has on its list the next morning."""
    for number in range(EXITS, EXITS + STILL_LISTED):
        yield _headed(LISTED, entry_row(**_debtor(number, companies), listed_on="2026-11-30"))
