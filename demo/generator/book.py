"""The book of all files: where stories find rows nobody uses and put what comes later."""

from collections.abc import Callable
from datetime import date, time

from demo.generator.columns import Table
from demo.generator.departments import DEPARTMENTS, DepartmentPlan
from demo.generator.dice import Dice
from demo.generator.identities import subjects
from demo.generator.rows import FOLDERS, FileToDrop, Folder, Row, ordinary_files
from demo.generator.working_days import days, is_working

SUBJECTS = 2100
Found = tuple[FileToDrop, Row]
Wanted = Callable[[Row, FileToDrop], bool]
_LETTER_TIMES: dict[tuple[Folder, Table], time] = {
    ("corrections", "licence"): time(17, 10),
    ("corrections", "penalty"): time(17, 15),
    ("withdrawals", "licence"): time(17, 40),
    ("withdrawals", "penalty"): time(17, 45),
    ("restorations", "penalty"): time(17, 50),
}
_ROOM = 8
"""Stories begin at least this many working days before the end, so that they can end."""


class DatasetFiles:
    """Every file of the four weeks; begins with the ordinary ones."""

    def __init__(self) -> None:
        everyone = subjects(SUBJECTS)
        self.files: list[FileToDrop] = []
        for department in DEPARTMENTS:
            own = Dice(f"clients {department.id}").shuffled(everyone)[: SUBJECTS // 2]
            self.files += ordinary_files(department, own)
        self._working = [day for day in days() if is_working(day)]

    @property
    def row_count(self) -> int:
        """Rows so far."""
        return sum(len(file.rows) for file in self.files)

    def unused(self, name: str, count: int, wanted: Wanted, *, early: bool = False) -> list[Found]:
        """Find `count` rows of no story yet, spread by dice called `name`; takes them.

        `early` leaves room for what follows. Raises `LookupError` when there are too few.
        """
        last = self._working[-_ROOM] if early else self._working[-1]
        found = [
            (file, row)
            for file in self.files
            if file.folder in FOLDERS.values() and file.dropped_on <= last and not file.suffix
            for row in file.rows
            if not row.in_use and wanted(row, file)
        ]
        taken = Dice(f"rows {name}").shuffled(found)[:count]
        if len(taken) < count:
            raise LookupError(name)
        for _, row in taken:
            row.in_use = True
        return taken

    def later_file(self, file: FileToDrop, working_days: int) -> FileToDrop:
        """The same department's next ordinary file, at least this many working days later."""
        day = self.later_day(file, working_days)
        return next(
            other
            for other in self.files
            if other.department is file.department
            and other.folder == file.folder
            and other.dropped_on == day
            and not other.suffix
        )

    def later_day(self, file: FileToDrop, working_days: int) -> date:
        """The working day this many after the file was dropped, at most the last one."""
        after = [day for day in self._working if day > file.dropped_on]
        return after[min(working_days, len(after)) - 1]

    def letter(
        self, department: DepartmentPlan, folder: Folder, table: Table, day: date
    ) -> FileToDrop:
        """The day's file of letters of one table; made when there is none."""
        for file in self.files:
            if (file.department, file.folder, file.table, file.dropped_on) == (
                department, folder, table, day,
            ):  # fmt: skip
                return file
        made = FileToDrop(department, folder, table, day, _LETTER_TIMES[folder, table], [])
        self.files.append(made)
        return made
