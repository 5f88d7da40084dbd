"""Shared by `hub trace`, `hub due` and `hub status`: options, the database, names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from hub.adapters.postgres.lookups import BasisRow, LookUps, open_look_ups
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.domain.calendar import WorkingCalendar
from hub.domain.succession import lineage_of
from hub.embedded.parts import BackingServices

_Command = TypeVar("_Command", bound=Callable[..., None])


def look_up_options(command: _Command) -> _Command:
    """Add --site and --json."""
    command = click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")(
        command
    )
    return click.option(
        "--site",
        "site_folder",
        type=click.Path(path_type=Path),
        help="站点目录；数据库中只有一个站点时可省略 / the site's folder, when there are several",
    )(command)


def open_tables(site_folder: Path | None) -> LookUps:
    """Open the look-up tables of the site (or of the only one); raises `HubError`s for people."""
    prefix = load_site(site_folder).site.prefix if site_folder is not None else None
    return open_look_ups(BackingServices(read_settings()).require_dsn(), prefix)


def calendar_of(basis: BasisRow | None) -> WorkingCalendar:
    """The calendar decisions are made under; one without notices before any was adopted."""
    if basis is None:
        return WorkingCalendar.from_mapping({"version": "none", "notices": []})
    return WorkingCalendar.from_mapping(basis.content["calendar"])


class Names:
    """Chinese names of departments and targets, ids where there is none."""

    def __init__(self, tables: LookUps) -> None:
        site = tables.site()
        content: Mapping[str, object] = site.content if site is not None else {}
        self.site = str(content.get("name_zh", tables.schema))
        self._departments = _texts(content.get("departments"))
        self._targets = _texts(content.get("targets"))
        self.target_ids = tables.target_names()
        self._successors = tables.successors()

    def department(self, name: str) -> str:
        """Chinese name of a department."""
        return self._departments.get(name, name)

    def heir(self, name: str) -> str:
        """Id of the department that acts for this one today: itself, or who succeeded it."""
        return lineage_of(name, self._successors)[-1]

    def family(self, name: str) -> list[str]:
        """Ids of a department and of all that it succeeded."""
        known = sorted({name, *self._departments, *self._successors})
        return [one for one in known if name in lineage_of(one, self._successors)]

    def target_id(self, number: int) -> str:
        """Id of a target by its number."""
        return self.target_ids.get(number, str(number))

    def target(self, number: int) -> str:
        """Chinese name of a target by its number."""
        name = self.target_id(number)
        return self._targets.get(name, name)

    @property
    def departments(self) -> tuple[str, ...]:
        """Ids of every department of the site."""
        return tuple(self._departments)


def print_json(content: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(content, ensure_ascii=False))


def _texts(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}
