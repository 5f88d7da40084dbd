"""One courier as a process of its own, until SIGTERM: `courier_process.py SITE TARGET FOLDER`."""

import signal
import sys
from pathlib import Path

from hub.bootstrap import load_repository_contracts
from hub.metrics import Health, Metrics
from hub.settings import read_settings
from hub.site import load_site
from hub.workers.courier import CourierWatch, run_courier


def main(site_folder: str, name: str, state: str) -> None:
    """Deliver until told to stop; the last thing printed is how things stand."""
    loaded = load_site(Path(site_folder))
    contracts = load_repository_contracts()
    target = next(one for one in loaded.site.targets if one.id == name)
    bootstrap = read_settings().kafka_bootstrap
    assert bootstrap is not None
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    watch = CourierWatch(Metrics(contracts.by_kind), Health(f"courier-{name}"), name)
    run_courier(loaded, target, contracts, bootstrap, Path(state), watch, lambda: stopping)


if __name__ == "__main__":
    main(*sys.argv[1:])
