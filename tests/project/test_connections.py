"""DATABASE_URL as people have it: TLS, certificates, several hosts, a service file, a password file."""

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.core.exceptions import ImproperlyConfigured

from project import engines
from project.processes import Child
from project.settings import build_database, parse_url
from store.db.postgresql import asynchronous, watchdog
from tests import commands
from tests.commands import outer_environment
from tests.keys import KEYS
from tests.on_postgresql import InstalledPostgreSQL
from tests.system import ROOT, free_port, state_folder
from tests.waiting import PATIENCE

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
#: The role that shows a certificate, and has no password.
CERTIFIED = "certified"
HBA = f"""
local all all scram-sha-256
hostssl all {CERTIFIED} 127.0.0.1/32 cert
hostssl all all 127.0.0.1/32 scram-sha-256
"""
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
#: Connects as web processes do: for rows, and for predictions.
CONNECT = """
import json
from django.db import connection
from store.serving import connection_pool
connection.ensure_connection()
opened, is_pooled = connection_pool.open_connection("SELECT 1")
infos = [connection.connection.info, opened.info]
print(json.dumps([[info.ssl_in_use, info.user, info.dbname, info.port] for info in infos]))
"""


class TLSPostgreSQL(InstalledPostgreSQL):
    """The distribution's server, which takes connections by TCP with TLS alone."""

    def __init__(self, certificates: Path):
        super().__init__(state_folder(), durable=False)
        self.binaries = BINARIES[-1].parent
        self.certificates = certificates
        self.port = free_port()

    def child(self) -> Child:
        child = super().child()
        files = {"ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "ca.crt"}
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "ssl": "on",
            "hba_file": self.certificates / "hba",
            **{name: self.certificates / file for name, file in files.items()},
        }
        child.command = [*child.command, *(f"--{name}={value}" for name, value in options.items())]
        return child

    @property
    def dsn(self) -> dict[str, str]:
        return super().dsn | {"port": str(self.port)}

    def url(self, user: str = "exemplar", hosts: str = "", **options: object) -> str:  # type: ignore[override]
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@{hosts or f'127.0.0.1:{self.port}'}/exemplar?{query}"


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)


def make_authority(folder: Path, name: str) -> None:
    files = f"-keyout={name}.key", f"-out={name}.crt"
    openssl(folder, "req", "-x509", *CURVE, "-days=2", f"-subj=/CN={name}", *files)


def make_certificate(folder: Path, name: str, subject: str) -> None:
    """Make a key and a certificate that the authority `ca` has signed, for this machine."""
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1")
    openssl(folder, "req", *CURVE, f"-subj=/CN={subject}", f"-keyout={name}.key", f"-out={name}.csr")
    signing = ["-CA=ca.crt", "-CAkey=ca.key", "-CAcreateserial", "-days=2", "-extfile=extensions"]
    openssl(folder, "x509", "-req", f"-in={name}.csr", *signing, f"-out={name}.crt")


@pytest.fixture(scope="module")
def server() -> Iterator[TLSPostgreSQL]:
    if not (BINARIES and shutil.which("openssl")):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Install postgresql and openssl")
    certificates = state_folder()
    certificates.mkdir()
    for authority in ("ca", "other"):
        make_authority(certificates, authority)
    make_certificate(certificates, "server", "localhost")
    make_certificate(certificates, "client", CERTIFIED)
    (certificates / "hba").write_text(HBA)
    server = TLSPostgreSQL(certificates)
    for path in (certificates, *certificates.iterdir()):
        path.chmod(0o700 if path.is_dir() else 0o600)
        if server.owner:
            os.chown(path, *server.owner)
    for name in ("client.key", "client.crt"):  # libpq reads them as who runs the tests
        os.chown(certificates / name, os.geteuid(), os.getegid())
    with engines.running(server.folder, [server], "the tests"):
        with closing(psycopg2.connect(**server.dsn)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {CERTIFIED} LOGIN")
        yield server


def connect(url: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = outer_environment() | {
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:9",
        **KEYS,
        "EXEMPLAR_STATE": str(state_folder()),
        **variables,
    }
    shell = ("shell", "--no-imports", "-c", CONNECT)
    return commands.run(ROOT / "manage.py", *shell, cwd=ROOT, environment=environment, timeout=PATIENCE)


def connected(url: str, **variables: str) -> Any:
    done = connect(url, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def refused(url: str, **variables: str) -> str:
    """Return the one line that is said."""
    done = connect(url, **variables)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stdout + done.stderr
    return done.stderr


def password(server: TLSPostgreSQL) -> dict[str, str]:
    return {"PGPASSWORD": server.dsn["password"]}


@pytest.mark.engine
@pytest.mark.installed
class TestTLS:
    """Both kinds of connections obey what the URL says of TLS."""

    def test_the_servers_certificate_is_verified(self, server: TLSPostgreSQL) -> None:
        url = server.url(sslmode="verify-full", sslrootcert=server.certificates / "ca.crt")
        both = [[True, "exemplar", "exemplar", server.port]] * 2
        assert connected(url, **password(server)) == both

    def test_a_certificate_stands_for_the_password(self, server: TLSPostgreSQL) -> None:
        files = {
            "sslrootcert": server.certificates / "ca.crt",
            "sslcert": server.certificates / "client.crt",
            "sslkey": server.certificates / "client.key",
        }
        both = [[True, CERTIFIED, "exemplar", server.port]] * 2
        assert connected(server.url(CERTIFIED, sslmode="verify-full", **files)) == both

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"sslmode": "verify-full", "sslrootcert": "other.crt"}, "certificate verify failed"),
            ({"sslmode": "verify-full", "sslrootcert": "none.crt"}, "does not exist"),
            ({"sslmode": "disable"}, "no encryption"),
            ({"sslmode": "sometimes"}, "invalid sslmode value"),
        ],
        ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
    )
    def test_what_cannot_be_encrypted_as_asked_is_refused_in_one_line(
        self, server: TLSPostgreSQL, options: dict[str, str], sentence: str
    ) -> None:
        if "sslrootcert" in options:
            options = options | {"sslrootcert": str(server.certificates / options["sslrootcert"])}
        assert sentence in refused(server.url(**options), **password(server))


@pytest.mark.engine
@pytest.mark.installed
class TestFiles:
    """What libpq reads from files is found."""

    def test_a_service_and_its_password(self, server: TLSPostgreSQL, tmp_path: Path) -> None:
        services, passwords = tmp_path / "services", tmp_path / "passwords"
        services.write_text(f"[shop]\nhost=127.0.0.1\nport={server.port}\nuser=exemplar\ndbname=exemplar\n")
        passwords.write_text(f"127.0.0.1:{server.port}:*:exemplar:{server.dsn['password']}\n")
        passwords.chmod(0o600)
        files = {"PGSERVICEFILE": str(services), "PGPASSFILE": str(passwords)}
        both = [[True, "exemplar", "exemplar", server.port]] * 2
        assert connected("postgresql:///?service=shop", **files) == both
        assert connected("postgresql:///", **files, PGSERVICE="shop") == both
        assert "definition of service" in refused("postgresql:///?service=shops", **files)


@pytest.mark.engine
@pytest.mark.installed
class TestSeveralHosts:
    """The first host that accepts is used."""

    def test_a_host_that_refuses_or_is_silent_is_passed_over(self, server: TLSPostgreSQL) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as silent:
            hosts = ",".join(
                f"127.0.0.1:{port}" for port in (free_port(), silent.getsockname()[1], server.port)
            )
            url = server.url(hosts=hosts, connect_timeout=2, target_session_attrs="read-write")
            assert [port for *_, port in connected(url, **password(server))] == [server.port] * 2

    def test_a_frozen_host_is_passed_over_until_it_answers(self) -> None:
        watched = watchdog.Watchdog()
        named = {"host": "a,b", "port": "5432,6432", "user": "me"}
        assert watched.admit(named) == named
        watched.frozen = {("a", "5432")}
        assert watched.admit(named) == named | {"host": "b", "port": "6432"}
        assert watched.admit({"host": "a,c", "user": "me"}) == {"host": "c", "port": None, "user": "me"}
        for parameters in ({"host": "a"}, {"host": "a,a", "port": "5432,"}, {"service": "shop"}):
            with pytest.raises(psycopg2.OperationalError, match="does not answer"):
                watched.admit(parameters)


@pytest.mark.parametrize(
    ("parameters", "hosts"),
    [
        ({"host": "a"}, [("a", "")]),
        ({"host": "a,b", "port": "1"}, [("a", "1"), ("b", "1")]),
        ({"host": "a,b", "port": "1,2"}, [("a", "1"), ("b", "2")]),
        ({"host": "a,b"}, [("a", ""), ("b", "")]),
        ({"host": "a,b", "hostaddr": "1.1.1.1,2.2.2.2"}, []),
        ({"service": "shop"}, []),
    ],
)
def test_hosts_have_their_ports(parameters: dict[str, str], hosts: list[tuple[str, str]]) -> None:
    assert asynchronous.list_hosts(parameters) == hosts


def test_all_of_libpqs_parameters_reach_it() -> None:
    url = (
        "postgresql://ann@a:1,b:2/shop?sslmode=verify-full&sslrootcert=/ca.crt&passfile=/p&connect_timeout=9"
    )
    database = build_database(parse_url(url))
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("a,b", "1,2", "shop")
    options = database["OPTIONS"]
    assert isinstance(options, dict)
    given = {"sslmode": "verify-full", "sslrootcert": "/ca.crt", "passfile": "/p", "connect_timeout": "9"}
    assert given.items() <= options.items()
    assert re.search(r"-c search_path=exemplar,public$", options["options"])


def test_a_url_without_a_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL names no database"):
        build_database(parse_url("postgresql://ann@db.example"))
    monkeypatch.setenv("PGDATABASE", "shop")
    assert build_database(parse_url("postgresql://ann@db.example"))["NAME"] == "shop"
