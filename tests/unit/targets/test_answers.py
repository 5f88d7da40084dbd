"""What a platform's answer means: five meanings, and nothing is guessed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.site import Target
from hub.targets.delivery import (
    Accepted,
    Delivery,
    Expected,
    NeverSeen,
    NotHere,
    Refused,
    Retry,
    Unknown,
    delivery_id,
    digest_of,
    read_moment,
    render_body,
)
from hub.targets.http.protocol import HttpProtocol, HttpResponse, NoAnswer
from hub.targets.topic.protocol import delivery_named, judge_answer, send_record
from hub.workers.carriers import TARGET_KINDS

SENT = Delivery(
    "ab" * 16, "cd" * 16, 3, 7, "publish", "licence.granted.v1", {"XK_WSH": "号"}, "ef", ""
)
EXPECTED = Expected(
    SENT.delivery, SENT.record, SENT.version, SENT.sequence, "publish", SENT.kind, SENT.digest
)
HTTP = HttpProtocol("secret")
interpret_response, interpret_status = HTTP.interpret_response, HTTP.interpret_status
RECEIPT = {
    "delivery": SENT.delivery,
    "receipt": "P-1",
    "stage": "published",
    "at": "2026-11-02T09:00:00.000+08:00",
    "digest": SENT.digest,
}


def answer(status: int, **changes: object) -> HttpResponse:
    """Return an HTTP answer with a receipt, or with what is changed in it."""
    return HttpResponse(status, "", json.dumps(RECEIPT | changes).encode())


def test_a_matching_receipt_is_accepted_with_the_platforms_own_time() -> None:
    """On time is judged by the platform's time, so it is read to the millisecond."""
    expected = Accepted("published", "P-1", 1_793_581_200_000)
    assert interpret_response(answer(200), EXPECTED) == expected
    assert interpret_status(answer(200), EXPECTED) == expected
    assert judge_answer(json.dumps(RECEIPT).encode(), EXPECTED) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"delivery": "00" * 16},
        {"delivery": None},
        {"digest": "00"},
        {"receipt": ""},
        {"receipt": 7},
        {"stage": "withdrawn"},
        {"stage": "sent"},
        {"at": "2026-11-02 09:00"},
        {"at": 5},
    ],
)
def test_a_receipt_that_does_not_match_is_unknown(changes: dict[str, object]) -> None:
    """Each field that proves something must be right, over HTTP and by topic."""
    assert isinstance(interpret_response(answer(200, **changes), EXPECTED), Unknown)
    told = json.dumps(RECEIPT | changes).encode()
    assert isinstance(judge_answer(told, EXPECTED), Unknown)


@pytest.mark.parametrize(
    ("status", "is_whole"),
    [(408, False), (425, False), (500, False), (502, False), (400, False), (413, False),
     (429, True), (503, True), (401, True), (403, True), (404, True), (307, True)],
)  # fmt: skip
def test_failures_are_tried_again_and_some_speak_for_the_whole_platform(
    status: int,
    is_whole: bool,  # noqa: FBT001  (a table's column)
) -> None:
    """A wrong token or address is never a verdict on a record; it may be about it, though."""
    verdict = interpret_response(HttpResponse(status, "2.5", b""), EXPECTED)
    is_unclear = is_whole and status not in (429, 503)
    assert verdict == Retry(f"HTTP {status}", is_whole, 2.5, may_be_record=is_unclear)


def test_a_refusal_needs_a_code_and_a_retryable_one_is_none() -> None:
    """422 with a code ends a delivery; without one it says nothing."""
    refused = HttpResponse(422, "", b'{"code": "NAME_UNKNOWN", "message": "no"}')
    assert interpret_response(refused, EXPECTED) == Refused("NAME_UNKNOWN", "no")
    assert isinstance(interpret_response(HttpResponse(422, "", b"{}"), EXPECTED), Unknown)
    assert isinstance(interpret_response(HttpResponse(422, "", b"<html>"), EXPECTED), Unknown)
    again = HttpResponse(422, "", b'{"code": "X", "retryable": true}')
    assert isinstance(interpret_response(again, EXPECTED), Retry)


@pytest.mark.parametrize(
    "sign", ["\x1b", "\r", "\u202e", "\u200b", "\x9b", "\ud800", "\ue000", "\0"]
)
def test_what_a_platform_says_is_shown_as_signs_alone(sign: str) -> None:
    """Receipts, codes and messages come to terminals, pages and tables of others."""
    accepted = interpret_response(answer(200, receipt=f"P{sign}1"), EXPECTED)
    told = json.dumps({"code": f"A{sign}B", "message": f"不\u3000符{sign}"}).encode()
    refused = interpret_response(HttpResponse(422, "", told), EXPECTED)
    assert isinstance(accepted, Accepted)
    assert isinstance(refused, Refused)
    shown = accepted.receipt + refused.code + refused.message
    assert shown.isprintable()
    assert (accepted.receipt[0], accepted.receipt[2:], refused.message[:3]) == ("P", "1", "不 符")


def test_no_answer_is_unknown_unless_no_connection_was_made() -> None:
    """A time-out after the body was sent may hide an effect; a refused connection cannot."""
    assert isinstance(
        interpret_response(NoAnswer(may_have_arrived=True, why="t"), EXPECTED), Unknown
    )
    refused = interpret_response(NoAnswer(may_have_arrived=False, why="c"), EXPECTED)
    assert refused == Retry("c", is_whole_target=True)
    assert isinstance(interpret_response(answer(409), EXPECTED), Unknown)


def test_a_status_call_answers_only_with_its_own_words() -> None:
    """404 in the platform's JSON is NeverSeen; a proxy's page, or a refusal of another, is not."""
    assert (
        interpret_status(HttpResponse(404, "", b'{"code": "NOT_FOUND"}'), EXPECTED) == NeverSeen()
    )
    assert isinstance(interpret_status(HttpResponse(404, "", b"<html>"), EXPECTED), Unknown)
    assert isinstance(interpret_status(HttpResponse(500, "", b"{}"), EXPECTED), Unknown)
    refused = b'{"stage": "refused", "code": "C", "message": "m"}'
    assert interpret_status(HttpResponse(200, "", refused), EXPECTED) == Refused("C", "m")
    other = b'{"delivery": "00", "stage": "refused", "code": "C", "message": "m"}'
    assert isinstance(interpret_status(HttpResponse(200, "", other), EXPECTED), Unknown)


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("", None), ("-1", None), ("nan", None), ("1e9", None)]
)
def test_retry_after_is_believed_within_reason(header: str, seconds: float | None) -> None:
    """A platform must not be able to stop its own deliveries for a week."""
    verdict = interpret_response(HttpResponse(429, header, b""), EXPECTED)
    assert isinstance(verdict, Retry)
    assert verdict.after_seconds == seconds


@given(st.binary(max_size=200), st.integers(100, 599))
def test_no_bytes_make_the_reader_fall(body: bytes, status: int) -> None:
    """Whatever a platform answers, the courier goes on, and accepts none of it."""
    for verdict in (
        interpret_response(HttpResponse(status, "", body), EXPECTED),
        interpret_status(HttpResponse(status, "", body), EXPECTED),
        judge_answer(body, EXPECTED),
    ):
        assert not isinstance(verdict, Accepted)
    assert isinstance(delivery_named(body), str)


def test_the_request_carries_the_same_bytes_each_time() -> None:
    """Key, token and body; the topic's message has the same body."""
    call = HTTP.delivery_request(SENT)
    assert ("Idempotency-Key", SENT.delivery) in call.headers
    assert ("Authorization", "Bearer secret") in call.headers
    assert call.body == render_body(SENT) == send_record(SENT, "t", 0, b"k").value
    assert json.loads(call.body)["fields"] == SENT.fields
    assert HTTP.status_request(EXPECTED).path == f"/v1/deliveries/{SENT.delivery}"
    assert "secret" not in repr(HTTP)


def test_a_delivery_id_follows_from_place_target_and_content() -> None:
    """Any of the four changes the id, nothing else does."""
    ids = {
        delivery_id(*parts)
        for parts in ((0, 1, "a", "d"), (1, 1, "a", "d"), (0, 2, "a", "d"), (0, 1, "b", "d"),
                      (0, 1, "a", "e"), (0, 11, "a", "d"))
    }  # fmt: skip
    assert len(ids) == 6
    assert delivery_id(0, 1, "a", "d") == delivery_id(0, 1, "a", "d")
    assert digest_of({"b": "1", "a": "2"}) == digest_of({"a": "2", "b": "1"})


def test_a_time_without_a_zone_is_no_time() -> None:
    """Eight hours decide whether a deadline was kept."""
    assert read_moment("2026-11-02T01:00:00Z") == 1_793_581_200_000
    assert read_moment("2026-11-02T09:00:00") is None


def test_every_kind_a_site_may_name_has_its_format() -> None:
    """A kind in site.yaml without a line in TARGET_KINDS could never be delivered to."""
    kinds = Target.model_json_schema()["properties"]["kind"]["enum"]
    assert set(TARGET_KINDS) == set(kinds)


def test_what_is_not_held_need_not_be_withdrawn() -> None:
    """`RECORD_UNKNOWN` to a withdrawal is no refusal; to a publication it is one."""
    withdrawal = EXPECTED._replace(action="withdraw")
    refused = HttpResponse(422, "", b'{"code": "RECORD_UNKNOWN"}')
    assert interpret_response(refused, withdrawal) == NotHere()
    assert interpret_response(refused, EXPECTED) == Refused("RECORD_UNKNOWN", "")
    told = {
        "delivery": EXPECTED.delivery, "stage": "refused", "code": "RECORD_UNKNOWN",
        "at": "2026-11-02T10:00:00+08:00",
    }  # fmt: skip
    assert judge_answer(json.dumps(told).encode(), withdrawal) == NotHere(1793584800000)
