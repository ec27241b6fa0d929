"""HTTPS by the web process itself."""

import datetime
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from project.front import certificates
from project.front.certificates import Certificate
from project.state import Unusable
from tests.system import System, copied
from tests.waiting import PATIENCE

pytestmark = pytest.mark.system


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate of localhost, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return files


@pytest.fixture(scope="module")
def secure(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    certificate, key = write_certificate(tmp_path_factory.mktemp("tls"), "localhost")
    names = {"EXEMPLAR_TLS_CERT": str(certificate), "EXEMPLAR_TLS_KEY": str(key)}
    system = System(copied(grown), "--workers=0", **names)
    system.client.close()
    system.url = f"https://localhost:{system.port}"
    trust = ssl.create_default_context(cafile=str(certificate))
    system.client = httpx.Client(base_url=system.url, trust_env=False, timeout=PATIENCE, verify=trust)
    with system.running():
        yield system


def test_the_api_is_served_by_https(secure: System) -> None:
    assert secure.ask("{ __typename }") == {"data": {"__typename": "Query"}}
    assert "https://" in secure.output


def test_large_bodies_come_and_go(secure: System) -> None:
    document = "{ __typename }" + " " * 150_000
    assert secure.ask(document) == {"data": {"__typename": "Query"}}
    (page,) = [secure.client.get("/static/admin/css/base.css")]
    assert page.status_code == 200 and len(page.content) > 10_000


def test_requests_without_tls_are_closed(secure: System) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not connection.recv(1_000).startswith(b"HTTP")
    assert secure.healthy()


def test_a_silent_handshake_is_ended(secure: System) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), timeout=PATIENCE) as connection:
        assert connection.recv(1) == b""
    assert secure.healthy()


def test_a_renewed_certificate_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "INTERVAL", -1)
    old, new = write_certificate(tmp_path, "a"), write_certificate(tmp_path, "b")
    certificate = Certificate(*map(str, old))
    context = certificate.current()
    assert certificate.current() is context
    for path, renewed in zip(old, new, strict=True):
        renewed.replace(path)
    assert certificate.current() is not context


def test_a_certificate_that_became_unusable_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "INTERVAL", -1)
    files = write_certificate(tmp_path, "a")
    certificate = Certificate(*map(str, files))
    context = certificate.current()
    files[0].write_text("nothing")
    assert certificate.current() is context


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    certificate, _ = write_certificate(tmp_path, "a")
    _, other = write_certificate(tmp_path, "b")
    for key in ("", str(tmp_path / "missing"), str(other)):
        with pytest.raises(Unusable):
            Certificate(str(certificate), key)
