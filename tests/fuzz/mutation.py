"""Samples of a corpus, damaged: hypothesis chooses how, and finds the smallest that fails.

In CI each fuzzer tries a fixed choice of samples, some seconds. `HUB_FUZZ_SECONDS=3600` lets each
go on with others for so long. What fails becomes a case with a name in the tests of the module.
"""

import base64
import os
import signal
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

CORPUS: Final = Path(__file__).parent / "corpus"
SECONDS: Final = float(os.environ.get("HUB_FUZZ_SECONDS", "0"))
"""For each fuzzer; 0: the fixed choice of CI."""
_EXAMPLES: Final = 200
_ROUND_EXAMPLES: Final = 2_000
_STUCK_SECONDS: Final = 30
"""Of processor time for one sample of some kilobytes, which takes milliseconds."""
_LONGEST: Final = 65_536
_OPERATIONS: Final = ("cut", "repeat", "insert", "flip", "move", "replace")


def corpus(folder: str) -> list[bytes]:
    """The samples of one kind, in the order of their names."""
    found = [path.read_bytes() for path in sorted((CORPUS / folder).iterdir())]
    assert found, f"no samples in {folder}"
    return found


class Sample(bytes):
    """Octets that a failing test shows in a form one can copy, however many they are."""

    __slots__ = ()

    def __repr__(self) -> str:
        packed = base64.b64encode(zlib.compress(self, 9)).decode()
        return f"zlib.decompress(base64.b64decode({packed!r}))"


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[bytes], tokens: Sequence[bytes]) -> Sample:
    """Draw a sample with up to six operations done to it."""
    content = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 6))):
        operation = draw(st.sampled_from(_OPERATIONS))
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 64)))
        piece = content[start:end]
        match operation:
            case "cut":
                piece = b""
            case "repeat":
                piece = (piece or b"\x00") * draw(st.sampled_from((2, 3, 100, 5_000)))
            case "insert":
                piece = draw(st.sampled_from(tokens)) + piece
            case "flip":
                piece = draw(st.binary(max_size=8))
            case "move":
                other = draw(st.sampled_from(samples))
                at = draw(st.integers(0, len(other)))
                piece += other[at : at + draw(st.integers(0, 200))]
            case "replace":
                piece = draw(st.sampled_from(tokens)) * draw(st.sampled_from((1, 2, 1_000)))
        content = (content[:start] + piece + content[end:])[:_LONGEST]
    return Sample(content)


def fuzz(check: Callable[[bytes], None], strategy: st.SearchStrategy[bytes]) -> None:
    """Run `check` over samples: the fixed choice, or new ones until the time is over."""
    guarded = partial(_guarded, check)
    until = time.monotonic() + SECONDS
    round_number = time.time_ns() if SECONDS else 0
    while True:
        chosen = settings(
            max_examples=_ROUND_EXAMPLES if SECONDS else _EXAMPLES,
            deadline=None,
            report_multiple_bugs=False,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        given(strategy)(_seeded(round_number, chosen, guarded))()
        round_number += 1
        if time.monotonic() >= until:
            return


def _seeded(
    number: int, chosen: settings, check: Callable[[bytes], None]
) -> Callable[[bytes], None]:
    def run(content: bytes) -> None:
        check(content)

    return seed(number)(chosen(run))


def _guarded(check: Callable[[bytes], None], content: bytes) -> None:
    with _not_stuck():
        check(content)


@contextmanager
def _not_stuck() -> Iterator[None]:
    """Fail where one sample takes half a minute of the processor: that is no linear reader."""

    def stuck(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("a sample of some kilobytes takes half a minute")

    before = signal.signal(signal.SIGPROF, stuck)
    signal.setitimer(signal.ITIMER_PROF, _STUCK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
