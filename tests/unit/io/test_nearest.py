"""Which records a misspelt statement may have meant."""

from __future__ import annotations

from hub.adapters.postgres.lookups import MOST_NEAR, CaseView, NearRecord, nearest


def case(document: str, name: str = "甲公司") -> CaseView:
    """A withdrawal that waits."""
    return CaseView(
        "waiting", b"w", 0, 1, 0, 1, "record", 2, -1, 0, "", "", None, None, "", None, "market",
        "record.withdrawn.v1", "code", "licence.granted.v1", document, document, name, name, [],
    )  # fmt: skip


def record(document: str, name: str = "甲公司") -> NearRecord:
    """A record of the company."""
    return NearRecord(document.encode(), "code", document, document, name, name, "live")


def test_the_nearest_number_comes_first_and_what_is_far_is_not_named() -> None:
    """All records of a company bear its name: that alone is no nearness."""
    found = nearest(
        case("舟市监许〔2026〕12号"),
        [
            record("浙文旅字第〇九〇号"), record("舟市监许〔2026〕21号"),
            record("舟市监许〔2026〕12-1号"),
        ],
    )  # fmt: skip
    assert [row.document_number for row in found] == [
        "舟市监许〔2026〕12-1号",
        "舟市监许〔2026〕21号",
    ]


def test_of_the_same_number_the_nearer_name_comes_first() -> None:
    """A misspelt name has the number right."""
    found = nearest(
        case("1号", "舟山青禾食品有限公司"),
        [record("1号", "某市无关厂"), record("1号", "舟山青禾食品有限责任公司")],
    )
    assert found[0].subject_name == "舟山青禾食品有限责任公司"


def test_at_most_a_few_are_named() -> None:
    """A list of forty helps nobody."""
    assert len(nearest(case("1号"), [record("1号", str(n)) for n in range(40)])) == MOST_NEAR == 3
