"""How a stand-in platform is told to misbehave, by command and by a seeded mix.

The mix is drawn from (seed, delivery, how often it was seen), never from a running generator: the
same run misbehaves the same way whatever order the requests come in.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field

HTTP_MANNERS = (
    "429",
    "500",
    "503",
    "late",
    "never_applied",
    "never_lost",
    "reset_applied",
    "reset_lost",
    "twice",
    "wrong_delivery",
    "wrong_digest",
    "wrong_receipt",
    "not_json",
    "huge",
    "redirect",
)
"""What the province can do wrong. `_applied`: the effect happened; `_lost`: it did not."""

TOPIC_MANNERS = (
    "late",
    "never_applied",
    "never_lost",
    "twice",
    "wrong_delivery",
    "wrong_digest",
    "wrong_receipt",
    "not_json",
)
"""What the city can do wrong."""

FILE_MANNERS = (
    "late",
    "half",
    "twice",
    "partial",
    "lose",
    "lose_applied",
    "skip",
    "gap",
    "wrong_digest",
    "unknown",
)
"""What the platform that takes files can do wrong: acknowledge late, half-written, twice, in parts,
with another file's digest or for a file never written; lose a file before or after its effect,
leave one lying, or call the one before missing."""

NATION_MANNERS = (
    "acknowledge",
    "late",
    "never_applied",
    "never_lost",
    "twice",
    "wrong_delivery",
    "wrong_digest",
    "wrong_stage",
)
"""What the nation's job can do wrong; the true receipt comes in the end."""

STATUS_MANNERS = frozenset(
    {"429", "500", "503", "late", "never_lost", "reset_lost", "wrong_delivery", "not_json", "huge"}
)
"""Those that make sense for a status query, too."""


@dataclass(slots=True)
class Conduct:
    """Orders for a platform; every field can be given in the control request or file.

    * `seed`, `mix`: {manner: share of requests}, drawn per delivery and per time it is seen;
    * `following`: [[manner, count], …]: the next requests, before the mix is asked;
    * `only_first`: the mix spares a delivery after it was seen this often (0 = never spares);
    * `refuse`: [{"code", "record"} or {"code", "value"}]: rule codes for given records, or for
      records with a field of that value; `refuse_share`: a share of (record, version) besides;
    * `is_mute`: status queries are answered 500, for ever;
    * `forbid`: values: a record with such a field is answered 403, for ever, without a reason;
    * `late_seconds`, `hold_seconds` (how long a request stays unanswered), `retry_after_seconds`:
      real seconds; `publish_after_seconds`: business seconds from 202 to publication;
    * of a front-end database: `disconnect_share`, `lock_share` (shares of the job's looks after
      which connections are ended or the tables locked for `lock_seconds`), `half_batches` (each
      batch is copied in two transactions).
    """

    seed: int = 0
    mix: dict[str, float] = field(default_factory=dict)
    following: list[list[str | int]] = field(default_factory=list)
    only_first: int = 0
    refuse: list[dict[str, str]] = field(default_factory=list)
    refuse_share: float = 0.0
    is_mute: bool = False
    forbid: list[str] = field(default_factory=list)
    late_seconds: float = 1.0
    hold_seconds: float = 30.0
    retry_after_seconds: float = 1.0
    publish_after_seconds: float = 0.0
    disconnect_share: float = 0.0
    lock_share: float = 0.0
    lock_seconds: float = 0.0
    half_batches: bool = False

    @classmethod
    def read(cls, text: str, manners: tuple[str, ...]) -> Conduct:
        """Read orders from JSON; ValueError names what is not understood."""
        told = json.loads(text)
        known = {one.name for one in dataclasses.fields(cls)}
        unknown = set(told) - known
        named = set(told.get("mix", {})) | {str(one[0]) for one in told.get("following", [])}
        unknown |= named - set(manners)
        if unknown:
            message = f"不认识的指令 / not understood: {sorted(unknown)}"
            raise ValueError(message)
        return cls(**told)

    def write(self) -> str:
        """Return the orders as JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    def manner(self, delivery: str, seen: int) -> str:
        """Return what to do with a request for a delivery seen before this often; "" = behave."""
        if self.following:
            name, count = self.following[0]
            left = int(count) - 1
            if left > 0:
                self.following[0] = [name, left]
            else:
                del self.following[0]
            return str(name)
        if not self.mix or (self.only_first and seen >= self.only_first):
            return ""
        point = _share(f"{self.seed}|{delivery}|{seen}")
        for name, share in sorted(self.mix.items()):
            if point < share:
                return name
            point -= share
        return ""

    def happens(self, what: str, name: str, share: float) -> bool:
        """Tell whether something drawn for this name happens, at the given share."""
        return share > 0 and _share(f"{self.seed}|{what}|{name}") < share

    def forbids(self, fields: dict[str, str]) -> bool:
        """Tell whether a record is answered as if its sender had no access."""
        return not set(self.forbid).isdisjoint(fields.values())

    def refusal(self, record: str, version: int, fields: dict[str, str]) -> tuple[str, str] | None:
        """Return the rule code and message to refuse a record with, or None."""
        for order in self.refuse:
            if order.get("record") == record or order.get("value") in fields.values():
                return order["code"], f"按规则退回 / refused by rule {order['code']}"
        if self.refuse_share and _share(f"{self.seed}|{record}|{version}") < self.refuse_share:
            return "SUBJECT_UNKNOWN", "未查询到主体 / subject not found in the base registry"
        return None


def spoiled(body: dict[str, object], manner: str) -> dict[str, object]:
    """Return an answer's body, falsified in the given manner."""
    if manner == "wrong_delivery":
        return {**body, "delivery": str(body["delivery"])[::-1]}
    if manner == "wrong_digest" and "digest" in body:
        return {**body, "digest": str(body["digest"])[::-1]}
    if manner == "wrong_receipt":
        return {**body, "receipt": ""}
    return body


def _share(text: str) -> float:
    """Return a number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48
