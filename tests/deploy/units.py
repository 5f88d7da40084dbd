"""systemd units as text: read with their drop-ins, specifiers put in. After systemd.unit(5)."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

CREDENTIALS = Path("/run/credentials")
"""Where systemd puts what `LoadCredential=` names, in one folder per unit."""


@dataclass(frozen=True, slots=True)
class SystemdUnit:
    """One unit: its full name and what its files say, in order; a key may come several times."""

    name: str
    settings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Section to (key, value)."""

    def all(self, section: str, key: str) -> list[str]:
        """Every value of a key; an empty one drops those before it."""
        found: list[str] = []
        for name, value in self.settings.get(section, ()):
            if name == key:
                found = [*found, value] if value else []
        return found

    def one(self, section: str, key: str, default: str = "") -> str:
        """The last value of a key."""
        return (self.all(section, key) or [default])[-1]

    def names(self, key: str) -> list[str]:
        """The units that `After=`, `Wants=`, `Requires=`, … name."""
        return [name for value in self.all("Unit", key) for name in value.split()]


def files_of(folder: Path, name: str) -> list[Path]:
    """Return the unit's own file, then drop-ins: those of `hub-.service.d` for `hub-a@b.service`.

    Raises `FileNotFoundError` when there is no such unit.
    """
    stem, _, kind = name.rpartition(".")
    head, at, instance = stem.partition("@")
    own = folder / (f"{head}@.{kind}" if at and instance else name)
    if not own.exists():
        raise FileNotFoundError(own)
    parts = head.split("-")
    prefixes = ["-".join(parts[:n]) + "-" for n in range(1, len(parts))]
    dropped = [folder / f"{prefix}.{kind}.d" for prefix in prefixes]
    return [own, *(file for each in dropped for file in sorted(each.glob("*.conf")))]


def read_unit(folder: Path, name: str, credentials: Path = CREDENTIALS) -> SystemdUnit:
    """Read a unit. Raises `ValueError` for a line that is neither section, comment nor setting."""
    unit = SystemdUnit(name)
    for file in files_of(folder, name):
        section = ""
        text = file.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in map(str.strip, text.splitlines()):
            if not line or line[0] in "#;":
                continue
            if line.startswith("[") and line.endswith("]"):
                section = line[1:-1]
                continue
            key, equals, value = line.partition("=")
            if not (section and equals and re.fullmatch("[A-Za-z]+", key)):
                raise ValueError(f"{file.name}: {line}")
            unit.settings.setdefault(section, []).append(
                (key, _specified(value.strip(), name, credentials))
            )
    return unit


def _specified(value: str, name: str, credentials: Path) -> str:
    """Put in the specifiers we use; any other stops the test that meets it."""
    stem = name.rpartition(".")[0]
    known = {
        "%": "%",
        "n": name,
        "N": stem,
        "p": stem.partition("@")[0],
        "i": stem.partition("@")[2],
        "d": str(credentials / name),
    }
    return re.sub("%(.)", lambda found: known[found[1]], value)


def words(command: str, environment: dict[str, str]) -> list[str]:
    """Split an `ExecStart=` as systemd does: quotes, `${NAME}` as one word, `$$` for `$`."""

    def put(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment[found[1]]

    return [re.sub(r"\$\$|\$\{(\w+)\}", put, word) for word in shlex.split(command)]


def read_environment(file: Path) -> dict[str, str]:
    """Read an `EnvironmentFile=`: `NAME=value` lines."""
    lines = map(str.strip, file.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#;")
    return {name: value.strip("\"'") for name, _, value in pairs}
