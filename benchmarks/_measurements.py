"""Measurements of seconds and of peak memory, and psql as the peer of our own code."""

import multiprocessing
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from project.engines import PostgreSQL

#: Units of `ru_maxrss` in one MB: macOS counts bytes, Linux KiB.
UNIT = 1 << 20 if sys.platform == "darwin" else 1 << 10


def run_psql(script: str) -> None:
    """Run a script with psql and discard its output."""
    with _start_psql(script) as process:
        process.wait()
    _check(process)


def measure_psql_peak(script: str) -> float:
    """Run a script and return the peak of psql's memory in MB; NaN where the system does not report it."""
    peak = float("nan")
    with _start_psql(script) as process:
        while process.poll() is None:
            peak = _read_peak(process.pid, peak)
            time.sleep(0.01)
    _check(process)
    return peak


def libpq_environment() -> dict[str, str]:
    """Return the environment variables by which libpq finds the database."""
    dsn = settings.DATABASES["default"]
    names = {
        "PGHOST": "HOST",
        "PGPORT": "PORT",
        "PGUSER": "USER",
        "PGPASSWORD": "PASSWORD",
        "PGDATABASE": "NAME",
    }
    options = {"PGOPTIONS": "-c search_path=exemplar,public -c timezone=UTC"}
    return {variable: str(dsn[name]) for variable, name in names.items()} | options


def _start_psql(script: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [PostgreSQL(settings.EXEMPLAR_STATE).binaries / "psql", "--no-psqlrc", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=libpq_environment(),
    )
    assert process.stdin
    with process.stdin as stdin:
        stdin.write(f"\\set ON_ERROR_STOP on\n{script}\n")
    return process


def _check(process: "subprocess.Popen[str]") -> None:
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "psql")


def _read_peak(pid: int, before: float) -> float:
    """Read the peak of a running process in MB (Linux); `before` where it has ended.

    The peak of an ended process includes its parent's, so it cannot be used.
    """
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return before


def measure_seconds(call: Callable[[], object]) -> float:
    """Measure the seconds until the call returns, without the deletion of its result."""
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    del result
    return seconds


def measure_peak(call: Callable[[], object]) -> float:
    """Measure the peak memory of a child process that makes the call, in MB."""
    connection.close()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_call_and_send_peak, args=[call, sender])
    child.start()
    sender.close()
    memory: float = receiver.recv()
    child.join()
    return memory


def _call_and_send_peak(call: Callable[[], object], sender: "Connection[float, Any]") -> None:
    call()
    sender.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT)
