"""Projection of a row for a platform: default deny, by the sharing class of each field."""

from collections.abc import Mapping

from hub.contracts.contract import Contract
from hub.contracts.schema import Sharing


def visible_columns(contract: Contract, clearance: frozenset[str]) -> frozenset[str]:
    """The column codes of a contract that a target with this clearance may see."""
    cleared = clearance - {Sharing.NEVER}
    return frozenset(
        field.national_code or field.name
        for field in contract.schema.fields
        if field.sharing in cleared
    )


def project(
    contract: Contract, canonical: Mapping[str, str], clearance: frozenset[str]
) -> dict[str, str]:
    """The fields a target with this clearance is shown: column code → canonical text.

    `canonical` is `Checked.canonical`; empty fields are left out. A class is shown only when it is
    named (`public` does not follow from `government`), `never` not even then (PIPL Art 6, 25).
    """
    cleared = clearance - {Sharing.NEVER}
    return {
        field.national_code or field.name: text
        for field in contract.schema.fields
        if field.sharing in cleared and (text := canonical.get(field.name, ""))
    }
