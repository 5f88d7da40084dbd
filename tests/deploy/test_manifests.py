"""Compose and Kubernetes files: valid as others publish it, and what they start is a worker."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hub import VERSION
from hub.config.kafka_access import OPERATOR
from hub.config.repository import DEPLOY
from hub.config.site import load_site
from hub.provisioning.deployment import Process
from hub.provisioning.rights import Right, users_of, wanted_rights
from hub.provisioning.topics import names_of, read_families
from tests.deploy.commands import parsed
from tests.deploy.county import SITE, county, processes

SCHEMAS = Path(__file__).with_name("schemas")
Document = dict[str, Any]


@cache
def schema(name: str) -> Document:
    """A schema of others."""
    made: Document = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return made


def problems(document: Document, schema: Document) -> list[str]:
    """What a schema has against a document, with the place."""
    errors = Draft202012Validator(schema).iter_errors(document)
    return sorted(f"{'/'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in errors)


def problems_of_resource(document: Document) -> list[str]:
    """The same of a Kubernetes resource, which must be of a kind we have the schema of."""
    known = schema("kubernetes.json")
    kind = known["kinds"].get(f"{document.get('apiVersion')} {document.get('kind')}")
    if kind is None:
        return [f"no schema for {document.get('apiVersion')} {document.get('kind')}"]
    return problems(document, {**kind, "definitions": known["definitions"]})


@cache
def resources(folder: Path) -> list[Document]:
    """Every resource that the kustomization names; read once, not to be changed."""
    top = yaml.safe_load((folder / "kubernetes/kustomization.yaml").read_text(encoding="utf-8"))
    return [
        document
        for name in top["resources"]
        for document in yaml.safe_load_all(
            (folder / "kubernetes" / name).read_text(encoding="utf-8")
        )
        if document is not None
    ]


@cache
def compose(folder: Path = DEPLOY) -> Document:
    """The Compose file; read once, not to be changed."""
    made: Document = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))
    return made


def a_copy_of(kind: str) -> Document:
    """One resource of a kind, to be changed."""
    return deepcopy(next(one for one in resources(DEPLOY) if one["kind"] == kind))


def workload(process: Process) -> Document:
    """The StatefulSet of a process of the county."""
    name = process.worker.replace(".", "-")
    (found,) = (
        one
        for one in resources(county())
        if one["kind"] == "StatefulSet" and one["metadata"]["name"] == name
    )
    return found


def service(process: Process) -> Document:
    """The service of a process of the county in its Compose file."""
    made: Document = compose(county())["services"][process.worker.replace(".", "-")]
    return made


# --- as others define it -------------------------------------------------------------------------


@pytest.mark.parametrize("where", [lambda: DEPLOY, county], ids=["as it stands", "made out"])
def test_the_compose_file_is_one(where: Callable[[], Path]) -> None:
    """The Compose Specification's own schema."""
    assert problems(compose(where()), schema("compose.json")) == []


@pytest.mark.parametrize("where", [lambda: DEPLOY, county], ids=["as it stands", "made out"])
def test_every_resource_is_one(where: Callable[[], Path]) -> None:
    """Kubernetes' own schema and Strimzi's own classes; unknown fields are refused."""
    found = resources(where())
    assert {problem for one in found for problem in problems_of_resource(one)} == set()
    assert {"Kafka", "KafkaNodePool", "KafkaUser", "StatefulSet", "Job"} <= {
        one["kind"] for one in found
    }


def test_every_manifest_is_applied() -> None:
    """A file that the kustomization forgets is applied by nobody."""
    top = yaml.safe_load((county() / "kubernetes/kustomization.yaml").read_text(encoding="utf-8"))
    there = {path.name for path in (county() / "kubernetes").glob("*.yaml")}
    assert {*top["resources"], "kustomization.yaml"} == there


def test_the_schemas_find_mistakes() -> None:
    """Else their silence above would mean nothing."""
    file = deepcopy(compose())
    file["services"]["kafka"]["restarts"] = "always"
    assert any("restarts" in one for one in problems(file, schema("compose.json")))
    for kind, at, name in (
        ("StatefulSet", ("spec", "template", "spec"), "terminationGracePeriod"),
        ("Kafka", ("spec", "kafka", "listeners", 0), "tsl"),
        ("KafkaNodePool", ("spec",), "replica"),
        ("KafkaUser", ("spec", "authentication"), "kind"),
        ("NetworkPolicy", ("spec",), "egres"),
    ):
        one = a_copy_of(kind)
        place: Any = one
        for step in at:
            place = place[step]
        place[name] = 1
        assert any(name in problem for problem in problems_of_resource(one)), kind
    one = a_copy_of("KafkaNodePool")
    one["spec"]["roles"] = ["brocker"]
    assert problems_of_resource(one)


# --- as the hub needs it -------------------------------------------------------------------------


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.unit)
def test_a_container_runs_its_process(process: Process) -> None:
    """The same command as the systemd unit's, health on the port that is asked."""
    (container,) = workload(process)["spec"]["template"]["spec"]["containers"]
    for arguments in (container["args"], service(process)["command"]):
        assert tuple(arguments[: len(process.arguments)]) == process.arguments
        _names, parameters = parsed(arguments)
        assert parameters["site_folder"] == Path("/etc/hub/site")
        assert parameters["metrics_port"] == 9100
    assert container["ports"] == [{"name": "metrics", "containerPort": 9100}]
    asked = {
        probe: container[f"{probe}Probe"]["httpGet"]
        for probe in ("startup", "readiness", "liveness")
    }
    assert {probe: get["port"] for probe, get in asked.items()} == dict.fromkeys(asked, "metrics")
    # a worker that waits for a person is not ready, and starting it again would not help
    assert {probe: get["path"] for probe, get in asked.items()} == {
        "startup": "/alive", "readiness": "/health", "liveness": "/alive",
    }  # fmt: skip
    assert ":9100/health" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.unit)
def test_a_container_has_its_own_password_and_nobody_else_s(process: Process) -> None:
    """One principal per process: its file is named after its user, no other is there."""
    user = f"county.worker.{process.worker}"
    volumes = workload(process)["spec"]["template"]["spec"]["volumes"]
    mounted = [one["secret"] for one in volumes if one["name"] == "kafka"]
    assert [one["secretName"] for one in mounted] == [user]
    assert mounted[0]["items"] == [{"key": "password", "path": user}]
    extra = {"postgres"} if process.kind in {"projector", "reconciler"} else set()
    assert set(service(process)["secrets"]) == {user, *extra}


def test_strimzi_makes_every_password_that_is_mounted() -> None:
    """A Secret that no `KafkaUser` makes would keep its pod waiting for ever."""
    users = {one["metadata"]["name"] for one in resources(county()) if one["kind"] == "KafkaUser"}
    pods = [
        one["spec"]["template"]["spec"]
        for one in resources(county())
        if one["kind"] in {"StatefulSet", "Job"}
    ]
    mounted = [
        volume["secret"]["secretName"]
        for pod in pods
        for volume in pod["volumes"]
        if volume["name"] == "kafka"
    ]
    assert len(mounted) == len(processes()) + 1
    assert set(mounted) <= users
    (kafka,) = (one for one in resources(county()) if one["kind"] == "Kafka")
    assert kafka["spec"]["kafka"]["authorization"]["superUsers"] == [OPERATOR]


def test_a_kafka_user_may_do_what_topics_apply_grants_and_nothing_else() -> None:
    """Two hands on the same rights: what one grants, the other must not take back."""
    site = load_site(SITE).site
    families, names = read_families(), names_of(site)
    made = [one for one in resources(county()) if one["kind"] == "KafkaUser"]
    assert [one["metadata"]["name"] for one in made] == [OPERATOR, *users_of(families, names)]
    for one in made:
        assert one["metadata"]["labels"] == {"strimzi.io/cluster": "hub"}
        assert one["spec"]["authentication"] == {"type": "scram-sha-512"}
    found = [
        Right(
            one["metadata"]["name"],
            operation.lower(),
            {"transactionalId": "transactional_id"}.get(acl["resource"]["type"])
            or acl["resource"]["type"],
            acl["resource"]["name"],
            is_prefix=acl["resource"]["patternType"] == "prefix",
        )
        for one in made
        for acl in one["spec"].get("authorization", {"acls": []})["acls"]
        for operation in acl["operations"]
    ]
    assert len(found) == len(set(found))
    assert set(found) == wanted_rights(families, names)


def test_the_users_as_they_stand_are_the_county_s() -> None:
    """The one manifest that is made whole: `hub deploy render` for the county writes it."""
    name = "kubernetes/kafka-users.yaml"
    stands = (DEPLOY / name).read_text(encoding="utf-8")
    assert stands == (county() / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.unit)
def test_only_who_uses_the_site_s_secrets_has_them(process: Process) -> None:
    """Sealing key, tokens and databases' passwords: a registrar or projector has no use for any."""
    has_use = process.kind in {"connector", "courier"}
    pod = workload(process)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    places = (pod["volumes"], container["volumeMounts"])
    assert [any(one["name"] == "secrets" for one in place) for place in places] == [has_use] * 2
    mounted = any(one.startswith("./secrets") for one in service(process)["volumes"])
    assert mounted == has_use


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.unit)
def test_a_container_is_bounded_and_without_rights(process: Process) -> None:
    """Not root, no capabilities, its file system read-only, memory and time to end limited."""
    pod = workload(process)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert pod["terminationGracePeriodSeconds"] == 150
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["resources"]["limits"]["memory"]
    assert workload(process)["spec"]["replicas"] == 1
    one = service(process)
    assert (one["read_only"], one["cap_drop"], one["restart"]) == (True, ["ALL"], "unless-stopped")
    assert one["deploy"]["resources"]["limits"]["memory"]
    assert one["stop_grace_period"] == "150s"


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.unit)
def test_only_who_speaks_to_platforms_may_leave(process: Process) -> None:
    """Couriers and connectors; a registrar has no business outside."""
    leaves = process.kind in {"courier", "connector"}
    labels = workload(process)["spec"]["template"]["metadata"]["labels"]
    assert (labels.get("hub/reaches") == "platforms") == leaves
    assert ("outside" in service(process)["networks"]) == leaves


def test_no_more_is_run_than_the_site_needs() -> None:
    """The processes, and what prepares and carries them."""
    names = {process.worker.replace(".", "-") for process in processes()}
    assert set(compose(county())["services"]) == names | {"kafka", "postgres", "topics", "basis"}
    sets = {one["metadata"]["name"] for one in resources(county()) if one["kind"] == "StatefulSet"}
    assert sets == names


def test_what_prepares_the_site_is_a_command_the_hub_has() -> None:
    """In Compose and in the Job; the workers wait for it, or try until it is done."""
    (job,) = (one for one in resources(county()) if one["kind"] == "Job")
    pod = job["spec"]["template"]["spec"]
    services = compose(county())["services"]
    for arguments, expected in (
        (pod["initContainers"][0]["args"], ["topics", "apply"]),
        (pod["containers"][0]["args"], ["basis", "adopt"]),
        (services["topics"]["command"], ["topics", "apply"]),
        (services["basis"]["command"], ["basis", "adopt"]),
    ):
        assert parsed(arguments)[0] == expected
    waits = {"condition": "service_completed_successfully"}
    assert all(service(process)["depends_on"]["basis"] == waits for process in processes())


def test_every_image_is_pinned() -> None:
    """A tag that moves installs something else tomorrow."""
    docker = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    images = [one["image"] for one in compose(county())["services"].values()]
    images += re.findall(r"^FROM (\S+)", docker, re.MULTILINE)
    assert all(re.search(r":\d+\.\d+", image) for image in images), images
    ours = {image for image in images if image.startswith("credit-event-hub:")}
    top = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text(encoding="utf-8"))
    assert ours == {f"{one['name']}:{one['newTag']}" for one in top["images"]}
    assert ours == {f"credit-event-hub:{VERSION}"}


def test_the_image_holds_what_it_runs() -> None:
    """Locked dependencies by hash, the wheel, no sources, no root."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes -r requirements-image.txt" in text
    assert "--no-index --no-deps ./*.whl" in text
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    copied = set(re.findall(r"^COPY (\S+) \S+$", text, re.MULTILINE))
    assert copied == {"requirements-image.txt", "dist/*.whl"}
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in allowed if line.startswith("!")} == copied


def test_no_secret_stands_in_a_file() -> None:
    """Secrets are files that are named, never values."""
    for path in _files(county()):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"(?i)(password|token|secret)\w*\s*[:=]\s*['\"]?[A-Za-z0-9+]{16}", text
        )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
