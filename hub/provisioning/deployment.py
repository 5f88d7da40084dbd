"""Processes of a site, and the deploy files with a block for each of them.

The files under `deploy/` are whole and valid unchanged, for the courier to `province` alone. A
block between `# for each process: courier-province 9110` and `# end` is repeated for every process,
with that one's names, command and port put in; a line that ends in `# only KIND, KIND` is left out
for other kinds. Kafka's users get the site's prefix in place of `county.`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.config.kafka_access import OPERATOR
from hub.config.site import AGENT_WORKERS
from hub.errors import ConfigurationError
from hub.provisioning.rights import users_of, wanted_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.config.site import Site
    from hub.provisioning.rights import Right
    from hub.provisioning.topics import SiteNames, TopicFamily

_SPECIMEN: Final = "courier", "province", 9110
_BEGIN: Final = "# for each process: courier-province 9110"
_END: Final = "# end"
_ONLY: Final = re.compile(r" *# only (?P<kinds>[a-z, ]+)$")
_USER: Final = re.compile(r"\bcounty\.(?=(worker|dept|target)\.)")

SINGLE_PORTS: Final = {
    "receipts": 9101, "projector": 9102, "notices": 9103, "cases": 9104, "reconciler": 9105,
}  # fmt: skip
"""Metrics ports of the workers a site has one of."""
_COURIER_PORTS: Final = 9110
"""Plus the target's number, 0 to 63."""
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
    def worker(self) -> str:
        """Its name in logs and metrics, and after `worker.` its user of Kafka."""
        return f"{self.kind}.{self.instance}" if self.instance else self.kind

    @property
    def unit(self) -> str:
        """Name of its systemd unit, without `.service`."""
        return f"hub-{self.kind}@{self.instance}" if self.instance else f"hub-{self.kind}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments after `hub` to start it, up to the options that all have."""
        match self.kind:
            case "registrar":
                return "run", "registrar", "--slot", self.instance
            case "connector":
                return "connector", "--department", self.instance
            case _:
                return "run", self.kind, *([self.instance] if self.instance else ())

    @property
    def words(self) -> tuple[str, ...]:
        """Values of this process in a block."""
        return (
            self.unit, self.worker, self.worker.replace(".", "-"),
            ", ".join(f'"{each}"' if each.isdigit() else each for each in self.arguments),
            str(self.port),
        )  # fmt: skip


def processes_of(site: Site) -> tuple[Process, ...]:
    """Return every process the site needs, each once."""
    slots = max(1, len(site.slots))
    return (
        *(Process("registrar", str(n), _REGISTRAR_PORTS + n) for n in range(slots)),
        *(Process("courier", t.id, _COURIER_PORTS + t.number) for t in site.targets),
        *(
            Process("connector", department.id, _CONNECTOR_PORTS + place)
            for place, department in enumerate(site.departments)
            if department.running_sources
        ),
        *(
            Process(kind, "", port)
            for kind, port in SINGLE_PORTS.items()
            if kind not in AGENT_WORKERS or site.cases is not None
        ),
    )


def rendered(text: str, processes: tuple[Process, ...], file: str, prefix: str) -> str:
    """Return a deploy file with each block repeated for each process of the site.

    Raises `ConfigurationError` for a block that is never closed or inside another.
    """
    return _USER.sub(prefix, "".join(_repeated(text, processes, file)))


_USERS_HEAD: Final = """\
# Kafka's users and what each may do. Strimzi's user operator makes a Secret of each name, with the
# password, which the pods mount. Made by `hub deploy render` from topics/*.yaml and the site, right
# for right what `hub topics apply` grants: both say the same, so neither undoes the other.
"""
_USER_RESOURCE: Final = """\
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaUser
metadata:
  name: {user}
  labels: {{strimzi.io/cluster: hub}}
spec:
  authentication: {{type: scram-sha-512}}
"""
_USER_RIGHTS: Final = """\
  authorization:
    type: simple
    acls:
"""
_RESOURCE_TYPES: Final = {"transactional_id": "transactionalId"}
"""Strimzi's word where it is not ours."""


def kafka_users(families: tuple[TopicFamily, ...], names: SiteNames) -> str:
    """Return `kubernetes/kafka-users.yaml`: every user of the site, and the operator.

    The operator has no rights of its own: `kafka.yaml` names it as the super user.
    """
    rights = sorted(wanted_rights(families, names))
    blocks = [_USERS_HEAD, _USER_RESOURCE.format(user=OPERATOR)]
    for user in users_of(families, names):
        blocks += (_USER_RESOURCE.format(user=user), _USER_RIGHTS)
        blocks += (_acl(right) for right in rights if right.user == user)
    return "".join(blocks)


def _acl(right: Right) -> str:
    """A line of a user's list. Names of ours need no quotes in YAML."""
    kind = _RESOURCE_TYPES.get(right.resource, right.resource)
    pattern = "prefix" if right.is_prefix else "literal"
    return (
        f"      - resource: {{type: {kind}, name: {right.name}, patternType: {pattern}}}\n"
        f"        operations: [{right.operation.capitalize()}]\n"
    )


def _repeated(text: str, processes: tuple[Process, ...], file: str) -> Iterator[str]:
    block: list[str] | None = None
    number = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        match line.strip(), block:
            case (mark, None) if mark == _BEGIN:
                block = []
            case (mark, [*lines]) if mark == _END:
                yield from (copy for one in processes for copy in _copy(lines, one))
                block = None
            case (mark, _) if mark in {_BEGIN, _END}:
                raise _misplaced(file, number)
            case (_, None):
                yield line
            case _:
                block.append(line)
    if block is not None:
        raise _misplaced(file, number)


def _copy(block: list[str], process: Process) -> Iterator[str]:
    """Return the block's lines for one process."""
    put = dict(zip(Process(*_SPECIMEN).words, process.words, strict=True))
    pattern = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(map(re.escape, put))})(?![A-Za-z0-9])")
    for line in block:
        only = _ONLY.search(line)
        if only is None or process.kind in only["kinds"].split(", "):
            yield pattern.sub(lambda found: put[found[1]], _ONLY.sub("", line))


def _misplaced(file: str, line: int) -> ConfigurationError:
    return ConfigurationError(
        f"第 {line} 行：“# for each” 与 “# end” 不成对",
        f"line {line}: '# for each' and '# end' do not pair",
        remedy_zh="从发行版恢复该部署文件",
        remedy_en="restore this deploy file from the release",
        file=file,
    )
