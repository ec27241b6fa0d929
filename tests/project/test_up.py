"""`up` and the commands beside it, with real processes that are killed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from project import state
from tests import commands
from tests.keys import KEYS
from tests.system import ROOT, System, copied, state_folder
from tests.waiting import PATIENCE, alive, eventually

pytestmark = pytest.mark.system

EMBEDDED = ("postgres", "valkey")
ALL = ("supervisor", "web", "worker", *EMBEDDED)


@pytest.fixture
def system(grown: Path) -> Iterator[System]:
    """A system of one product that has its champion, not started yet: what is started thrice need not build."""
    system = System(copied(grown), EXEMPLAR_PRODUCTS="examples.wine")
    try:
        yield system
    finally:
        system.stop()


def up(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `up` in a folder where it must refuse."""
    return manage(folder, "up", *arguments, **settings)


def manage(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `manage.py` in a state folder."""
    environment = System(folder, **settings).supervisor.environment
    return commands.run(ROOT / "manage.py", *arguments, cwd=ROOT, environment=environment, timeout=PATIENCE)


def restarts(system: System, name: str, seconds: float = PATIENCE) -> bool:
    """Kill a process; return True when another one has replaced it and the system is ready."""
    before = system.process(name)
    os.kill(before, SIGKILL)
    return eventually(
        lambda: system.process(name) != before and alive(system.process(name)), seconds
    ) and eventually(lambda: system.status("/ready") == 200, seconds)


@pytest.mark.parametrize("name", ["web", "worker", "valkey", "postgres"])
def test_every_killed_process_is_started_again(fragile: System, name: str) -> None:
    report = f"{name} ended (killed by SIGKILL): starting it again"
    before = fragile.output.count(report)
    assert restarts(fragile, name)
    assert fragile.output.count(report) == before + 1
    assert fragile.ask("{ products { name } }")["data"]["products"]


def test_web_and_worker_are_started_anew_by_request_and_no_request_is_lost(fragile: System) -> None:
    before = {name: fragile.process(name) for name in ("web", "worker", "postgres", "valkey")}
    assert state.is_supervised(fragile.folder)
    state.request_restart(fragile.folder)
    assert eventually(lambda: not alive(before["web"]) and not alive(before["worker"]))
    # The socket is the supervisor's: who asks meanwhile waits.
    assert fragile.ask("{ products { name } }")["data"]["products"]
    assert eventually(lambda: fragile.process("web") != before["web"])
    assert eventually(lambda: fragile.process("worker") != before["worker"])
    assert {name: fragile.process(name) for name in ("postgres", "valkey")} == {
        name: before[name] for name in ("postgres", "valkey")
    }
    assert eventually(lambda: fragile.status("/ready") == 200)


def test_a_second_up_names_the_first(fragile: System) -> None:
    refused = up(fragile.folder)
    assert refused.returncode == 1
    assert (
        refused.stderr
        == f"exemplar: ./dev up (process {fragile.process('supervisor')}) uses {fragile.folder}\n"
    )


def test_a_port_in_use_is_reported_in_one_line(fragile: System, tmp_path: Path) -> None:
    refused = up(tmp_path / "state", f"--port={fragile.port}")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"exemplar: Port {fragile.port} of 127.0.0.1 cannot be used")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "url"),
    [("DATABASE_URL", "postgresql://me@127.0.0.1:9/db"), ("REDIS_URL", "redis://127.0.0.1:9")],
)
def test_an_unreachable_server_is_reported_in_one_line(tmp_path: Path, name: str, url: str) -> None:
    refused = up(tmp_path / "state", **KEYS, **{name: url})
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"exemplar: {name}: ") and "refused" in refused.stderr
    assert refused.stderr.count("\n") == 1 and not refused.stdout


def test_commands_use_the_engines_that_run(fragile: System) -> None:
    code = "from store.access.models import User; print(User.objects.get(is_superuser=True).username)"
    done = manage(fragile.folder, "shell", "-c", code)
    assert done.stdout.splitlines()[-1] == "admin"
    assert fragile.healthy()


def test_a_command_without_tables_names_the_command_that_creates_them() -> None:
    refused = manage(state_folder(), "build", "tumor")
    assert refused.returncode == 1
    assert "tumor" in refused.stderr and "./dev prepare makes them" in refused.stderr
    assert refused.stderr.count("\n") == 1 and not refused.stdout


def test_no_process_is_left_after_any_end_and_up_starts_again(system: System) -> None:
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
