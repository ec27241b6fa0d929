"""The supervisor, as a newcomer meets it: real processes, real accidents."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.system import ROOT, System, copied, state_folder
from tests.waiting import PATIENCE, alive, eventually

pytestmark = pytest.mark.system

EMBEDDED = ("postgres", "valkey")
ALL = ("supervisor", "web", "worker", *EMBEDDED)


@pytest.fixture(scope="module")
def running(grown: Path) -> Iterator[System]:
    """A system that may be hurt: builds of the shared one would not survive a killed worker."""
    system = System(copied(grown))
    try:
        yield system.start()
    finally:
        system.stop()


def up(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `up` where it is expected to refuse."""
    return manage(folder, "up", *arguments, **settings)


def manage(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = System(folder, **settings).supervisor.environment
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def restarts(system: System, name: str, seconds: float = PATIENCE) -> bool:
    """Kill a process; return whether another one takes its place and the system is healthy."""
    before = system.process(name)
    os.kill(before, SIGKILL)
    return eventually(
        lambda: system.process(name) != before and alive(system.process(name)), seconds
    ) and eventually(lambda: system.status("/ready") == 200, seconds)


@pytest.mark.parametrize("name", ["web", "worker", "valkey", "postgres"])
def test_whatever_is_killed_is_started_again(running: System, name: str) -> None:
    assert restarts(running, name)
    assert running.output.count(f"{name} ended (killed by SIGKILL): starting it again") == 1
    assert running.ask("{ products { name } }")["data"]["products"]


def test_a_second_copy_says_who_is_there(running: System) -> None:
    refused = up(running.folder)
    assert refused.returncode == 1
    assert (
        refused.stderr
        == f"exemplar: ./dev up (process {running.process('supervisor')}) uses {running.folder}\n"
    )


def test_a_port_that_is_taken_is_one_line(running: System, tmp_path: Path) -> None:
    refused = up(tmp_path / "state", f"--port={running.port}")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"exemplar: Port {running.port} of 127.0.0.1 cannot be used")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "url"),
    [("DATABASE_URL", "postgresql://me@127.0.0.1:9/db"), ("REDIS_URL", "redis://127.0.0.1:9")],
)
def test_a_server_that_cannot_be_reached_is_one_line(tmp_path: Path, name: str, url: str) -> None:
    refused = up(tmp_path / "state", SECRET_KEY="secret", EXEMPLAR_SIGNING_KEY="key", **{name: url})
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"exemplar: {name}: ") and "refused" in refused.stderr
    assert refused.stderr.count("\n") == 1 and not refused.stdout


def test_commands_join_what_runs(running: System) -> None:
    code = "from django.contrib.auth.models import User; print(User.objects.get().username)"
    done = manage(running.folder, "shell", "-c", code)
    assert done.stdout.splitlines()[-1] == "admin"
    assert running.healthy()


def test_a_command_before_there_are_tables_says_what_makes_them() -> None:
    refused = manage(state_folder(), "build", "tumor")
    assert refused.returncode == 1
    assert "tumor" in refused.stderr and "./dev prepare makes them" in refused.stderr
    assert refused.stderr.count("\n") == 1 and not refused.stdout


def test_nothing_is_left_however_it_ends_and_it_starts_again(system: System) -> None:
    system.start()
    assert eventually(lambda: "password" in system.output)
    pids = [system.process(name) for name in ALL]
    os.kill(system.process("supervisor"), SIGKILL)
    assert eventually(lambda: not any(map(alive, pids)))

    system.start()
    pids = [system.process(name) for name in ALL]
    for pid in pids:
        os.kill(pid, SIGKILL)
    assert eventually(lambda: not any(map(alive, pids)))

    system.start()
    pids = [system.process(name) for name in ALL]
    system.stop()
    assert not any(map(alive, pids))
    assert system.supervisor.end == "exit status 0"
