"""Python commands of the project, each in a process of its own that need not import the libraries first."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from select import select
from typing import IO

from tests import beside
from tests.waiting import BUILD_PATIENCE

#: Of the tests' environment and of the caller's, these are not for commands.
UNSET = {
    *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
}
SERVER = Path(__file__).with_name("fork_server.py")
#: Variables that Python or a library reads when it starts: a command with others than the server has forks no server.
AT_START = ("PYTHON", "OMP_", "OPENBLAS_", "MALLOC_", "LD_", "LC_", "LANG")


def run(
    *command: str | Path,
    cwd: Path,
    environment: Mapping[str, str],
    stdin: str = "",
    timeout: float = BUILD_PATIENCE,
) -> "subprocess.CompletedProcess[str]":
    """Run a script, or a module after `-m`, and return what it printed and how it ended. Raises TimeoutExpired."""
    arguments = [str(part) for part in command]
    if variables_at_start(environment) != variables_at_start(outer_environment()):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env=dict(environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    request = {"command": arguments, "cwd": str(cwd), "environment": dict(environment)}
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)]
        for file, text in zip(files, (json.dumps(request), stdin), strict=True):
            file.write(text)
            file.seek(0)
        pipes = [os.pipe() for _ in range(3)]
        output, errors = (stack.enter_context(open(reader)) for reader, _ in pipes[:2])
        report = stack.enter_context(open(pipes[2][0], "rb", buffering=0))
        writers = [writer for _, writer in pipes]
        socket.send_fds(server(), [b"."], [*(file.fileno() for file in files), *writers])
        for writer in writers:
            os.close(writer)
        with ThreadPoolExecutor(2) as pool:
            texts = [pool.submit(file.read) for file in (output, errors)]
            status = wait(report, arguments, timeout)
            return subprocess.CompletedProcess(arguments, status, *(text.result() for text in texts))


def outer_environment(root: Path = beside.TESTS.parent) -> dict[str, str]:
    """Return what of the environment of the tests is for processes in `root`, too."""
    outer = {
        name: value
        for name, value in os.environ.items()
        if name not in UNSET and not name.startswith("EXEMPLAR_")
    }
    return outer | beside.environment(root)


def variables_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that matter before a command begins; the server itself sees to Python's path."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(AT_START) and name != "PYTHONPATH"
    }


def wait(report: IO[bytes], command: list[str], timeout: float) -> int:
    """Wait for the exit status of a command; kill it and raise TimeoutExpired after `timeout` seconds."""
    pid = int(report.readline())
    if not select([report], [], [], timeout)[0]:
        os.kill(pid, signal.SIGKILL)
        raise subprocess.TimeoutExpired(command, timeout)
    return int(report.readline())


@cache
def server() -> socket.socket:
    """Start the fork server of this process; it ends with the process, as that closes the connection."""
    ours, theirs = socket.socketpair()
    environment = outer_environment()
    environment.pop("PYTHONPATH", None)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, SERVER, str(theirs.fileno())],
            env=environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours
