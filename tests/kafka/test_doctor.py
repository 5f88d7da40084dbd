"""`hub doctor` on a real broker and database: well, then each thing that is not."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.adapters.kafka.copy import KafkaRewriter, StoredRecord
from hub.adapters.kafka.topics import KafkaTopics
from hub.adapters.postgres.tables import Heartbeat, Tables
from hub.cli import hub as command_line
from hub.operations.site_plan import prepare_site
from hub.provisioning.topics import Alter
from hub.workers.projector import Projection
from tests.conftest import KafkaPart, PostgresPart
from tests.driver.rows import CONTRACTS
from tests.faults.whole_hub import WholeHub

pytestmark = pytest.mark.kafka


def examined(hub: WholeHub) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status, and the findings that are not well, by code."""
    words = ["doctor", "--json", "--site", str(hub.folder)]
    result = CliRunner(env=hub.environment).invoke(command_line, words)
    found = json.loads(result.stdout)
    return result.exit_code, {one["code"]: one for one in found if one["level"] != "ok"}


def test_what_is_not_well_is_named_with_its_remedy(
    kafka: KafkaPart, postgres: PostgresPart, tmp_path: Path
) -> None:
    """A setting that differs, an input that waits since yesterday, an unadopted change."""
    hub = WholeHub(tmp_path, kafka.access, postgres.dsn, f"doctor{os.getpid()}.")
    prefix = hub.loaded.site.prefix
    try:
        prepare_site(hub.loaded, kafka.access)
        status, found = examined(hub)
        assert status == 1
        assert found["CHECK_NOT_MADE"]["check"] == "look-ups"  # no projector has run yet
        with Tables(postgres.dsn, prefix) as tables:
            Projection(tables, CONTRACTS, prefix)
            tables.describe(prefix, {"name_zh": "试点", "departments": {}, "targets": {}})
            now = time.time_ns() // 1_000_000
            tables.beat(Heartbeat(now, now, 1.0, 0, 0.0))
        status, found = examined(hub)
        assert "TOPICS_DIFFER" not in found
        assert found["BASIS_NOT_ADOPTED"]["remedy_zh"] == "hub basis adopt"
        assert "WORKER_NOT_HERE" in found

        topic = f"{prefix}submissions.housing"
        writer = KafkaRewriter(kafka.access, f"{prefix}restore")
        writer.begin([(topic, 0)])
        yesterday = now - 86_400_000
        writer.plain({(topic, 0): [StoredRecord(0, yesterday, b"k", (), b"v")]})
        writer.close()
        KafkaTopics(kafka.access).alter(
            [Alter(f"{prefix}receipts.housing", "retention.ms", None, "1000")]
        )
        status, found = examined(hub)
        assert status == 1
        assert topic in found["INPUT_WAITS"]["zh"]
        assert found["INPUT_WAITS"]["level"] == "fault"
        assert found["TOPICS_DIFFER"]["level"] == "fault"
        said = CliRunner(env=hub.environment).invoke(
            command_line, ["doctor", "--site", str(hub.folder)]
        )
        assert "处理办法：" in said.output
    finally:
        hub.close()


def test_parts_that_are_away_are_faults_not_crashes(tmp_path: Path, postgres: PostgresPart) -> None:
    """The doctor is asked exactly when something does not answer."""
    del postgres
    (tmp_path / "site.yaml").write_text(
        "site: s\nname_zh: 站\nprefix: s.\npartitions: 1\nrulebook: r\ncalendar: c\n"
        "sealing_key_file: k\ndepartments: []\ntargets: []\n",
        encoding="utf-8",
    )
    environment = {
        "KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "HUB_POSTGRES_DSN": "postgresql://127.0.0.1:9/none?connect_timeout=1",
    }
    words = ["doctor", "--json", "--site", str(tmp_path)]
    result = CliRunner(env=environment).invoke(command_line, words)
    assert result.exit_code == 1
    found = {one["code"] for one in json.loads(result.stdout) if one["level"] == "fault"}
    assert {"KAFKA_AWAY", "POSTGRES_AWAY", "SECRET_MISSING"} <= found
