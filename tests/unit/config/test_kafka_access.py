"""Who a process is to Kafka, and that its password shows nowhere."""

import logging
from pathlib import Path

import pytest

from hub.adapters.kafka.users import ensure_password
from hub.config.kafka_access import KafkaAccess, access_from_files
from hub.errors import ConfigurationError
from hub.io.secret import Secret, read_secret


def test_a_secret_is_masked_however_it_is_printed() -> None:
    """`print`, f-strings, logs and dataclasses that hold one: never the text."""
    secret = Secret("canary")
    access = KafkaAccess("host:9092", "demo.dept.market", secret)
    for shown in (f"{secret}", repr(secret), f"{secret!r:>10}", repr([secret]), repr(access)):
        assert "canary" not in shown
        assert "***" in shown
    assert secret.reveal() == "canary"
    assert secret == Secret("canary")
    assert secret not in {Secret("other"), "canary"}


@pytest.mark.parametrize("content", ["", "\n", "päss", "two\nlines"])
def test_a_secret_file_that_holds_no_secret_is_refused_by_name(
    tmp_path: Path, content: str
) -> None:
    """The message names the file and what to do, never what is in it."""
    file = tmp_path / "operator"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="operator") as refused:
        read_secret(file, remedy_zh="重做", remedy_en="make it anew")
    assert "make it anew" in str(refused.value)
    assert not content.strip() or content.strip() not in str(refused.value)


@pytest.mark.parametrize(("mode", "is_reported"), [(0o600, False), (0o440, False), (0o644, True)])
def test_a_secret_file_others_may_read_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, *, is_reported: bool
) -> None:
    """The hub goes on, and says which file."""
    file = tmp_path / "operator"
    file.write_text("canary\n", encoding="ascii")
    file.chmod(mode)
    with caplog.at_level(logging.WARNING):
        assert read_secret(file, remedy_zh="", remedy_en="").reveal() == "canary"
    assert bool(caplog.records) == is_reported
    assert "canary" not in caplog.text


def test_a_user_with_a_password_file_authenticates_and_with_certificates_uses_tls(
    tmp_path: Path,
) -> None:
    """What the client library is told, for each combination."""
    (tmp_path / "demo.worker.receipts").write_text("canary", encoding="ascii")
    nobody = access_from_files("host:9092", "demo.worker.receipts", None)
    plain = access_from_files("host:9092", "demo.worker.receipts", tmp_path)
    sealed = access_from_files("host:9092", "demo.worker.receipts", tmp_path, Path("/ca.pem"))
    assert nobody.as_librdkafka() == {
        "bootstrap.servers": "host:9092",
        "security.protocol": "PLAINTEXT",
    }
    assert plain.as_librdkafka() == {
        "bootstrap.servers": "host:9092",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "demo.worker.receipts",
        "sasl.password": "canary",
    }
    assert sealed.as_librdkafka() == {
        **plain.as_librdkafka(),
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": "/ca.pem",
    }


def test_a_user_without_a_password_file_is_told_who_makes_one(tmp_path: Path) -> None:
    """The message names the file, the user and the command."""
    with pytest.raises(ConfigurationError, match=r"demo\.worker\.receipts") as refused:
        access_from_files("host:9092", "demo.worker.receipts", tmp_path)
    assert "hub topics apply" in str(refused.value)


def test_a_password_that_cannot_be_written_is_told_with_its_remedy(tmp_path: Path) -> None:
    """In a pod the folder is a mounted Secret: no traceback, and no user with a lost password."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="Strimzi"):
        ensure_password(tmp_path / "file" / "folder" / "county.worker.cases")
