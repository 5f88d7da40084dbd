"""`states` in site.yaml: who may state what is read, refused and written into the basis."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.config.basis_document import basis_document
from hub.config.repository import DEPLOY
from hub.config.site import LoadedSite, load_site
from hub.domain import kinds
from hub.domain.reasons import message
from hub.errors import ConfigurationError

COUNTY = DEPLOY / "sites" / "county" / "site.yaml"


def load(folder: Path, department: str, **changes: object) -> LoadedSite:
    """The county's site with one department changed."""
    content: dict[str, Any] = yaml.safe_load(COUNTY.read_text(encoding="utf-8"))
    (found,) = (each for each in content["departments"] if each["id"] == department)
    found |= changes
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return load_site(folder)


def refusal(folder: Path, department: str, **changes: object) -> str:
    """What is said of such a site; it names the line of the department's `states`."""
    with pytest.raises(ConfigurationError) as refused:
        load(folder, department, **changes)
    assert refused.value.file == str(folder / "site.yaml")
    assert refused.value.line is not None
    lines = (folder / "site.yaml").read_text(encoding="utf-8").splitlines()
    assert "states:" in lines[refused.value.line - 1]
    said = str(refused.value)
    assert "处理办法：" in said
    assert "Remedy: " in said
    return said


@pytest.mark.parametrize("kind", ["office", "court"])
def test_a_court_kind_is_allowed_to_courts_only(tmp_path: Path, kind: str) -> None:
    """A bureau with court listings is refused before anything runs; as a court it may."""
    states = [kinds.LICENCE, kinds.LISTED]
    if kind == "court":
        loaded = load(tmp_path, "housing", kind=kind, states=states)
        assert loaded.site.departments[1].states == tuple(states)
        return
    said = refusal(tmp_path, "housing", kind=kind, states=states)
    assert f"{kinds.LISTED} 只能由法院报送" in said
    assert f"departments.1.states: {kinds.LISTED} is stated by courts only" in said
    assert "kind: court" in said


@pytest.mark.parametrize(
    "kind",
    [
        "licence.grantd.v1", "", kinds.CORRECTED, kinds.WITHDRAWN, kinds.DELISTED, kinds.SNAPSHOT,
        kinds.OUTPUT_COUNT, kinds.UNREADABLE, kinds.REMINDER, kinds.PERFORMANCE_MISSING,
    ],
)  # fmt: skip
def test_what_no_site_allows_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    """A slip of the pen, what goes with another kind, what needs no permission, agents' kinds."""
    for department in ("market", "court"):
        said = refusal(tmp_path, department, states=[kinds.PENALTY, kind])
        assert f"没有可授权的记录种类 {kind}" in said
        assert f"{kind} is no kind of record" in said
        assert kinds.LICENCE in said


def test_an_agent_has_no_states(tmp_path: Path) -> None:
    """Contracts say what it states; a list would promise more than it may."""
    said = refusal(tmp_path, "cases", states=[kinds.LICENCE])
    assert "代理的部门不写 states" in said
    assert "kind: agent has no states" in said
    assert load(tmp_path, "cases", states=[]).site.departments[-1].kind == "agent"


def test_the_basis_carries_what_each_may_state(tmp_path: Path) -> None:
    """Sorted, each kind once: a replay decides as then, and another order is no other basis."""
    written = [kinds.PENALTY, kinds.LICENCE, kinds.PENALTY]
    documents = []
    for states in (written, sorted(set(written))):
        loaded = load(tmp_path, "market", states=states)
        site = loaded.site.model_copy(
            update={
                "rulebook": DEPLOY / "rulebooks/national-2026.yaml",
                "calendar": DEPLOY / "calendars/cn-2007-2026.json",
            }
        )
        documents.append(basis_document(LoadedSite(folder=tmp_path, site=site)))
    assert documents[0] == documents[1]
    site_part: Any = documents[0]["site"]
    departments = site_part["departments"]
    assert departments["market"]["states"] == [kinds.LICENCE, kinds.PENALTY]
    assert (departments["court"]["kind"], departments["court"]["states"]) == (
        "court", [kinds.LISTED],
    )  # fmt: skip
    assert (departments["cases"]["kind"], departments["cases"]["states"]) == ("agent", [])


def test_who_is_refused_learns_who_can_allow_it_and_where() -> None:
    """A clerk looks at the folder first; the operators know the place."""
    said = message("KIND_NOT_YOURS")
    for remedy in (said.remedy, said.remedy_en):
        assert "states" in remedy
        assert "site.yaml" in remedy
    assert "运维" in said.remedy
    assert "operators" in said.remedy_en
    assert "文件夹" in said.remedy
