"""Every reason the connectors give stands in the catalogue, with message and remedy."""

import re

from hub.domain.reasons import REASONS
from tests.unit.connectors.made import ROOT

_CODE = re.compile(r'"([A-Z]+(?:_[A-Z]+)+)"')
_NOT_REASONS = {"HUB_FAULT"}


def test_every_code_in_the_connectors_is_in_the_catalogue() -> None:
    """A clerk is never told a code without words."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "connectors").glob("*.py")]
    codes = {code for text in texts for code in _CODE.findall(text)}
    fields = {code for code in codes if code.startswith(("XK_", "CF_"))}
    assert "ROW_SHIFTED" in codes
    assert codes - fields - _NOT_REASONS <= REASONS.keys()
