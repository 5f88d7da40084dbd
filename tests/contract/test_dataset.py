"""The demo's data set: rebuilt to the same bytes, every quirk in it, nobody real in it."""

import csv
import json
import os
import re
from datetime import date, time, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TypedDict

import pytest
import yaml

from demo.build_dataset import HERE, build
from demo.foreseen import foresee
from demo.generator.catalogue import QUIRKS
from demo.generator.columns import OWN_LAYOUT, OWN_VERSION
from demo.generator.departments import DEPARTMENTS
from demo.generator.detectors import DETECTORS
from demo.generator.dice import Dice
from demo.generator.families import COURT, COURT_ID, DUE_ON
from demo.generator.identities import (
    CITIZEN_ID_LIKE_CODE,
    SYNTHETIC_CITIZEN_IDS,
    authority_code,
    registration_number,
    subjects,
)
from demo.generator.reading import DataSet, Place, folded, read_data_set
from demo.generator.working_days import ENDS_ON, STARTS_ON, business_ms, days, is_working
from demo.play import CASE_INBOX
from demo.schedule import read_schedule
from hub.config.site import load_site
from hub.core.record import PRIMARY
from hub.domain.calendar import WorkingCalendar
from hub.domain.credit_code import assess_credit_code, is_citizen_id, is_registration_number
from hub.domain.reasons import REASONS

_SITE = Path(__file__).parents[2] / "deploy" / "sites" / "demo"
_QUIRK_COUNT = 124
_MIDNIGHT = time(0)
_REPRESENTATIVE = re.compile("[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥]某")
_OUTCOMES = {
    "accepted", "corrected", "withdrawn", "duplicate", "superseded", "held", "conflicting",
    "quarantined",
}  # fmt: skip


class Here(TypedDict):
    """How often a quirk is in the data set."""

    count: int
    share: str


class ExpectedAnswer(TypedDict):
    """What the hub must answer."""

    outcome: str
    reasons: list[str]


class QuirkPlace(TypedDict):
    """One place where the quirk is."""

    file: str
    row: int


class QuirkEntry(TypedDict):
    """One quirk of the manifest."""

    id: str
    zh: str
    en: str
    seen: str
    there: str
    here: Here
    expected: ExpectedAnswer
    example: QuirkPlace


@cache
def the_data_set() -> DataSet:
    """The data set of the repository, read once."""
    return read_data_set(HERE)


@cache
def the_manifest() -> dict[str, QuirkEntry]:
    """The quirks of the manifest by id."""
    document = yaml.safe_load((HERE / "manifest.yaml").read_text(encoding="utf-8"))
    return {entry["id"]: entry for entry in document["quirks"]}


def labelled() -> dict[str, set[Place]]:
    """Places the builder meant to be examples of a quirk, from `expected.csv`."""
    found: dict[str, set[Place]] = {}
    with (HERE / "expected.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            for quirk in filter(None, line["quirks"].split(";")):
                found.setdefault(quirk, set()).add((line["file"], int(line["row"])))
    return found


@pytest.mark.parametrize("quirk", [each.id for each in QUIRKS])
def test_each_quirk_of_the_manifest_is_found_in_the_files(quirk: str) -> None:
    """A detector that knows only the files finds as many examples as the manifest promises."""
    entry = the_manifest()[quirk]
    places = DETECTORS[quirk](the_data_set())
    assert len(places) == entry["here"]["count"] > 0
    assert (entry["example"]["file"], entry["example"]["row"]) in places
    assert entry["seen"]
    assert entry["there"]


def test_no_quirk_leaves_the_data_set_unnoticed() -> None:
    """Catalogue, manifest and detectors name the same quirks, and as many as ever."""
    names = {quirk.id for quirk in QUIRKS}
    assert names == set(the_manifest()) == set(DETECTORS)
    assert len(names) == len(QUIRKS) == _QUIRK_COUNT


def test_what_the_builder_spoilt_is_what_the_detectors_find() -> None:
    """Every row the builder calls an example is one in the finished files."""
    for quirk, places in labelled().items():
        hits = set(DETECTORS[quirk](the_data_set()))
        if all(row == 0 for _, row in hits):
            places = {(path, 0) for path, _ in places}  # noqa: PLW2901 - a quirk of whole files
        assert places <= hits, quirk


def test_the_script_rebuilds_the_same_bytes(tmp_path: Path) -> None:
    """Same seed, same bytes: files, schedule, expectations and manifest."""
    build(tmp_path)
    made = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(HERE): p.read_bytes() for p in HERE.rglob("*") if p.is_file()}
    assert made.keys() == kept.keys()
    assert [str(path) for path in made if made[path] != kept[path]] == []


def test_dice_fall_alike_everywhere() -> None:
    """The draws are pinned: another hash or order would silently make another data set."""
    dice = Dice("pinned")
    assert [dice.below(1000) for _ in range(4)] == [189, 851, 297, 319]
    assert Dice("pinned").shuffled("abcd") == Dice("pinned").shuffled("abcd")


def test_there_are_at_least_5000_licences_and_penalties() -> None:
    """The size the demo promises, letters about decisions not counted."""
    ordinary = the_data_set().ordinary
    assert len(ordinary) >= 5000
    assert {row.table for row in ordinary} == {"licence", "penalty"}


def test_every_expected_outcome_and_reason_exists() -> None:
    """The manifest speaks the hub's words, and all of the eight primary outcomes occur."""
    entries = the_manifest().values()
    outcomes = set(chain.from_iterable(e["expected"]["outcome"].split("+") for e in entries))
    assert outcomes == _OUTCOMES == {outcome.name.lower() for outcome in PRIMARY}
    reasons = set(chain.from_iterable(e["expected"]["reasons"] for e in entries))
    assert reasons <= set(REASONS)
    assert len(reasons) >= 30


@pytest.mark.parametrize("quirk", [q.id for q in QUIRKS if q.share * 5600 > 20])
def test_frequent_quirks_have_the_measured_share(quirk: str) -> None:
    """Where the share is large enough to show in 5,600 rows, it is the one counted outside."""
    (measured,) = (float(each.share) for each in QUIRKS if each.id == quirk)
    count = the_manifest()[quirk]["here"]["count"]
    # Brackets and subjects are drawn per company, and companies differ in how many rows they have.
    assert 0.6 < count / (measured * len(the_data_set().ordinary)) < 1.6


def test_the_schedule_lists_every_file_once_in_order_of_time() -> None:
    """The demo drops exactly the files there are, within the four weeks."""
    entries = json.loads((HERE / "schedule.json").read_text(encoding="utf-8"))["files"]
    on_disk = {p.relative_to(HERE / "inbox").as_posix() for p in (HERE / "inbox").rglob("*.*")}
    assert {entry["path"] for entry in entries} == on_disk
    assert len(entries) == len(on_disk)
    times = [entry["drop_at"] for entry in entries]
    assert times == sorted(times)
    midnight = business_ms(STARTS_ON, _MIDNIGHT)
    assert midnight <= times[0] <= times[-1] < midnight + 28 * 86_400_000
    assert business_ms(STARTS_ON, _MIDNIGHT) == 1_789_315_200_000  # 2026-09-13T16:00Z


def test_the_four_weeks_have_the_days_of_the_notice() -> None:
    """The builder's working days are those of the calendar the hub decides under."""
    site = load_site(_SITE)
    notices = json.loads(site.path(site.site.calendar).read_text(encoding="utf-8"))
    calendar = WorkingCalendar.from_mapping(notices)
    month_before = [STARTS_ON - timedelta(days=n) for n in range(1, 40)]
    for day in (*month_before, *days()):
        assert is_working(day) == calendar.is_working_day(day), day
    assert date(2026, 10, 11) == ENDS_ON


def test_the_demo_site_names_the_departments_of_the_data_set() -> None:
    """Departments, their authorities, their inboxes and the case system's columns agree."""
    departments = load_site(_SITE).site.departments
    offices = [each for each in departments if each.kind != "agent"]
    assert {d.id: set(d.authorities) for d in offices} == {
        COURT_ID: {COURT.code},
        **{d.id: {authority.code for authority in d.authorities} for d in DEPARTMENTS},
    }
    inboxes = {source.inbox.as_posix() for d in departments for source in d.files}
    entries = json.loads((HERE / "schedule.json").read_text(encoding="utf-8"))["files"]
    assert inboxes | {f"inbox/{CASE_INBOX}"} == {
        f"inbox/{entry['path'].split('/')[0]}" for entry in entries
    }
    table = yaml.safe_load((_SITE / "sources" / "transport-cases.yaml").read_text("utf-8"))
    assert {header: name for name, header in table["rows"]["fields"].items()} == {
        **OWN_LAYOUT,
        OWN_VERSION: "source_version",
    }


def test_one_promise_falls_due_and_one_exit_is_forgotten() -> None:
    """What the agents are to find in the four weeks: one of each, and nothing in two days."""
    whole = foresee(read_schedule(28), 3)
    assert whole.reminded == {DUE_ON.isoformat()}
    assert len(whole.missing) == len(whole.exits_missing) == 1
    assert foresee(read_schedule(2), 3) == (frozenset(), 0, frozenset(), frozenset())


def test_subjects_are_synthetic_and_valid() -> None:
    """Every generated code passes both checks on bodies that Zhejiang never issued."""
    everyone = subjects(500)
    for subject in everyone:
        assessed = assess_credit_code(subject.credit_code)
        assert assessed.errors == ()
        assert "ORGANISATION_CODE_CHECK" not in assessed.warnings
        assert subject.credit_code[2:6] == "3309"
        assert subject.credit_code[8:11] == "MA0"
    assert len({s.name for s in everyone}) == len({s.credit_code for s in everyone}) == 500
    assert assess_credit_code(authority_code(101)) == (authority_code(101), (), ())
    assert is_registration_number(registration_number(4711))


def test_no_person_is_in_the_data_set() -> None:
    """The only citizen numbers are the synthetic ones; representatives are invented on sight."""
    allowed = {*SYNTHETIC_CITIZEN_IDS, CITIZEN_ID_LIKE_CODE}
    numbers = re.compile(r"(?=(\d{17}[\dXx]))")
    phone = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
    for row in the_data_set().rows:
        for text in row.texts:
            found = {number for number in numbers.findall(text) if is_citizen_id(number)}
            assert found <= allowed
            assert phone.search(text) is None
        name = row.get("FRDB")
        if name and row.texts[0]:  # a shifted row has another cell in this column
            assert _REPRESENTATIVE.fullmatch(name), row.place


@pytest.mark.reference
def test_no_real_company_stands_beside_a_decision() -> None:
    """No name and no code of the public company tables occurs in the data set."""
    names, codes = set(), set()
    for table in sorted(Path(os.environ["HUB_REFERENCE_DATA"]).glob("*.csv")):
        with table.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                names.add(folded(line["企业名称"]))
                codes.add(line["统一社会信用代码"].strip().upper())
    assert len(codes) > 60_000
    for row in the_data_set().rows:
        assert folded(row.get("XDR_MC")) not in names - {""}
        assert row.code not in codes - {""}
