"""Named fault hooks: where tests kill, stop or delay a worker. Off unless `HUB_FAULT` is set.

`HUB_FAULT=<hook>:<action>:<nth>[,…]` with action `kill` (SIGKILL), `stop` (SIGSTOP), `delay`
(2 seconds) or `raise`; `nth` counts how often the hook must be reached first. When
`HUB_FAULT_LOG` names a file, a line is written there (and synced) before the action.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

from hub.errors import UnavailableError

HOOKS = (
    "after_lease", "after_init", "in_restore", "after_consume", "after_begin", "mid_produce",
    "before_flush", "before_commit", "after_commit", "mid_rocks_write", "after_intent",
    "after_effect", "before_result",
)  # fmt: skip
FILE_HOOKS = (
    "after_file_part", "after_file_number", "after_file_rename", "after_file_manifest",
    "after_file_ack",
)  # fmt: skip
"""Those of a courier that writes files, besides."""
_DELAY_SECONDS = 2.0


class EnvironmentFaults:
    """Reads `HUB_FAULT` once; see the module."""

    def __init__(self, setting: str | None = None, log: str | None = None) -> None:
        text = os.environ.get("HUB_FAULT", "") if setting is None else setting
        self._log = os.environ.get("HUB_FAULT_LOG", "") if log is None else log
        self._armed = {}
        for part in filter(None, text.split(",")):
            hook, action, nth = part.split(":")
            self._armed[hook, int(nth)] = action
        self._seen: Counter[str] = Counter()

    def reached(self, hook: str) -> None:
        """Count the visit; act when this visit is the armed one."""
        if not self._armed:
            return
        self._seen[hook] += 1
        action = self._armed.get((hook, self._seen[hook]))
        if action is None:
            return
        if self._log:
            with Path(self._log).open("a", encoding="utf-8") as log:
                log.write(f"{time.time():.3f} {os.getpid()} {hook} {action}\n")
                log.flush()
                os.fsync(log.fileno())
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif action == "delay":
            time.sleep(_DELAY_SECONDS)
        else:
            message = f"fault raised at {hook}"
            raise UnavailableError(message)
