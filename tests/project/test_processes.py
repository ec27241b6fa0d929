"""Child processes that leave no descendants behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from project import state
from project.processes import Child, members
from project.supervisor import DiskSpace, Supervisor
from tests.disks import small_disk
from tests.waiting import PATIENCE, alive, eventually

SLEEP = "import time; time.sleep(60)"
FINISHING = f"""
import signal
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), exit(0)))
print("up", flush=True)
{SLEEP}
""".replace("import signal", "import signal, time", 1)
STUBBORN = f"import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); {SLEEP}"
# In a process group of its own, as a work-horse is.
WITH_GRANDCHILD = f"""
import subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], process_group=0)
print(grandchild.pid, flush=True)
{SLEEP}"""
PARENT = f"""
import sys
from project.processes import Child
child = Child(name="child", command=[sys.executable, "-c", {SLEEP!r}])
child.start()
print(child.pid, flush=True)
input()"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def child(tmp_path: Path):
    child = Child(name="child", command=python(SLEEP), log=tmp_path / "log", patience=0.3)
    yield child
    child.stop()


def test_a_child_that_ignores_the_request_is_killed(child: Child) -> None:
    child.command = python(STUBBORN)
    child.start()
    assert child.log and eventually(child.log.read_text)
    child.stop()
    assert child.end == "killed by SIGKILL"


def test_the_descendants_of_a_child_end_with_it(child: Child) -> None:
    child.command = python(WITH_GRANDCHILD)
    child.start()
    assert child.log and eventually(child.log.read_text)
    grandchild = int(child.log.read_text())
    assert alive(grandchild)
    child.stop()
    assert not alive(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the death of a parent")
def test_a_child_does_not_outlive_a_parent_that_is_killed() -> None:
    with subprocess.Popen(python(PARENT), stdin=-1, stdout=-1, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(SIGKILL)
    assert eventually(lambda: not alive(pid))


def test_a_child_that_dies_is_started_again_after_ever_longer_pauses(child: Child, tmp_path: Path) -> None:
    reports: list[str] = []
    supervisor = Supervisor(tmp_path, reports.append)
    supervisor.start(child)
    first = child.pid
    child.send_signal(SIGTERM)
    assert eventually(lambda: supervisor.tick() or child.pid != first)
    assert reports == ["child ended (killed by SIGTERM): starting it again."]
    child.send_signal(SIGKILL)
    assert child.wait(PATIENCE)
    supervisor.tick()
    assert reports[1:] == ["child ended (killed by SIGKILL): starting it again in 1 s."]
    assert not child.alive
    supervisor.stop("child")
    assert not supervisor.supervised


def test_a_child_is_started_anew_by_request_once_it_has_ended_its_work(tmp_path: Path) -> None:
    child = Child(name="web", command=[sys.executable, "-c", FINISHING], log=tmp_path / "log")
    reports: list[str] = []
    supervisor = Supervisor(tmp_path, reports.append)
    supervisor.start(child)
    try:
        first = child.pid
        assert eventually(lambda: "up" in (tmp_path / "log").read_text())
        for _ in range(2):  # the second request comes while the first is under way, and does not break it off
            state.request_restart(tmp_path)
            supervisor.tick()
            assert child.alive
        assert eventually(lambda: supervisor.tick() or child.pid != first)
        assert reports == ["Starting web and worker anew, as was requested."] * 2
    finally:
        supervisor.stop("web")


def test_a_supervisor_outlives_a_disk_without_room_and_says_so(child: Child, tmp_path: Path) -> None:
    reports: list[str] = []
    supervisor = Supervisor(tmp_path, reports.append)
    supervisor.start(child)
    pids = supervisor.pid_file.with_suffix(".tmp")
    pids.symlink_to("/dev/full")  # where every write fails as on a full disk
    first = child.pid
    child.send_signal(SIGTERM)
    assert eventually(lambda: supervisor.tick() or child.pid != first)
    supervisor.tick()
    sentence = f"{supervisor.pid_file} is out of date until it can be written: No space left on device."
    assert reports[1:] == [sentence]
    pids.unlink()
    supervisor.tick()
    assert json.loads(supervisor.pid_file.read_text())["child"] == child.pid


def test_a_child_that_cannot_be_started_is_tried_again(child: Child, tmp_path: Path) -> None:
    reports: list[str] = []
    supervisor = Supervisor(tmp_path, reports.append)
    supervisor.start(child)
    first = child.pid
    child.log = tmp_path / "logs" / "log"
    child.log.parent.symlink_to("/dev/full")  # no folder, and none can be made
    child.send_signal(SIGTERM)
    assert eventually(lambda: supervisor.tick() or len(reports) > 1)
    assert reports[1] == "child could not be started (File exists): starting it again in 1 s."
    child.log.parent.unlink()
    assert eventually(lambda: supervisor.tick() or child.pid != first)
    assert child.alive


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk of its own")
def test_a_full_disk_is_reported_once_and_so_is_its_end(tmp_path: Path) -> None:
    with small_disk(tmp_path, megabytes=40) as disk:
        reports: list[str] = []
        space = DiskSpace(disk)
        for size, number in [(1, 0), (30, 1), (39, 1), (15, 1), (1, 2)]:
            (disk / "file").write_bytes(bytes(size << 20))
            for _ in range(2):
                space.tick(reports.append)
            assert len(reports) == number, size
    assert reports == [
        f"There is no room on the disk of {disk} (10 MB left). Until there is, writes are refused.",
        f"There is room on the disk of {disk} again.",
    ]


def test_what_up_reports_may_be_lost(capfd: pytest.CaptureFixture[str]) -> None:
    program = (
        "from project.management.commands.up import report; report('lost'); import os; os.write(2, b'on')"
    )
    settings = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    with open("/dev/full", "w") as full:
        subprocess.run(
            python(program), cwd=Path(__file__).parents[2], stdout=full, timeout=PATIENCE, env=settings
        )
    assert capfd.readouterr().err.startswith("on")


def test_members_are_found_by_their_session(child: Child) -> None:
    child.start()
    assert child.pid and list(members(child.pid)) == [child.pid]
    assert os.getpid() not in members(child.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere orphans go to init")
def test_the_orphans_of_a_killed_process_are_adopted_and_reaped() -> None:
    # In a process of its own: pytest has children that it waits for itself.
    program = """
import subprocess, sys, time
from project.processes import adopt_orphans, reap
adopt_orphans()
leave_one = "import subprocess; print(subprocess.Popen(['sleep', '0.2']).pid)"
subprocess.run([sys.executable, "-c", leave_one], check=True)
while reap(()):
    time.sleep(0.02)
"""
    subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=True, timeout=PATIENCE
    )
