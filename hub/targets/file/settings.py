"""Settings of a target of kind `file`, as `site.yaml` has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hub.io.typed_yaml import Name, StrictModel


class FileDrop(StrictModel):
    """The folder a target of kind `file` is reached through; see docs/file-drop.md."""

    folder: Path
    """Holds `out` (ours) and `ack` (the platform's); both must exist."""
    layout: Literal["xml", "csv"]
    sender: str
    receiver: str
    cc: str = ""
    operator: str = ""
    contacts: str = ""
    departments: dict[Name, Annotated[str, Field(pattern=r"^[0-9A-Z]{4}$")]]
    """Department id → its code in file names."""
    tables: dict[str, Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")]]
    """Kind of record → its code in file names; two kinds of one subject may share one."""
    reasons: dict[str, Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]] = Field(
        default_factory=dict
    )
    """The platform's refusal code to ours; an unknown one passes as it is."""
    rows_per_file: Annotated[int, Field(ge=1, le=50_000)] = 1_000
    linger_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    """How long the first row of a file waits for more."""
    patience_seconds: Annotated[float, Field(gt=0)] = 3_600.0
    """How long a file that others overtook, or that is gone, may stay unacknowledged."""
    has_mark: bool = True
    """A CSV file begins with a byte order mark."""

    @model_validator(mode="after")
    def _codes_are_unique(self) -> FileDrop:
        if len(set(self.departments.values())) != len(self.departments):
            message = "departments: 代码重复 / a code is used twice"
            raise ValueError(message)
        return self
