"""A broker that speaks TLS: librdkafka's and Faust's clients reach it, and trust no other."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hub.config.kafka_access import KafkaAccess
from hub.config.settings import Settings
from hub.core.record import Outcome
from hub.embedded.kafka import EmbeddedKafka
from tests.conftest import KafkaPart
from tests.faults.agents_place import AgentsPlace

pytestmark = pytest.mark.kafka

COMMITMENTS, LICENCES = 10, 5


def certify(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine's loopback; return the broker's file, the clients'."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    public = made.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    broker, clients = folder / "broker.pem", folder / "ca.pem"
    broker.write_bytes(private + public)
    clients.write_bytes(public)
    return broker, clients


@pytest.fixture(scope="module")
def secure(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaAccess]:
    """Return the operator's way, with TLS, to a broker of this module's own."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, ca_file = certify(folder / "certificate")
    broker = EmbeddedKafka(
        folder / "kafka", jar_store=settings.cache_folder / "jars",
        maven_repository=settings.maven_repository, certificate=certificate,
    )  # fmt: skip
    with broker:
        yield replace(broker.access(), bootstrap=broker.tls_bootstrap, ca_file=ca_file)


def test_over_tls_everything_is_decided_and_told_to_the_agents(
    secure: KafkaAccess, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Topics, users and rights are made, the registrar decides, notices reach Faust."""
    monkeypatch.setenv("HUB_KAFKA_SECRETS", str(secure.secrets))
    monkeypatch.setenv("HUB_KAFKA_CA", str(secure.ca_file))
    place = AgentsPlace(tmp_path, KafkaPart(secure), prefix)
    try:
        place.submit_everything(COMMITMENTS, LICENCES)
        for worker in ("registrar", "notices", "cases"):
            place.start(worker)
        told = COMMITMENTS + COMMITMENTS // 5 + LICENCES
        place.wait_until(lambda: len(place.notices()) >= told, "not told")
        place.wait_until(lambda: place.group_lag() == 0, "Faust reads nothing")
        decided = [one.outcome for one in place.ledger() if one.department in {"housing", "market"}]
    finally:
        place.close()
    assert decided == [Outcome.ACCEPTED] * told


def test_a_broker_whose_certificate_follows_from_no_other_is_not_spoken_to(
    secure: KafkaAccess, tmp_path: Path
) -> None:
    """No password leaves for whoever stands at the address."""
    _, stranger = certify(tmp_path / "stranger")
    client = AdminClient({**replace(secure, ca_file=stranger).as_librdkafka(), "log_level": 0})
    with pytest.raises(KafkaException, match="TRANSPORT"):
        client.list_topics(timeout=3)
    assert AdminClient(secure.as_librdkafka()).list_topics(timeout=10).brokers
