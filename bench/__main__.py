"""`./run bench NAME`: registrar, latency."""

import sys
from importlib import import_module

BENCHES = ("registrar", "latency")


def main() -> int:
    """Run one benchmark; exit status 1 when its bar is missed."""
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHES:  # noqa: PLR2004 - the program and its name
        sys.stderr.write(f"usage: ./run bench {'|'.join(BENCHES)}\n")
        return 2
    return int(import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:]))


sys.exit(main())
