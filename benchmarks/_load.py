"""Load: connections that each post, wait for the answer, and post again; wrk where it is installed, else this module
as a process of its own.
"""

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass

#: Posts bodies which differ in one number. A counter for each thread, which begins where no other does.
SCRIPT = """
local number = 0
local threads = 0
function setup(thread) threads = threads + 1; thread:set("first", threads * 100000000 + FIRST) end
function init(args) number = first end
function request()
    number = number + 1
    return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, [==[BEFORE]==] .. number .. [==[AFTER]==])
end
"""
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is posted where."""

    port: int
    path: str
    #: What stands before and behind the number that makes each body another one.
    before: str
    after: str


def load(port: int, path: str, body: str, varied: str) -> Load:
    """Of a JSON body: the number called `varied` is another one in each."""
    parts = re.split(rf'(?<="{varied}": )[-+.\deE]+', body)
    if len(parts) != 2:
        raise ValueError(f"{varied} is not one number of {body}")
    return Load(port=port, path=path, before=parts[0], after=parts[1])


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What came of it."""

    #: Answers in a second.
    rate: float
    #: Milliseconds, of every second answer and of all but every hundredth, at most.
    p50: float
    p99: float


def measure(load: Load, connections: int, seconds: float, first: int) -> Measured:
    """Raises RuntimeError where an answer was not a good one."""
    wrk = shutil.which("wrk")
    return (
        _by_wrk(wrk, load, connections, seconds, first) if wrk else _by_us(load, connections, seconds, first)
    )


def _by_wrk(wrk: str, load: Load, connections: int, seconds: float, first: int) -> Measured:
    script = SCRIPT.replace("FIRST", str(first)).replace("BEFORE", load.before).replace("AFTER", load.after)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        options = [f"-c{connections}", "-t1", f"-d{max(1, round(seconds))}s", "--latency", "-s", file.name]
        said = subprocess.run(
            [wrk, *options, f"http://127.0.0.1:{load.port}{load.path}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return Measured(
        rate=float(_found(r"Requests/sec:\s+(\S+)", said)), p50=_time(50, said), p99=_time(99, said)
    )


def _time(percent: int, said: str) -> float:
    """NaN where nothing was answered."""
    found = re.fullmatch(r"([\d.]+)(\w+)", _found(rf"(?m)^\s+{percent}%\s+(\S+)", said))
    return float(found[1]) * UNITS[found[2]] if found else float("nan")


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise RuntimeError(said)
    return found[1]


def _by_us(load: Load, connections: int, seconds: float, first: int) -> Measured:
    told = json.dumps([asdict(load), connections, seconds, first])
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks._load", told], capture_output=True, text=True, check=True
    )
    return Measured(**json.loads(said.stdout))


async def _post(load: Load, numbers: "list[int]", until: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    head = (
        f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    )
    while (begun := time.perf_counter()) < until:
        numbers[0] += 1
        body = f"{load.before}{numbers[0]}{load.after}"
        writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
        answered = await reader.readuntil(b"\r\n\r\n")
        if not answered.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answered.decode())
        length = int(_found(r"(?i)content-length: (\d+)", answered.decode()))
        await reader.readexactly(length)
        times.append(time.perf_counter() - begun)
    writer.close()


async def _all(load: Load, connections: int, seconds: float, first: int) -> Measured:
    times: list[float] = []
    numbers, until = [first], time.perf_counter() + seconds
    await asyncio.gather(*(_post(load, numbers, until, times) for _ in range(connections)))
    percentiles = statistics.quantiles(times, n=100)
    return Measured(rate=len(times) / seconds, p50=percentiles[49] * 1e3, p99=percentiles[98] * 1e3)


if __name__ == "__main__":
    given, *rest = json.loads(sys.argv[1])
    print(json.dumps(asdict(asyncio.run(_all(Load(**given), *rest)))))
