"""What measurements have in common: psql beside our own code, seconds, peak memory."""

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

#: Bytes or KiB: what a process's peak is counted in here, in MB.
UNIT = 1 << 20 if sys.platform == "darwin" else 1 << 10


def psql(script: str) -> None:
    """Run a script, its output going nowhere."""
    with _psql(script) as process:
        process.wait()
    _check(process)


def psql_peak(script: str) -> float:
    """Run a script; the peak of psql's memory in MB, NaN where that is not told."""
    peak = float("nan")
    with _psql(script) as process:
        while process.poll() is None:
            peak = _high_water(process.pid, peak)
            time.sleep(0.01)
    _check(process)
    return peak


def libpq() -> dict[str, str]:
    """What names the database to libpq, as environment variables."""
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


def _psql(script: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [PostgreSQL(settings.EXEMPLAR_STATE).binaries / "psql", "--no-psqlrc", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=libpq(),
    )
    assert process.stdin
    with process.stdin as stdin:
        stdin.write(f"\\set ON_ERROR_STOP on\n{script}\n")
    return process


def _check(process: "subprocess.Popen[str]") -> None:
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "psql")


def _high_water(pid: int, before: float) -> float:
    """Linux tells it while the process runs; what is told of one that has ended includes its parent's."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return before


def timed(call: Callable[[], Any]) -> float:
    """The seconds until it returns; what becomes of its result does not count."""
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    del result
    return seconds


def peak(call: Callable[[], Any]) -> float:
    """The memory of a process of its own that makes the call, at its peak, in MB."""
    connection.close()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_call_and_tell, args=[call, sender])
    child.start()
    sender.close()
    memory: float = receiver.recv()
    child.join()
    return memory


def _call_and_tell(call: Callable[[], Any], sender: "Connection[float, Any]") -> None:
    call()
    sender.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT)
