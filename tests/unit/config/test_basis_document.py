"""The basis as it is read from a site's files."""

from pathlib import Path

import pytest

from hub.config.basis_document import basis_document
from hub.config.repository import DEPLOY
from hub.config.site import LoadedSite, load_site
from hub.errors import ConfigurationError


@pytest.mark.parametrize("name", ["calendar.json", "calendar.yaml"])
def test_a_calendar_that_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """JSON or YAML: the file and what to do, no stack trace."""
    broken = tmp_path / name
    broken.write_text("{[", encoding="ascii")
    loaded = load_site(DEPLOY / "sites" / "demo")
    site = loaded.site.model_copy(update={"calendar": broken})
    with pytest.raises(ConfigurationError, match=name):
        basis_document(LoadedSite(folder=loaded.folder, site=site))
