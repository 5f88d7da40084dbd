"""The reconciler beside look-ups in memory: which facts it submits, where to, and how often."""

from dataclasses import dataclass, field
from types import SimpleNamespace

from hub.adapters.faults import EnvironmentFaults
from hub.adapters.postgres.tables import Heartbeat, Position
from hub.agents.reconciler import FactRoute, Reconciler
from hub.domain import kinds
from hub.domain.partitioning import partition_of
from hub.ports import OutputRecord
from hub.views.court_lists import FullList, Listing
from hub.views.twins import AnsweredTwin, lifting_id
from tests.contract.specimens import CONTRACTS

KEY = "?market/5d1f"
TWIN = AnsweredTwin(b"\x01" * 16, 1 - partition_of(KEY.encode(), 2), KEY, 7, b"\x02" * 16)
ROUTE = FactRoute("cases", "t.submissions.cases", 2, "12330900MA0009001Y")


@dataclass
class Books:
    """What the look-ups hold; each look is a second later, and sees another ledger."""

    twins: list[AnsweredTwin]
    seen_at: int = 1_000_000
    read: int = 0
    moves: bool = True
    searches: int = field(default=0, init=False)

    def heartbeat(self) -> Heartbeat:
        """The projector is at work."""
        return Heartbeat(self.seen_at, self.seen_at, 1.0, 0, 0.0)

    def positions(self) -> list[Position]:
        """How far it has come."""
        self.seen_at += 1_000
        self.read += self.moves
        return [Position(p, self.read, self.read, b"", self.read) for p in range(2)]

    def full_lists(self) -> list[FullList]:
        """No court has sent one."""
        return []

    def live_listings(self, court_code: str) -> list[Listing]:
        """Nobody is listed."""
        del court_code
        return []

    def facts_raised(self, kind: str) -> set[str]:
        """Nothing was found yet."""
        del kind
        return set()

    def answered_twins(self) -> list[AnsweredTwin]:
        """Refused rows that are answered and owe all the same."""
        self.searches += 1
        return list(self.twins)


def reconciler(books: Books) -> tuple[Reconciler, list[OutputRecord]]:
    """One that has just been started, and what it submits."""
    sent: list[OutputRecord] = []
    appender = SimpleNamespace(append=sent.extend)
    contracts = CONTRACTS.by_kind
    made = Reconciler(ROUTE, contracts, books, appender, EnvironmentFaults(), lambda _event: None)
    return made, sent


def looked(made: Reconciler, seconds: int) -> int:
    """Facts submitted in so many seconds."""
    return sum(made.step() for _ in range(seconds))


def test_a_lifting_goes_to_where_the_refused_row_is_and_is_said_once() -> None:
    """Under the refused row's key, which may belong elsewhere; still owed, it is not repeated."""
    made, sent = reconciler(Books([TWIN]))
    assert looked(made, 60) == 1
    (record,) = sent
    assert (record.topic, record.partition, record.key) == (
        ROUTE.topic, TWIN.partition, KEY.encode(),
    )  # fmt: skip
    headers = dict(record.headers)
    assert headers["ce_type"] == kinds.DUTY_LIFTED.encode()
    assert headers["ce_source"] == f"cases/twins/{lifting_id(TWIN)}".encode()
    decoded = CONTRACTS.decode_framed(record.value)
    assert isinstance(decoded, tuple)
    assert decoded[1] == {"record": "01" * 16, "answered_by": "02" * 16}


def test_a_second_start_says_it_again_under_the_same_name() -> None:
    """So that the registrar can answer it as a repetition."""
    first, second = reconciler(Books([TWIN])), reconciler(Books([TWIN]))
    assert looked(first[0], 1) == looked(second[0], 1) == 1
    assert first[1] == second[1]


def test_each_statement_has_a_name_of_its_own() -> None:
    """A row that was refused again owes again; another record may answer it."""
    others = [
        TWIN._replace(record_key=b"\x03" * 16),
        TWIN._replace(live_sequence=8),
        TWIN._replace(answered_by=b"\x03" * 16),
    ]
    assert len({lifting_id(each) for each in (TWIN, *others)}) == 4
    books = Books([TWIN])
    made, sent = reconciler(books)
    looked(made, 1)
    books.twins = [others[1]]
    assert looked(made, 15) == 1
    assert len({dict(record.headers)["ce_source"] for record in sent}) == 2


def test_it_searches_a_few_times_a_minute_and_only_when_something_was_decided() -> None:
    """The projector writes a thousand times as often as a row is refused."""
    busy, idle = Books([]), Books([], moves=False)
    for books in (busy, idle):
        looked(reconciler(books)[0], 60)
    assert 6 <= busy.searches <= 20
    assert idle.searches == 1
