"""What rights follow from the topic files and a site's names, and what a plan shows."""

from dataclasses import replace

import pytest

from hub.errors import ConfigurationError
from hub.provisioning.rights import Right, make_rights_plan, reaches, users_of, wanted_rights
from hub.provisioning.topics import read_families
from tests.unit.provisioning.test_topics import NAMES

FAMILIES = read_families()
WANTED = wanted_rights(FAMILIES, NAMES)
WRITE = Right("demo.dept.market", "write", "topic", "demo.submissions.market")


def writers(topic: str) -> set[str]:
    """Who may write to a topic."""
    return {one.user for one in WANTED if (one.resource, one.name) == ("topic", topic)
            and one.operation == "write"}  # fmt: skip


def readers(topic: str) -> set[str]:
    """Who may read a topic."""
    return {one.user for one in WANTED if (one.resource, one.name) == ("topic", topic)
            and one.operation == "read"}  # fmt: skip


def test_only_the_registrar_writes_the_ledger() -> None:
    """With more slots, each slot, and nobody else."""
    assert writers("demo.ledger") == {"demo.worker.registrar.0"}
    more = wanted_rights(FAMILIES, replace(NAMES, slots=2))
    assert {one.user for one in more if one.operation == "write" and one.name == "demo.ledger"} == {
        "demo.worker.registrar.0",
        "demo.worker.registrar.1",
    }


def test_a_registrar_may_look_at_the_notices_and_write_none() -> None:
    """They say what time it was, where its machine's clock is in doubt."""
    assert "demo.worker.registrar.0" in readers("demo.notices")
    assert writers("demo.notices") == {"demo.worker.notices"}


def test_a_department_writes_its_own_topic_and_reads_its_own_receipts() -> None:
    """The topic is the department's identity: nobody else may write there."""
    assert writers("demo.submissions.market") == {
        "demo.dept.market",
        "demo.worker.connector.market",
    }
    assert readers("demo.receipts.market") == {
        "demo.dept.market",
        "demo.worker.connector.market",
    }


def test_the_case_agents_speak_for_their_own_department_only() -> None:
    """A site without them gives the workers of agents nothing to write."""
    assert not any("cases" in user for user in writers("demo.submissions.market"))
    with_agents = replace(NAMES, departments=("market", "credit"), agents=("credit",))
    rights = wanted_rights(FAMILIES, with_agents)
    for worker in ("cases", "reconciler"):
        written = {
            one.name
            for one in rights
            if (one.user, one.operation, one.resource)
            == (f"demo.worker.{worker}", "write", "topic")
        }
        assert written == {"demo.submissions.credit"}


def test_a_platform_reads_its_deliveries_and_writes_its_answers() -> None:
    """One reached over HTTP has nothing to do with Kafka and is no user."""
    assert readers("demo.delivery.city") == {"demo.target.city"}
    assert writers("demo.answers.city") == {"demo.target.city"}
    users = users_of(FAMILIES, NAMES)
    assert "demo.target.city" in users
    assert "demo.target.province" not in users


def test_everybody_has_ids_and_groups_of_its_own_name_only() -> None:
    """A name that only begins alike (`registrar.01`) is another's."""
    own = {
        (one.resource, one.name, one.is_prefix)
        for one in WANTED
        if one.user == "demo.worker.registrar.0" and one.resource != "topic"
    }
    assert own == {
        (resource, name, is_prefix)
        for resource in ("group", "transactional_id")
        for name, is_prefix in (("demo.registrar.0", False), ("demo.registrar.0.", True))
    }


def test_the_operator_needs_no_right_and_is_no_user_of_the_site() -> None:
    """It is the broker's super user; what the hub grants begins with the prefix."""
    assert all(one.user.startswith("demo.") and one.name.startswith("demo.") for one in WANTED)
    assert not any("operator" in user for user in users_of(FAMILIES, NAMES))


def test_a_plan_shows_what_is_missing_and_what_no_file_speaks_of() -> None:
    """Applied, there is nothing left; the unknown is shown, not counted as work."""
    unknown = Right("demo.dept.market", "read", "topic", "demo.ledger")
    users = users_of(FAMILIES, NAMES)
    plan = make_rights_plan("demo.", users, users[1:], WANTED, (WANTED - {WRITE}) | {unknown})
    assert plan.users == users[:1]
    assert plan.grants == (WRITE,)
    assert plan.unknown == (unknown,)
    assert not plan.is_empty
    assert make_rights_plan("demo.", users, users, WANTED, WANTED | {unknown}).is_empty


def test_a_right_outside_the_sites_prefix_is_refused() -> None:
    """Several sites may share a cluster: none grants on another's names."""
    foreign = Right("demo.dept.market", "read", "topic", "other.ledger")
    with pytest.raises(ConfigurationError, match=r"other\.ledger"):
        make_rights_plan("demo.", (), (), {foreign}, ())


def test_rights_that_reach_in_without_naming_the_site_are_shown_and_left() -> None:
    """Everybody on `*`, or a shorter prefix: perhaps another's, but nobody must overlook them."""
    wide = {
        Right("other.worker", "read", "topic", "*"),
        Right("*", "write", "topic", "de", is_prefix=True),
    }
    harmless = {
        Right("other.worker", "read", "topic", "de"),
        Right("other.worker", "read", "topic", "demonstration.", is_prefix=True),
        Right("other.worker", "read", "topic", "*", is_denial=True),
    }
    assert {one for one in wide | harmless if reaches(one, "demo.")} == wide
    plan = make_rights_plan("demo.", (), (), WANTED, WANTED | wide)
    assert set(plan.wide) == wide
    assert plan.unknown == ()
    assert plan.is_empty
