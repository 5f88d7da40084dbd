"""The basis of a site: everything its decisions may depend on, as one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.config.repository import contract_texts
from hub.core.basis import DECIDER_VERSION
from hub.domain.calendar import CalendarNotices
from hub.domain.rulebook import Rulebook
from hub.io.typed_yaml import read_plain

if TYPE_CHECKING:
    from hub.config.site import Department, LoadedSite


def basis_document(loaded: LoadedSite) -> dict[str, Any]:
    """The basis this site decides under, as one JSON document: all that `decide` may depend on."""
    site = loaded.site
    return {
        "decider": DECIDER_VERSION,
        "contracts": contract_texts(),
        "rulebook": read_plain(loaded.path(site.rulebook), Rulebook),
        "calendar": read_plain(loaded.path(site.calendar), CalendarNotices),
        "site": {
            "site": site.site,
            "partitions": site.partitions,
            "departments": {d.id: _department(d) for d in site.departments},
            "targets": [
                {
                    "id": t.id,
                    "number": t.number,
                    "role": t.role,
                    "public": t.public,
                    "kinds": [] if t.retired else sorted(t.kinds),
                    "clock_from": t.clock_from,
                    "clearance": sorted(t.clearance),
                }
                for t in sorted(site.targets, key=lambda t: t.number)
            ],
        },
    }


def _department(department: Department) -> dict[str, object]:
    """A department as the basis has it; what few of them have is there where they have it."""
    content: dict[str, object] = {
        "kind": department.kind,
        "authorities": sorted(department.authorities),
        "may_act_on": sorted(department.may_act_on),
        "states": sorted(set(department.states)),
    }
    if department.replaces:
        content["replaces"] = {code: list(old) for code, old in department.replaces.items()}
    if department.retired:
        content["successor"] = department.successor
    return content
