"""Whatever is done to a ledger, verify or replay names it by partition and sequence."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from hub.audit.finding import WHOLE_SITE
from hub.audit.history import read_partition
from hub.audit.streams import SequenceMark, StreamBook
from hub.audit.verify import Verifier
from hub.core.basis import basis_id_of, canonical_json
from hub.core.record import (
    NO_KEY,
    Cause,
    CauseKind,
    LedgerRecord,
    Outcome,
    Reason,
    decode_record,
    encode_record,
)
from hub.domain.partitioning import partition_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver, MemoryLog
from tests.driver.rows import DEPARTMENT, LICENCE, OTHER_DEPARTMENT, framed, licence_row
from tests.replay.scenario import (
    PREFIX,
    MemoryInputs,
    company,
    repeat,
    run_scenario,
    submit,
    topics_of,
)
from tests.replay.tampering import forge, ledger_of, places, put_bytes, replay, verify

SUBMISSIONS = f"{PREFIX}submissions.{DEPARTMENT}"


@pytest.fixture(scope="module")
def untouched() -> HubTestDriver:
    """A hub whose ledger has every outcome in it; not to be changed."""
    return run_scenario()


@pytest.fixture
def hub(untouched: HubTestDriver) -> HubTestDriver:
    """Its topics, to be tampered with; it cannot run on."""
    copied = HubTestDriver.__new__(HubTestDriver)
    copied.__dict__.update(untouched.__dict__)
    copied.log = MemoryLog()
    copied.log.logs.update({place: list(log) for place, log in untouched.log.logs.items()})
    return copied


@pytest.fixture
def live() -> HubTestDriver:
    """A hub with the same ledger that can run on."""
    return run_scenario()


def first_of(hub: HubTestDriver, outcome: Outcome, partition: int = 1) -> LedgerRecord:
    """The first record with this outcome."""
    return next(r for r in hub.ledger(partition) if r.outcome is outcome)


def a_quarantined(hub: HubTestDriver) -> LedgerRecord:
    """The first one that was quarantined as the first answer to its number."""
    return next(
        r for r in hub.ledger(1) if r.outcome is Outcome.QUARANTINED and r.submission_key != NO_KEY
    )


def test_every_outcome_comes_up_in_the_scenario(hub: HubTestDriver) -> None:
    """All there is, besides walks, losses, deleted inputs and the end of a partition."""
    walks = {
        Outcome.RESEND_REQUESTED, Outcome.REDECISION_REQUESTED, Outcome.RESENT,
        Outcome.REPROJECTED, Outcome.WALKED, Outcome.LOSS_ACCEPTED,
    }  # fmt: skip
    others = {Outcome.MAP_CHANGED, Outcome.INPUT_LOST}
    assert {r.outcome for r in hub.ledger()} == set(Outcome) - walks - others


def test_an_untouched_ledger_is_verified_and_replayed_to_equal_bytes(hub: HubTestDriver) -> None:
    """Nothing differs, every record is decided again, and what was read is the sum."""
    verified, replayed = verify(hub), replay(hub)
    assert (verified.differences.kept, replayed.differences.kept) == ([], [])
    assert sum(p.replayed for p in replayed.partitions) == len(hub.ledger())
    assert replayed.declared == ()
    submitted = sum(len(hub.log.logs[SUBMISSIONS, p]) for p in range(2))
    assert verified.departments[DEPARTMENT].read == submitted
    assert sum(verified.departments[DEPARTMENT].outcomes.values()) == submitted


def test_a_ledger_record_survives_being_read_and_written(hub: HubTestDriver) -> None:
    """Decoding loses nothing: a record packed again has the same bytes."""
    for partition in range(2):
        for stored in hub.raw_ledger(partition):
            assert encode_record(decode_record(stored.value)) == stored.value


@pytest.mark.parametrize("position", [10, 50, 60, 120, 150, 300])
def test_a_flipped_byte_is_named(hub: HubTestDriver, position: int) -> None:
    """Any byte of a record, even of its cause; a flipped link blames one of the two it joins."""
    raw = bytearray(hub.raw_ledger(1)[20].value)
    raw[position] ^= 0x01
    put_bytes(hub, 1, 20, bytes(raw))
    found_by_verify = places(verify(hub).differences.kept)
    assert ("CHAIN_BROKEN", 1, 20) in found_by_verify
    assert found_by_verify[0][1:] in {(1, 19), (1, 20)}
    (found,) = replay(hub).differences.kept
    assert (found.partition, found.sequence) == (1, 19 if position == 10 else 20)


def test_a_flipped_byte_in_the_last_record_is_found_by_the_replay(hub: HubTestDriver) -> None:
    """Nothing is chained to the last record yet; deciding again needs no successor."""
    last = len(hub.raw_ledger(0)) - 1
    raw = bytearray(hub.raw_ledger(0)[last].value)
    raw[66] ^= 0x01  # the targets named
    put_bytes(hub, 0, last, bytes(raw))
    assert places(replay(hub).differences.kept) == [("REPLAY_DIFFERS", 0, last)]


def test_a_removed_record_is_named(hub: HubTestDriver) -> None:
    """By the sequence that is missing; its submission has no outcome any more."""
    gone = a_quarantined(hub)
    del ledger_of(hub, 1)[gone.sequence]
    found = places(verify(hub).differences.kept)
    assert found[0] == ("SEQUENCE_NOT_NEXT", 1, gone.sequence)
    assert "INPUT_WITHOUT_RECORD" in {code for code, _partition, _sequence in found}
    assert places(replay(hub).differences.kept) == [("SEQUENCE_NOT_NEXT", 1, gone.sequence)]


def test_a_record_removed_with_its_traces_is_found_against_the_inputs(hub: HubTestDriver) -> None:
    """Numbered and chained anew, the ledger is whole in itself; the input topic remembers."""
    gone = a_quarantined(hub)

    def change(records: list[LedgerRecord]) -> None:
        del records[gone.sequence]

    forge(hub, 1, change)
    report = verify(hub)
    codes = {f.code for f in report.differences.kept}
    assert "CHAIN_BROKEN" not in codes
    assert {"INPUT_WITHOUT_RECORD", "STREAM_HAS_GAP", "NOT_CONSERVED"} <= codes
    lost = next(f for f in report.differences.kept if f.code == "INPUT_WITHOUT_RECORD")
    assert lost.detail == f"{gone.cause.topic}[1]@{gone.cause.offset}"


def test_swapped_records_are_named(hub: HubTestDriver) -> None:
    """The first of the two is not the one expected there."""
    log = ledger_of(hub, 1)
    log[30], log[31] = log[31], log[30]
    assert places(verify(hub).differences.kept)[0] == ("SEQUENCE_NOT_NEXT", 1, 30)
    assert places(replay(hub).differences.kept) == [("SEQUENCE_NOT_NEXT", 1, 30)]


def altered_rule() -> dict[str, Any]:
    """The basis with nine working days in the place of seven."""
    document = rows.basis()
    for rule in document["rulebook"]["deadlines"]:
        if rule["id"] == "disclose-424":
            rule["working_days"] = 9
    return document


def changed_calendar() -> dict[str, Any]:
    """The basis with another holiday in December 2026."""
    document = rows.basis()
    (notice,) = [n for n in document["calendar"]["notices"] if n["year"] == 2026]
    notice["days"].append({"name": "元旦", "date": "2026-12-08", "isOffDay": True})
    return document


@pytest.mark.parametrize("document", [altered_rule(), changed_calendar()])
def test_a_basis_altered_within_the_ledger_is_named(
    hub: HubTestDriver, document: dict[str, Any]
) -> None:
    """The document no longer hashes to its id, though all is chained anew."""

    def change(records: list[LedgerRecord]) -> None:
        cause = records[0].cause._replace(value=canonical_json({"basis": document}))
        records[0] = records[0]._replace(cause=cause)

    forge(hub, 0, change)
    assert ("BASIS_ID_WRONG", 0, 0) in places(verify(hub).differences.kept)
    assert places(replay(hub).differences.kept) == [("BASIS_ID_WRONG", 0, 0)]


@pytest.mark.parametrize("document", [altered_rule(), changed_calendar()])
def test_a_basis_exchanged_with_its_id_is_found_by_the_first_decision_it_changes(
    hub: HubTestDriver, document: dict[str, Any]
) -> None:
    """Everything hashes and chains; the deadlines do not follow from the rules."""
    new_id = basis_id_of(canonical_json(document))
    old_id = hub.ledger(0)[0].basis

    def change(records: list[LedgerRecord]) -> None:
        cause = records[0].cause._replace(value=canonical_json({"basis": document}))
        records[0] = records[0]._replace(cause=cause)
        for n, record in enumerate(records):
            sweep = "sweep:" + new_id.hex()
            cause = record.cause
            if cause.topic == "sweep:" + old_id.hex():
                cause = cause._replace(topic=sweep)
            if record.basis == old_id:
                records[n] = record._replace(basis=new_id, cause=cause)

    forge(hub, 0, change)
    first = first_of(hub, Outcome.ACCEPTED, 0)
    (found,) = replay(hub).differences.kept
    assert (found.code, found.sequence) == ("REPLAY_DIFFERS", first.sequence)
    assert found.field.startswith("state.")


def test_what_if_names_the_first_difference_and_the_altered_rule(hub: HubTestDriver) -> None:
    """Decided under another rulebook, the first accepted record has another deadline."""
    report = replay(hub, altered_rule())
    expected = [
        ("REPLAY_DIFFERS", p, first_of(hub, Outcome.ACCEPTED, p).sequence) for p in range(2)
    ]
    assert places(report.differences.kept) == expected
    assert "rulebook.deadlines[disclose-424].working_days: 7 → 9" in report.basis_changes


def test_what_if_names_the_changed_year_of_the_calendar(hub: HubTestDriver) -> None:
    """A holiday more in 2026 moves the first deadline."""
    report = replay(hub, changed_calendar())
    assert {f.code for f in report.differences.kept} == {"REPLAY_DIFFERS"}
    assert any(
        c.startswith("calendar.notices[2026].days[2026-12-08]") for c in report.basis_changes
    )


def test_what_if_tells_the_notices_of_one_year_apart(hub: HubTestDriver) -> None:
    """2020 has two; the second is named by its own id, the first by its year."""
    document = rows.basis()
    for notice in document["calendar"]["notices"]:
        if notice["year"] == 2020:
            notice["papers"] = ["elsewhere"]
    changes = [c for c in replay(hub, document).basis_changes if c.endswith("['elsewhere']")]
    assert [c.partition(":")[0] for c in changes] == [
        "calendar.notices[2020].papers", "calendar.notices[2020-2].papers"
    ]  # fmt: skip


def test_what_if_under_the_same_basis_finds_nothing(hub: HubTestDriver) -> None:
    """Up to the second adoption both are one; a rule nothing was decided by changes nothing."""
    document = rows.basis()
    document["rulebook"]["version"] = "another name"
    while hub.ledger(0)[-1].basis != hub.ledger(0)[0].basis:
        ledger_of(hub, 0).pop()
    while hub.ledger(1)[-1].basis != hub.ledger(1)[0].basis:
        ledger_of(hub, 1).pop()
    report = replay(hub, document)
    assert report.differences.kept == []
    assert report.basis_changes == ("rulebook.version: national-2026.2 → another name",)


def forged_submission(hub: HubTestDriver, partition: int) -> LedgerRecord:
    """A quarantine that nobody's submission caused."""
    pattern = first_of(hub, Outcome.QUARANTINED, partition)
    topic = f"{PREFIX}submissions.{OTHER_DEPARTMENT}"
    cause = Cause(CauseKind.SUBMISSION, topic, 500, b"k", (), b"invented")
    return pattern._replace(
        cause=cause, decided_at=hub.ledger(partition)[-1].decided_at,
        reasons=(Reason("PAYLOAD_UNREADABLE", "", "error"),), basis=hub.ledger(partition)[-1].basis,
    )  # fmt: skip


def test_a_forged_extra_record_with_a_valid_chain_is_named(hub: HubTestDriver) -> None:
    """Its place in the chain is right, but its cause decides to something else."""
    at = len(hub.raw_ledger(1))
    forged = forged_submission(hub, 1)
    forge(hub, 1, lambda records: records.append(forged))
    assert places(replay(hub).differences.kept) == [("REPLAY_DIFFERS", 1, at)]
    assert ("CAUSE_NOT_IN_TOPIC", 1, at) in places(verify(hub).differences.kept)


def test_a_copied_record_with_a_valid_chain_is_named(hub: HubTestDriver) -> None:
    """One cause, one ledger record: the second copy is one too many."""
    at = len(hub.raw_ledger(1))
    copied = first_of(hub, Outcome.ACCEPTED)._replace(
        decided_at=hub.ledger(1)[-1].decided_at, basis=hub.ledger(1)[-1].basis
    )
    forge(hub, 1, lambda records: records.append(copied))
    assert places(replay(hub).differences.kept) == [("REPLAY_DIFFERS", 1, at)]
    assert {("CAUSE_OUT_OF_ORDER", 1, at), ("TWO_PRIMARY_OUTCOMES", 1, at)} & set(
        places(verify(hub).differences.kept)
    )


def test_a_forged_timer_is_silent_when_decided_again(hub: HubTestDriver) -> None:
    """A clock that has nothing to say does not write."""
    at = len(hub.raw_ledger(1))
    forged = first_of(hub, Outcome.OVERDUE)._replace(
        decided_at=hub.ledger(1)[-1].decided_at, basis=hub.ledger(1)[-1].basis
    )
    forge(hub, 1, lambda records: records.append(forged))
    assert places(replay(hub).differences.kept) == [("REPLAY_IS_SILENT", 1, at)]


@pytest.mark.parametrize("part", ["value", "key", "headers"])
def test_a_cause_altered_in_ledger_and_chain_is_found_against_the_input(
    hub: HubTestDriver, part: str
) -> None:
    """What the ledger says came in must be what the topic holds."""
    target = first_of(hub, Outcome.QUARANTINED)
    change = {part: (("x", b"y"),) if part == "headers" else b"other"}

    def alter(records: list[LedgerRecord]) -> None:
        cause = records[target.sequence].cause._replace(**change)  # type: ignore[arg-type] # by name
        records[target.sequence] = records[target.sequence]._replace(cause=cause)

    forge(hub, 1, alter)
    assert ("CAUSE_DIFFERS", 1, target.sequence) in places(verify(hub).differences.kept)


def test_an_altered_input_topic_is_found_even_where_the_ledger_has_a_digest_only(
    hub: HubTestDriver,
) -> None:
    """A duplicate's value is in the topic alone; its digest in the ledger vouches for it."""
    duplicate = first_of(hub, Outcome.DUPLICATE)
    log = hub.log.logs[duplicate.cause.topic, 1]
    log[duplicate.cause.offset] = log[duplicate.cause.offset]._replace(value=b"other")
    assert places(verify(hub).differences.kept) == [("CAUSE_DIFFERS", 1, duplicate.sequence)]
    assert places(replay(hub).differences.kept) == [("CAUSE_DIFFERS", 1, duplicate.sequence)]


def test_what_is_no_longer_retained_is_declared_not_guessed(hub: HubTestDriver) -> None:
    """Duplicates and outsized records cannot be decided again; all others can, and add up."""
    count = len(hub.log.logs[SUBMISSIONS, 0]) + len(hub.log.logs[SUBMISSIONS, 1])
    trimmed = {SUBMISSIONS: count}
    replayed, verified = replay(hub, trimmed=trimmed), verify(hub, trimmed)
    assert replayed.differences.kept == []
    ((finding, declared),) = replayed.declared
    by_digest = [r for r in hub.ledger() if r.value_digest and r.cause.topic == SUBMISSIONS]
    assert (finding.code, declared) == ("VALUE_NOT_RETAINED", len(by_digest))
    assert verified.differences.kept == []
    assert verified.departments[DEPARTMENT].trimmed == count


def test_a_basis_of_another_decider_is_a_declared_difference(hub: HubTestDriver) -> None:
    """This program has one decider; what another one decided is followed, not judged."""
    document = rows.basis() | {"decider": "another"}
    new_id = basis_id_of(canonical_json(document))
    second = [r.sequence for r in hub.ledger(0) if r.outcome is Outcome.BASIS_ADOPTED][-1]

    def change(records: list[LedgerRecord]) -> None:
        value = canonical_json({"basis": document})
        cause = records[second].cause._replace(value=value)
        records[second] = records[second]._replace(cause=cause)
        for n in range(second, len(records)):
            records[n] = records[n]._replace(basis=new_id)

    forge(hub, 0, change)
    report = replay(hub)
    assert report.differences.kept == []
    ((finding, count),) = report.declared
    assert (finding.code, finding.sequence) == ("DECIDER_UNKNOWN", second)
    assert count == len(hub.raw_ledger(0)) - second


def test_what_waits_is_counted_and_is_no_difference(live: HubTestDriver) -> None:
    """Submissions behind the last cause are on their way."""
    submit(live, licence_row(XK_XDR_SHXYM=company(1)))
    report = verify(live)
    assert report.differences.kept == []
    assert (report.waiting, report.departments[DEPARTMENT].waiting) == (1, 1)


def test_what_is_written_during_the_audit_is_left_out(live: HubTestDriver) -> None:
    """An input topic opened early ends before the causes of what is written later."""
    before = live.log.logs[f"{PREFIX}ledger", 1].copy()
    submit(live, licence_row(XK_XDR_SHXYM=next(_companies_of(1))))
    live.run()
    assert len(live.raw_ledger(1)) > len(before)

    class EarlyBounds(MemoryInputs):
        """Says where the ledger ended a moment ago."""

        def bounds(
            self, partitions: Iterable[tuple[str, int]]
        ) -> dict[tuple[str, int], tuple[int, int]]:
            found = super().bounds(partitions)
            if (f"{PREFIX}ledger", 1) in found:
                found[f"{PREFIX}ledger", 1] = (0, len(before))
            return found

    assert list(read_partition(EarlyBounds(live.log), f"{PREFIX}ledger", 1)) == before


def test_a_number_that_arrives_during_the_audit_makes_no_gap(live: HubTestDriver) -> None:
    """Its predecessor may be in a partition that was already read to its end."""
    topics = [(topic, p) for topic in topics_of(live) for p in range(2)]
    ends = {place: len(live.log.logs[place]) for place in topics}
    live._sequences[f"{DEPARTMENT}/test"] += 1
    submit(live, licence_row(XK_XDR_SHXYM=company(1)))
    verifier = Verifier(PREFIX, ends)
    for partition in range(2):
        verifier.partition(partition, MemoryInputs(live.log), topics_of(live))
    assert verifier.report().differences.kept == []


def _companies_of(partition: int) -> Iterator[str]:
    """Credit codes whose records are in this partition."""
    return (c for c in map(company, range(400, 500)) if partition_of(c.encode(), 2) == partition)


def test_a_gap_in_a_stream_is_named(live: HubTestDriver) -> None:
    """A submission that never arrived can only be seen by its number."""
    live._sequences[f"{DEPARTMENT}/test"] += 2
    submit(live, licence_row(XK_XDR_SHXYM=company(1)))
    live.run()
    (found,) = verify(live).differences.kept
    assert (found.code, found.partition) == ("STREAM_HAS_GAP", WHOLE_SITE)
    assert found.detail.endswith("(+1)")


def test_a_quarantined_number_may_be_decided_again_under_another_basis(live: HubTestDriver) -> None:
    """A repeat gets its first receipt, unless its record is quarantined and the basis changed."""
    quarantined = a_quarantined(live)
    number = int(dict(quarantined.cause.headers)["ce_id"])
    live.pipe(
        DEPARTMENT, LICENCE, quarantined.cause.key.decode(), quarantined.cause.value,
        sequence=number, partition=1,
    )  # fmt: skip
    live._sequences[f"{DEPARTMENT}/test"] -= 1
    (again,) = live.run()
    assert again.submission_key == quarantined.submission_key
    assert verify(live).differences.kept == []
    assert replay(live).differences.kept == []


def test_one_number_sent_to_two_partitions_has_two_primary_outcomes(live: HubTestDriver) -> None:
    """No partition can see the other's receipt; verify sees both."""
    accepted = first_of(live, Outcome.ACCEPTED)
    other = next(company(n) for n in range(100, 200) if not partition_of(company(n).encode(), 2))
    row = licence_row(XK_XDR_SHXYM=other)
    repeat(live, row, int(dict(accepted.cause.headers)["ce_id"]))
    live.run()
    assert [f.code for f in verify(live).differences.kept] == ["TWO_PRIMARY_OUTCOMES"]


def test_a_number_of_another_department_s_stream_is_another_submission(
    live: HubTestDriver,
) -> None:
    """The stream's name is in the sender's hand; nobody can use up another's numbers."""
    row = licence_row(XK_XDR_SHXYM=company(300))
    headers = (
        ("ce_type", LICENCE.encode()), ("ce_source", f"{DEPARTMENT}/test".encode()),
        ("ce_id", b"1"),
    )  # fmt: skip
    key = company(300).encode()
    place = partition_of(key, 2)
    live.put(f"submissions.{OTHER_DEPARTMENT}", place, key, framed(LICENCE, row), headers)
    assert live.run()[0].outcome is Outcome.ACCEPTED
    assert verify(live).differences.kept == []


FORGERIES: dict[str, dict[str, Any]] = {
    "OUTCOME_UNFIT": {"outcome": Outcome.DUE_SOON},
    "TIME_WENT_BACK": {"decided_at": 1},
    "BASIS_NOT_IN_FORCE": {"basis": b"?" * 16},
    "REPEAT_WITHOUT_FIRST": {"submission_key": bytes(16)},
}


@pytest.mark.parametrize("code", FORGERIES)
def test_what_does_not_fit_is_named(hub: HubTestDriver, code: str) -> None:
    """A record may be chained and still say what cannot be."""
    place = a_quarantined(hub).sequence

    def change(records: list[LedgerRecord]) -> None:
        records[place] = records[place]._replace(**FORGERIES[code])

    forge(hub, 1, change)
    assert (code, 1, place) in places(verify(hub).differences.kept)


def test_bytes_that_are_no_record_are_named(hub: HubTestDriver) -> None:
    """Both audits say where, neither breaks."""
    put_bytes(hub, 1, 5, b"no record")
    assert ("RECORD_UNREADABLE", 1, 5) in places(verify(hub).differences.kept)
    assert places(replay(hub).differences.kept) == [("RECORD_UNREADABLE", 1, 5)]


def test_a_finding_is_told_in_chinese_first_without_a_payload(hub: HubTestDriver) -> None:
    """Place, code, both languages, what to do; never what somebody submitted."""
    accepted = first_of(hub, Outcome.ACCEPTED)
    value = framed(LICENCE, licence_row(XK_NR="不可外传"))

    def change(records: list[LedgerRecord]) -> None:
        cause = records[accepted.sequence].cause._replace(value=value)
        records[accepted.sequence] = records[accepted.sequence]._replace(cause=cause)

    forge(hub, 1, change)
    (found,) = replay(hub).differences.kept
    text = found.text()
    assert text.startswith(f"台账分区 1 序号 {accepted.sequence}：")
    assert "REPLAY_DIFFERS" in text
    assert "Remedy: " in text
    assert "不可外传" not in text + json.dumps(found.as_json(), ensure_ascii=False)


def test_a_stray_huge_number_costs_one_block() -> None:
    """A sender that starts at ten to the eighteenth must not fill the memory."""
    book = StreamBook()
    book.mark("s", 10**17, SequenceMark.ANSWERED)
    book.require("s", 10**17)
    book.mark("s", 1, SequenceMark.ANSWERED)
    (summary,) = book.summaries()
    assert (summary.last, summary.first_missing) == (10**17, 2)


@pytest.mark.parametrize(("step", "most"), [(10**9, 400), (1, 5)], ids=["apart", "in a row"])
def test_what_a_sender_counts_by_costs_the_auditor_little(step: int, most: int) -> None:
    """Whoever numbers rows by the clock is checked like others; a block of 4 KiB was too much."""
    book = StreamBook()
    tracemalloc.start()
    for number in range(20_000):
        book.mark("s", 1 + number * step, SequenceMark.ANSWERED)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 20_000 * most


def test_waiting_never_hides_an_answer() -> None:
    """A number that is repeated while it waits was answered all the same."""
    book = StreamBook()
    book.mark("s", 1, SequenceMark.ANSWERED)
    assert book.mark("s", 1, SequenceMark.WAITING) is SequenceMark.ANSWERED
    assert book.seen("s", 1) is SequenceMark.ANSWERED
