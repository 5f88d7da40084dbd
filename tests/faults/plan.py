"""The runs: who is killed, at which hook, on what. Each run may hold several kills."""

from collections.abc import Iterable

from hub.adapters.faults import FILE_HOOKS, HOOKS
from tests.faults.whole_hub import CHANGES, EXPIRY, Kill, Killed

_PENALTIES, _CORRECTIONS = "penalties", "corrections"

RUNS: tuple[tuple[Kill, ...], ...] = (
    (Kill("registrar", "after_consume", 2),),
    (Kill("registrar", "after_begin", 2), Kill("registrar", "after_lease")),
    (Kill("registrar", "mid_produce", 2), Kill("registrar", "after_init")),
    (Kill("registrar", "before_flush", 2), Kill("courier.city", "mid_produce", 3)),
    (Kill("registrar", "before_commit", 2), Kill("registrar", "before_commit")),
    (Kill("registrar", "after_commit", 2), Kill("registrar", "in_restore")),
    (Kill("registrar", "mid_rocks_write", 2), Kill("registrar", "in_restore")),
    (Kill("connector", "mid_produce", 8), Kill("connector", "after_init")),
    (Kill("connector", "before_commit", 8), Kill("connector", "in_restore")),
    (Kill("connector", "after_commit", 10), Kill("connector", "after_lease")),
    (Kill("connector", "before_flush", 30, _CORRECTIONS), Kill("courier.province", "after_intent")),
    (Kill("courier.province", "after_intent", 2), Kill("courier.province", "in_restore")),
    (Kill("courier.province", "after_effect", 2), Kill("courier.province", "after_begin", 3)),
    (Kill("courier.province", "before_result", 2), Kill("courier.city", "before_result")),
    (Kill("courier.city", "after_intent", 2), Kill("courier.city", "in_restore")),
    (Kill("courier.city", "after_effect"), Kill("courier.province", "mid_rocks_write", 4)),
    (Kill("courier.province", "before_commit", 3), Kill("courier.city", "after_intent", 1, EXPIRY)),
    (Kill("receipts", "after_consume", 1), Kill("receipts", "before_commit")),
    (Kill("projector", "after_consume", 1), Kill("projector", "after_commit")),
    (
        Kill("connector", "after_commit", 8),
        Kill("registrar", "mid_produce", 2),
        Kill("receipts", "after_commit", 1),
        Kill("projector", "after_commit", 1),
        Kill("courier.city", "before_commit", 2),
        Kill("courier.province", "after_effect", 2),
    ),
    # the national front-end database
    (
        Kill("courier.nation", "after_lease"),
        Kill("courier.nation", "after_init"),
        Kill("courier.nation", "after_consume", 2),
        Kill("courier.nation", "in_restore"),
    ),
    (
        Kill("courier.nation", "after_begin", 2),
        Kill("courier.nation", "mid_produce", 2),
        Kill("courier.nation", "before_result", 2),
    ),
    (
        Kill("courier.nation", "after_intent"),
        Kill("courier.nation", "after_effect", 2),
        Kill("courier.nation", "before_result"),
    ),
    (
        Kill("courier.nation", "before_commit", 2),
        Kill("courier.nation", "after_commit", 2),
        Kill("courier.nation", "mid_rocks_write", 2),
        Kill("courier.nation", "after_effect", 1, CHANGES),
    ),
    # the folder of a platform that takes files
    (
        Kill("courier.drop", "after_file_part", 1, _PENALTIES),
        Kill("courier.drop", "after_file_number", 2, _PENALTIES),
        Kill("courier.drop", "after_file_rename", 1, _PENALTIES),
    ),
    (
        Kill("courier.drop", "after_file_manifest", 1, _PENALTIES),
        Kill("courier.drop", "after_file_ack", 1, _PENALTIES),
        Kill("courier.drop", "in_restore", 1, _PENALTIES),
    ),
    (
        Kill("courier.drop", "after_lease", 1, _PENALTIES),
        Kill("courier.drop", "after_init", 1, _PENALTIES),
        Kill("courier.drop", "after_consume", 1, _PENALTIES),
        Kill("courier.drop", "after_begin", 1, _PENALTIES),
    ),
    (
        Kill("courier.drop", "mid_produce", 1, _PENALTIES),
        Kill("courier.drop", "before_commit", 1, _PENALTIES),
        Kill("courier.drop", "after_intent", 1, _PENALTIES),
        Kill("courier.city", "after_effect", 1, EXPIRY),
    ),
    (
        Kill("courier.drop", "after_effect", 1, _PENALTIES),
        Kill("courier.drop", "before_result", 1, _PENALTIES),
        Kill("courier.drop", "before_commit", 2, _PENALTIES),
    ),
    (
        Kill("courier.drop", "after_commit", 1, _PENALTIES),
        Kill("courier.drop", "mid_rocks_write", 1, _PENALTIES),
        Kill("courier.nation", "before_result", 2, _PENALTIES),
    ),
    # a department's table
    (
        Kill("connector.registry", "mid_produce", 2),
        Kill("connector.registry", "before_flush", 2),
        Kill("connector.registry", "before_commit", 4),
    ),
    (
        Kill("connector.registry", "after_commit", 4),
        Kill("connector.registry", "in_restore"),
        Kill("connector.registry", "after_lease"),
        Kill("connector.registry", "after_init"),
    ),
    (
        Kill("connector", "after_consume", 8),
        Kill("connector", "after_begin", 8),
        Kill("connector.registry", "after_consume", 2),
        Kill("connector.registry", "after_begin", 2),
    ),
    # those who tell, and those who find what nobody sent
    (
        Kill("notices", "after_consume"),
        Kill("notices", "before_flush"),
        Kill("projector", "before_commit"),
        Kill("receipts", "before_flush"),
    ),
    (
        Kill("notices", "before_commit"),
        Kill("notices", "after_commit"),
        Kill("notices", "after_consume", 1, CHANGES),
        Kill("cases", "after_consume", 1, EXPIRY),
    ),
    (
        Kill("reconciler", "before_flush", 1, CHANGES),
        Kill("reconciler", "after_commit", 1, CHANGES),
        Kill("cases", "in_restore", 1, EXPIRY),
    ),
    (
        Kill("cases", "before_flush", 1, EXPIRY),
        Kill("cases", "mid_produce", 1, EXPIRY),
        Kill("cases", "after_commit", 1, EXPIRY),
    ),
    (
        Kill("courier.nation", "after_intent", 1, CHANGES),
        Kill("cases", "mid_produce", 1, EXPIRY),
    ),
    (
        Kill("registrar", "before_commit", 1, CHANGES),
        Kill("courier.city", "mid_produce", 1, EXPIRY),
    ),
)

_CONNECTOR = set(HOOKS) - {"mid_rocks_write", "after_intent", "after_effect", "before_result"}
_COURIER = set(HOOKS) - {"before_flush"}
_FOLLOWER = {"after_consume", "before_flush", "before_commit", "after_commit"}
HOOKS_OF = {
    "registrar": _CONNECTOR | {"mid_rocks_write"},
    "courier.province": {
        "in_restore", "after_begin", "before_commit", "mid_rocks_write", "after_intent",
        "after_effect", "before_result",
    },
    "courier.city": {
        "in_restore", "mid_produce", "before_commit", "after_intent", "after_effect",
        "before_result",
    },
    "courier.nation": _COURIER,
    "courier.drop": _COURIER | set(FILE_HOOKS),
    "receipts": _FOLLOWER,
    "projector": {"after_consume", "before_commit", "after_commit"},
    "notices": _FOLLOWER,
    "connector": _CONNECTOR,
    "connector.registry": _CONNECTOR,
    "reconciler": {"before_flush", "after_commit"},
    "cases": {"in_restore", "after_consume", "before_flush", "mid_produce", "after_commit"},
}  # fmt: skip
"""Where each worker must die. The couriers are one engine: two of them die at all its hooks, the
other two where a platform takes part."""

HEADINGS = (
    "run", "killed", "at hook", "in flight", "undecided", "undelivered province",
    "undelivered city", "undelivered nation", "undelivered drop", "unanswered", "unprojected",
    "untold", "as without kills",
)  # fmt: skip


def table(rows: Iterable[tuple[int, Killed, bool]]) -> list[str]:
    """Return a Markdown table: run, kill, what was in flight, whether the run ended as it must."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
    for run, (kill, counted, flight), is_equal in rows:
        cells = (
            run, kill.worker, f"{kill.hook}:{kill.nth}", f"**{counted}**", flight.undecided,
            *(flight.undelivered[target] for target in ("province", "city", "nation", "drop")),
            flight.unanswered, flight.unprojected, flight.untold, "yes" if is_equal else "NO",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines
