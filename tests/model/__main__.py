"""`./run lives`: random lives through the hub and the model; the first that differ are told."""

from __future__ import annotations

import argparse
import sys

from tests.model.lives import live_many
from tests.model.story import closing, story


def main() -> int:
    """Lives; 1 when the two differed."""
    parser = argparse.ArgumentParser(prog="./run lives", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="几生 / how many lives")
    parser.add_argument("--seed", type=int, default=0, help="第一生的编号 / number of the first")
    parser.add_argument("--stories", type=int, default=3, help="至多讲几个 / stories at most")
    parser.add_argument("--raw", action="store_true", help="不缩短 / do not shrink")
    asked = parser.parse_args()
    tally = live_many(asked.seed, asked.count, most_failures=asked.stories, shrink=not asked.raw)
    for failure in tally.failures:
        sys.stdout.write(story(failure) + "\n\n")
    sys.stdout.write(closing(tally) + "\n")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
