"""Where the files that ship with the hub are: contracts, topics, rulebooks, calendars."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SCHEMAS: Final = ROOT / "avro_schemas"
TOPICS: Final = ROOT / "topics"
DEPLOY: Final = ROOT / "deploy"


def contract_texts() -> dict[str, str]:
    """The texts of every `avro_schemas/*.avsc`, by kind."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(SCHEMAS.glob("*.avsc"))}
