"""The benchmarks' own site and rows are such as the hub accepts."""

from itertools import islice
from pathlib import Path

from bench.sample_site import RECORD_BYTES, submissions, write_site
from hub.config.repository import ROOT, load_repository_contracts
from hub.contracts import Fault


def test_the_site_of_the_benchmarks_is_read_and_states_both_kinds(tmp_path: Path) -> None:
    """A rule for sites that this one breaks would end every benchmark at its start."""
    site = write_site(tmp_path / "site", ROOT, 4).site
    assert [target.id for target in site.targets] == ["province", "city"]
    assert len(site.departments[0].states) == 2


def test_the_rows_of_the_benchmarks_are_of_one_size_and_one_in_five_repeats() -> None:
    """The figure of a record's size is true, and so is that of the duplicates."""
    contracts = load_repository_contracts()
    rows = list(islice(submissions(contracts.by_kind["licence.granted.v1"], 100), 100))
    assert all(abs(len(value) - RECORD_BYTES) <= 1 for _key, value in rows)
    assert len({value for _key, value in rows}) == 80
    assert not any(isinstance(contracts.decode_framed(value), Fault) for _key, value in rows)
