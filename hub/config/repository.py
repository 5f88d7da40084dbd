"""Where the files that ship with the hub are: contracts, topics, rulebooks, calendars, alert rules.

Installed they lie in the package, in `hub/data`; in a checkout beside it, at the repository's root.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

from hub.contracts import Contracts, load_contracts

_PACKAGE: Final = Path(str(files("hub"))).resolve()
ROOT: Final = _PACKAGE.parent
"""The checkout, or the folder the package is installed in."""
DATA: Final = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else ROOT
SCHEMAS: Final = DATA / "avro_schemas"
TOPICS: Final = DATA / "topics"
DEPLOY: Final = DATA / "deploy"


def contract_texts() -> dict[str, str]:
    """The texts of every `avro_schemas/*.avsc`, by kind."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(SCHEMAS.glob("*.avsc"))}


def load_repository_contracts() -> Contracts:
    """The contracts that ship with the hub, compiled."""
    return load_contracts(contract_texts())
