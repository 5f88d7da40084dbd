"""Readers, validators and projections compiled from the Avro contracts. Pure after load."""

from hub.contracts.check import Checked, Finding
from hub.contracts.contract import Contract, Contracts, Fault, Row, load_contracts
from hub.contracts.projection import project, visible_columns
from hub.contracts.wire import PayloadUnreadableError

__all__ = [
    "Checked",
    "Contract",
    "Contracts",
    "Fault",
    "Finding",
    "PayloadUnreadableError",
    "Row",
    "load_contracts",
    "project",
    "visible_columns",
]
