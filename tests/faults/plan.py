"""Twenty runs: who is killed, at which hook, on what. Each run may hold several kills."""

from collections.abc import Iterable

from tests.faults.whole_hub import EXPIRY, Kill, Killed

_CORRECTIONS = "corrections"

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
)

HEADINGS = (
    "run", "killed", "at hook", "in flight", "undecided", "undelivered province",
    "undelivered city", "unanswered", "unprojected", "as without kills",
)  # fmt: skip


def table(rows: Iterable[tuple[int, Killed, bool]]) -> list[str]:
    """Return a Markdown table: run, kill, what was in flight, whether the run ended as it must."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
    for run, (kill, counted, flight), is_equal in rows:
        cells = (
            run, kill.worker, f"{kill.hook}:{kill.nth}", f"**{counted}**", flight.undecided,
            flight.undelivered["province"], flight.undelivered["city"], flight.unanswered,
            flight.unprojected, "yes" if is_equal else "NO",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines
