"""Wiring: builds the basis and the workers from a site folder and the repository's contracts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from hub.contracts import Contracts, load_contracts
from hub.core.basis import DECIDER_VERSION
from hub.errors import ConfigurationError
from hub.repository import SCHEMAS

if TYPE_CHECKING:
    from pathlib import Path

    from hub.site import LoadedSite


def contract_texts() -> dict[str, str]:
    """The texts of every `avro_schemas/*.avsc`, by kind."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(SCHEMAS.glob("*.avsc"))}


def load_repository_contracts() -> Contracts:
    """The contracts of this checkout, compiled."""
    return load_contracts(contract_texts())


def basis_document(loaded: LoadedSite) -> dict[str, object]:
    """The basis this site decides under, as one JSON document: all that `decide` may depend on."""
    site = loaded.site
    return {
        "decider": DECIDER_VERSION,
        "contracts": contract_texts(),
        "rulebook": _parsed(loaded.path(site.rulebook)),
        "calendar": _parsed(loaded.path(site.calendar)),
        "site": {
            "site": site.site,
            "partitions": site.partitions,
            "departments": {
                d.id: {"authorities": sorted(d.authorities), "may_act_on": sorted(d.may_act_on)}
                for d in site.departments
            },
            "targets": [
                {
                    "id": t.id,
                    "number": t.number,
                    "role": t.role,
                    "public": t.public,
                    "kinds": sorted(t.kinds),
                    "clock_from": t.clock_from,
                    "clearance": sorted(t.clearance),
                }
                for t in sorted(site.targets, key=lambda t: t.number)
            ],
        },
    }


def _parsed(path: Path) -> object:
    """YAML or JSON as plain values; dates become ISO text, as JSON has them."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(
            "无法读取规则或日历文件",
            f"rulebook or calendar cannot be read: {error}",
            remedy_zh="检查 site.yaml 中的路径与文件内容",
            remedy_en="check the path in site.yaml and the file",
            file=str(path),
        ) from error
    return json.loads(json.dumps(content, ensure_ascii=False, default=str))
