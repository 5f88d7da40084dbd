"""Ids of facts: the matter is found in them, and what is said is covered by them."""

from __future__ import annotations

from hub.domain.fact_ids import FIELD, matter_in, matter_of, with_id


def test_another_day_is_another_fact_of_the_same_matter() -> None:
    """So that no number is ever used for two contents."""
    matter = matter_of("exit_missing", "ab", "1")
    monday, tuesday = (with_id(matter, {"on": day, "x": "1"}) for day in ("02", "03"))
    assert monday[FIELD] != tuesday[FIELD]
    assert {matter_in(each[FIELD]) for each in (monday, tuesday)} == {matter}
    assert len(monday[FIELD]) == 32


def test_the_same_words_have_the_same_id_in_any_order_and_again() -> None:
    """A repeat after a crash is a duplicate."""
    row = {"a": "1", "b": "2"}
    once = with_id(matter_of("m"), row)
    assert with_id(matter_of("m"), dict(reversed(row.items()))) == once
    assert with_id(matter_of("m"), once) == once


def test_fields_do_not_run_into_each_other() -> None:
    """What stands in one field is not what stands in the next."""
    one, other = ({"a": "1", "b": "23"}, {"a": "12", "b": "3"})
    assert with_id("m", one)[FIELD] != with_id("m", other)[FIELD]
