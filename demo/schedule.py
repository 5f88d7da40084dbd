"""Days and times at which the files of the data set are dropped."""

import json
from typing import NamedTuple

from demo.build_dataset import HERE
from demo.dates import DAY_MS, day_number, day_start_ms


class DroppedFile(NamedTuple):
    """One file of the schedule."""

    path: str
    """`<inbox>/<folder>/<name>`."""
    department: str
    drop_at: int
    rows: int

    @property
    def inbox(self) -> str:
        """The inbox's folder name."""
        return self.path.split("/")[0]

    @property
    def folder(self) -> str:
        """The folder in the inbox: what the file is."""
        return self.path.split("/")[1]


class DemoSchedule(NamedTuple):
    """What happens when; business milliseconds."""

    files: tuple[DroppedFile, ...]
    opens_at: int
    ends_at: int


def read_schedule(days: int) -> DemoSchedule:
    """Read the data set's schedule, cut after so many days from its first."""
    content = json.loads((HERE / "schedule.json").read_text(encoding="utf-8"))
    files = [
        DroppedFile(one["path"], one["department"], one["drop_at"], one["rows"])
        for one in content["files"]
    ]
    midnight = day_start_ms(day_number(files[0].drop_at))
    ends_at = midnight + days * DAY_MS
    kept = tuple(one for one in files if one.drop_at < ends_at)
    return DemoSchedule(kept, midnight + 7 * 3_600_000, ends_at)
