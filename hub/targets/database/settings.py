"""Settings of a target of kind `database`, as `site.yaml` has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from hub.io.typed_yaml import StrictModel

Table = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$")]
"""A table, or schema and table, in lower case."""


class FrontEndDatabase(StrictModel):
    """A platform's front-end database (前置库), see docs/front-end-database.md."""

    url_file: Path
    """Holds the address alone, with user and password: a secret."""
    tables: dict[str, Table]
    """Kind of record to the table that takes it; two kinds of one subject share one."""
    receipts: Table
    """The platform's answers."""
    reasons: dict[str, Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]] = Field(
        default_factory=dict
    )
    """The platform's refusal code to ours; an unknown one passes as it is."""
    connections: Annotated[int, Field(ge=1, le=16)] = 2
    """Transactions at once; one more connection reads the receipts."""
    poll_seconds: Annotated[float, Field(gt=0, le=300)] = 1.0
    """How often new receipts are looked for."""
    allow_plain: bool = False
    """Whether another machine may be reached without TLS: in a closed network only."""
