"""Platforms reached over HTTP: the requests, and what each answer means.

Interface of the provincial platform: POST /v1/records with `Idempotency-Key`, GET
/v1/deliveries/{delivery}. Status codes as in RFC 9110; 422, 409 and the key's meaning as in the
IETF draft `Idempotency-Key` (-06).
"""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hub.targets.delivery import (
    Delivery,
    Expected,
    NeverSeen,
    Retry,
    Unknown,
    Verdict,
    read_json,
    read_receipt,
    refusal,
    render_body,
)

_LONGEST_WAIT_SECONDS: Final = 3600.0
"""A Retry-After beyond this is not believed: the deadline would pass unnoticed."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


class HttpRequest(NamedTuple):
    """One HTTP request; `path` is appended to the platform's address."""

    delivery: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class HttpResponse(NamedTuple):
    """A whole HTTP answer."""

    status: int
    retry_after: str
    body: bytes


class NoAnswer(NamedTuple):
    """There was none; `may_have_arrived` is False only when no connection was made."""

    may_have_arrived: bool
    why: str


@dataclass(frozen=True, slots=True)
class HttpProtocol:
    """Protocol of the kind `http`; `token` goes into every request."""

    token: str = field(repr=False)

    def delivery_request(self, delivery: Delivery) -> HttpRequest:
        """Return the request that publishes or withdraws."""
        headers = (
            ("Authorization", f"Bearer {self.token}"),
            ("Idempotency-Key", delivery.delivery),
            ("Content-Type", "application/json"),
        )
        return HttpRequest(delivery.delivery, "POST", "/v1/records", headers, render_body(delivery))

    def status_request(self, asked: Expected) -> HttpRequest:
        """Return the request that asks what became of a delivery; it changes nothing."""
        headers = (("Authorization", f"Bearer {self.token}"),)
        return HttpRequest(asked.delivery, "GET", f"/v1/deliveries/{asked.delivery}", headers, b"")

    def interpret_response(self, reply: HttpResponse | NoAnswer, expected: Expected) -> Verdict:
        """Return what the answer to a `delivery_request` means."""
        if isinstance(reply, NoAnswer):
            if reply.may_have_arrived:
                return Unknown(reply.why)
            return Retry(reply.why, is_whole_target=True)
        status = reply.status
        if 200 <= status < 300:  # noqa: PLR2004  (RFC 9110 §15.3)
            told = read_json(reply.body)
            return Unknown("2xx without JSON") if told is None else read_receipt(told, expected)
        if status == 422:  # noqa: PLR2004  (unprocessable: the content is refused)
            return _judge_refusal(reply, expected)
        if status == 409:  # noqa: PLR2004  (the same key is in progress)
            return Unknown("in progress")
        return _judge_failure(reply)

    def interpret_status(self, reply: HttpResponse | NoAnswer, expected: Expected) -> Verdict:
        """Interpret the answer to a `status_request`; a failed question says nothing."""
        if isinstance(reply, HttpResponse):
            told = read_json(reply.body)
            if 200 <= reply.status < 300 and told is not None:  # noqa: PLR2004  (RFC 9110 §15.3)
                if told.get("stage") == "refused":
                    return _refusal_told(told, expected)
                return read_receipt(told, expected)
            if reply.status == 404 and told is not None:  # noqa: PLR2004  (RFC 9110 §15.5.5)
                return NeverSeen()
            if reply.status in (429, 503):
                return _judge_failure(reply)
            return Unknown(f"status query answered {reply.status}")
        return Unknown(f"status query: {reply.why}")


def _refusal_told(told: dict[str, object], expected: Expected) -> Verdict:
    """A status answer names the delivery in its address, not always in its body."""
    is_other = told.get("delivery", expected.delivery) != expected.delivery
    return Unknown("answer is about another delivery") if is_other else refusal(told, expected)


def _judge_refusal(reply: HttpResponse, expected: Expected) -> Verdict:
    told = read_json(reply.body)
    if told is None:
        return Unknown("422 without JSON")
    if told.get("retryable") is True:
        return Retry("422 retryable", after_seconds=_wait_of(reply.retry_after))
    verdict = refusal(told, expected)
    return Unknown("422 without a code") if isinstance(verdict, Unknown) else verdict


def _judge_failure(reply: HttpResponse) -> Verdict:
    """Interpret a 4xx or 5xx that is not a verdict on the content.

    429 and 503 are about the platform as a whole. So are a wrong token or address (401, 403, 404,
    405, 410, redirects), unless a firewall dislikes a word of this record: others will show.
    Marking records as refused for them would be a lie about the records.
    """
    status = reply.status
    is_unclear = status in (401, 403, 404, 405, 410) or 300 <= status < 400  # noqa: PLR2004  (RFC 9110 §15.4)
    is_whole = is_unclear or status in (429, 503)
    return Retry(f"HTTP {status}", is_whole, _wait_of(reply.retry_after), is_unclear)


def _wait_of(header: str) -> float | None:
    """Read Retry-After in seconds (RFC 9110 §10.2.3), parts of one allowed.

    A date would need a clock; it, `inf`, and more than an hour are treated as not given.
    """
    if _SECONDS.fullmatch(header.strip(" \t")) is None:
        return None
    seconds = float(header)
    return seconds if seconds <= _LONGEST_WAIT_SECONDS else None
