"""What a site runs, process by process, and the deploy files with a block for each of them.

The files under `deploy/` are whole and valid as they stand: written for one registrar slot, the
target `province` and the department `market`. A block between `# for each KIND: INSTANCE PORT` and
`# end` is repeated for every process of that kind, with instance and port put in; Kafka's users get
the site's prefix in place of `county.`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.site import Site

_BEGIN: Final = re.compile(r"\s*# for each (?P<kind>\w+): (?P<instance>[\w-]+) (?P<port>\d+)")
_END: Final = "# end"
_COUNT: Final = re.compile(r"\b\d+(?= +# as many as (?P<kind>\w+))")
_USER: Final = re.compile(r"\bcounty\.(?=(worker|dept|target)\.)")

SINGLE_PORTS: Final = {"receipts": 9101, "projector": 9102, "notices": 9103}
"""Metrics ports of the workers a site has one of."""
_COURIER_PORTS: Final = 9110
"""Plus the target's number, 0 to 30."""
_REGISTRAR_PORTS: Final = 9200
"""Plus the slot."""
_CONNECTOR_PORTS: Final = 9500
"""Plus the department's place in `site.yaml`."""


class Process(NamedTuple):
    """One process of a site."""

    kind: str
    """Its command: `hub run <kind>`, or `hub connector`."""
    instance: str
    """Slot, target or department; empty where a site has one."""
    port: int
    """Of `/metrics` and `/health`, on the machine it runs on."""

    @property
    def unit(self) -> str:
        """Name of its systemd unit, without `.service`."""
        return f"hub-{self.kind}@{self.instance}" if self.instance else f"hub-{self.kind}"


def processes_of(site: Site) -> tuple[Process, ...]:
    """Return every process the site needs, each once."""
    slots = max(1, len(site.slots))
    return (
        *(Process("registrar", str(n), _REGISTRAR_PORTS + n) for n in range(slots)),
        *(Process("courier", t.id, _COURIER_PORTS + t.number) for t in site.targets),
        *(
            Process("connector", department.id, _CONNECTOR_PORTS + place)
            for place, department in enumerate(site.departments)
            if department.files
        ),
        *(Process(kind, "", port) for kind, port in SINGLE_PORTS.items()),
    )


def rendered(text: str, processes: tuple[Process, ...], file: str, prefix: str) -> str:
    """Return a deploy file with each block repeated for each process of its kind.

    Raises `ConfigurationError` for a block that is never closed or inside another.
    """
    kinds = [process.kind for process in processes]

    def counted(found: re.Match[str]) -> str:
        return str(kinds.count(found["kind"]))

    lines = (_COUNT.sub(counted, line) for line in _repeated(text, processes, file))
    return _USER.sub(prefix, "".join(lines))


def _repeated(text: str, processes: tuple[Process, ...], file: str) -> Iterator[str]:
    block: list[str] = []
    opened: re.Match[str] | None = None
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        begins = _BEGIN.fullmatch(line.rstrip())
        ends = line.strip() == _END
        if (begins and opened) or (ends and not opened):
            raise _misplaced(file, number)
        if begins:
            opened = begins
        elif ends and opened:
            yield from _copies(block, opened, processes)
            block, opened = [], None
        elif opened:
            block.append(line)
        else:
            yield line
    if opened:
        raise _misplaced(file, number)


def _copies(
    block: list[str], opened: re.Match[str], processes: tuple[Process, ...]
) -> Iterator[str]:
    words = re.compile(rf"(?<![A-Za-z0-9])({opened['instance']}|{opened['port']})(?![A-Za-z0-9])")
    for process in processes:
        if process.kind == opened["kind"]:
            values = {opened["instance"]: process.instance, opened["port"]: str(process.port)}
            for line in block:
                yield words.sub(lambda found, values=values: values[found[1]], line)  # type: ignore[misc]  # a default argument binds this turn's values


def _misplaced(file: str, line: int) -> ConfigurationError:
    return ConfigurationError(
        f"第 {line} 行：“# for each” 与 “# end” 不成对",
        f"line {line}: '# for each' and '# end' do not pair",
        remedy_zh="从发行版恢复该部署文件",
        remedy_en="restore this deploy file from the release",
        file=file,
    )
