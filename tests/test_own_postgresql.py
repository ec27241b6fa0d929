"""The page on the deployment beside a PostgreSQL of one's own: its commands are run as they are written."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from project import engines
from tests.commands import outer_environment
from tests.project.test_connections import TLSPostgreSQL, server
from tests.system import ROOT, free_port, state_folder
from tests.waiting import BUILD_PATIENCE, PATIENCE

pytestmark = [pytest.mark.system, pytest.mark.installed]
__all__ = ["server"]

PAGE = ROOT / "docs" / "how-to" / "own-postgresql.md"
#: What the last line of the script prints before the password of the person who promotes.
MARK = "password of ann: "
PROMOTE = 'mutation($id: ID!) { promote(input: {model: $id, reason: "better"}) { promotion { by } } }'
VERSIONS = "{ tumor { champion { id } models { edges { node { id } } } } }"


@pytest.fixture
def valkey() -> Iterator[engines.Valkey]:
    folder = state_folder()
    engine = engines.Valkey(folder)
    with engines.running(folder, [engine], "the tests"):
        yield engine


def script(server: TLSPostgreSQL, redis: str, port: int) -> str:
    """Return the page's commands with the servers of this test in place of the page's."""
    script = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    for written, here in {
        "host=db.example\nport=5432": f"host=127.0.0.1\nport={server.port}",
        "/etc/exemplar/ca.pem": str(server.certificates / "ca.crt"),
        "redis://redis.example:6379/0": redis,
        "user=postgres": "user=exemplar",
        "as postgres ": "as exemplar ",
        "8000": str(port),
        "EXEMPLAR_PRODUCTS=examples.tumor\n": "EXEMPLAR_PRODUCTS=examples.tumor\nEXEMPLAR_QUICK_BUILDS=on\n",
    }.items():
        assert written in script, written
        script = script.replace(written, here)
    # At the end it waits for the processes that it has started, which the test ends.
    return f"""
set -euo pipefail
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
{script}
echo '{MARK}'$DJANGO_SUPERUSER_PASSWORD
wait
"""


def test_the_commands_of_the_page_lead_to_a_token_that_predicts_and_a_person_who_promotes(
    server: TLSPostgreSQL, valkey: engines.Valkey, tmp_path: Path
) -> None:
    (tmp_path / ".pgpass").write_text(f"*:*:*:exemplar:{server.dsn['password']}\n")
    port = free_port()
    environment = outer_environment() | {
        "HOME": str(tmp_path),
        "PATH": f"{server.binaries}:{os.environ['PATH']}",
        # libpq before version 15 looks for the home folder elsewhere.
        "PGSERVICEFILE": str(tmp_path / ".pg_service.conf"),
        "PGPASSFILE": str(tmp_path / ".pgpass"),
    }
    log = tmp_path / "log"
    with log.open("w") as output:
        ran = subprocess.Popen(
            ["timeout", str(BUILD_PATIENCE), "bash", "-c", script(server, valkey.url, port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    assert ran.stdout
    try:
        lines: list[str] = []
        for line in ran.stdout:
            lines.append(line)
            if line.startswith(MARK):
                break
        assert lines and lines[-1].startswith(MARK), log.read_text() + "".join(lines)
        promote(f"http://127.0.0.1:{port}", lines[-1].removeprefix(MARK).strip())
    finally:
        os.killpg(ran.pid, signal.SIGTERM)
        ran.wait(BUILD_PATIENCE)
        ran.stdout.close()


def promote(url: str, password: str) -> None:
    """Log in as ann and promote another version."""
    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as client:
        client.get("/admin/login/")
        form = {"csrfmiddlewaretoken": client.cookies["csrftoken"], "username": "ann", "password": password}
        assert client.post("/admin/login/", data=form).status_code == 302
        headers = {"X-CSRFToken": client.cookies["csrftoken"]}

        def ask(query: str, **variables: str) -> dict[str, object]:
            body = {"query": query, "variables": variables}
            answer = client.post("/graphql/", json=body, headers=headers).json()
            assert "errors" not in answer, answer
            return dict(answer["data"])

        tumor = ask(VERSIONS)["tumor"]
        assert isinstance(tumor, dict)
        ids = {edge["node"]["id"] for edge in tumor["models"]["edges"]} - {tumor["champion"]["id"]}
        promoted = ask(PROMOTE, id=ids.pop())["promote"]
        assert promoted == {"promotion": {"by": "ann"}}
