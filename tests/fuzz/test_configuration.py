"""Configuration, damaged: read, or refused with file, line and remedy; nothing else is raised."""

from contextlib import suppress
from pathlib import Path

from connectors.mapping import Mapping
from hub.config.site import Site
from hub.errors import ConfigurationError
from hub.io.typed_yaml import read_plain, read_typed
from tests.fuzz.mutation import corpus, damaged, fuzz

TOKENS = (
    b"&a", b"*a", b"<<: ", b"[", b"]", b"{", b"}", b": ", b"- ", b"? ", b"| ", b"> ", b"\t", b"\n",
    b"---\n", b"%YAML 1.1\n", b"!!python/object:os.system ", b"!", b"'", b'"', b"\\x00", b"\x00",
    b"\xff", b"\xef\xbb\xbf", b"2026-02-30", b"9" * 400, b"0x1F", b"1:30:00", b".nan", b"~", b"yes",
    "\u2028".encode(), "\u202e".encode(), b"#",
)  # fmt: skip


def test_sites_and_mappings(tmp_path: Path) -> None:
    """A site, and the same octets as a mapping file and as a document of no model."""
    path = tmp_path / "site.yaml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        with suppress(ConfigurationError):
            read_typed(path, Site)
        with suppress(ConfigurationError):
            read_typed(path, Mapping)
        with suppress(ConfigurationError):
            read_plain(path)

    fuzz(read, damaged(corpus("yaml"), TOKENS))
