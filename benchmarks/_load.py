"""Load generator: connections that post, wait for the answer and post again.

It uses wrk where that is installed, else this module in a process of its own.
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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

#: Script of wrk that posts bodies which differ in one number. Each thread has a counter with a range of its own.
SCRIPT = """
local number = 0
local threads = 0
function setup(thread) threads = threads + 1; thread:set("first", threads * 100000000 + FIRST) end
function init(args) number = first end
function request()
    number = number + 1
    return wrk.format("POST", nil, HEADERS, [==[BEFORE]==] .. number .. [==[AFTER]==])
end
"""
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, kw_only=True)
class Load:
    """The address and the body of the requests."""

    port: int
    path: str
    #: The parts of the body before and after the number that differs in each request.
    before: str
    after: str
    #: Besides those that every request has.
    headers: Mapping[str, str] = field(default_factory=dict)


def load(port: int, path: str, body: str, varied: str) -> Load:
    """Build the load of a JSON body in which the number called `varied` differs in each request."""
    parts = re.split(rf'(?<="{varied}": )[-+.\deE]+', body)
    if len(parts) != 2:
        raise ValueError(f"{varied} is not one number of {body}")
    return Load(port=port, path=path, before=parts[0], after=parts[1])


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """Rate and times of the answers."""

    #: Answers per second.
    rate: float
    #: Percentiles of the times, in milliseconds.
    p50: float
    p99: float


def measure(load: Load, connections: int, seconds: float, first: int) -> LoadResult:
    """Apply the load and measure the answers. Raises RuntimeError where an answer is an error.

    Args:
        first: the first value of the varied number.
    """
    wrk = shutil.which("wrk")
    if wrk:
        return _measure_with_wrk(wrk, load, connections, seconds, first)
    return _measure_in_process(load, connections, seconds, first)


def _measure_with_wrk(wrk: str, load: Load, connections: int, seconds: float, first: int) -> LoadResult:
    headers = {"Content-Type": "application/json", **load.headers}
    values = {
        "FIRST": str(first),
        "HEADERS": "{" + ", ".join(f'["{name}"] = [==[{value}]==]' for name, value in headers.items()) + "}",
        "BEFORE": load.before,
        "AFTER": load.after,
    }
    script = re.sub("|".join(values), lambda match: values[match[0]], SCRIPT)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        options = [f"-c{connections}", "-t1", f"-d{max(1, round(seconds))}s", "--latency", "-s", file.name]
        output = subprocess.run(
            [wrk, *options, f"http://127.0.0.1:{load.port}{load.path}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(output)
    return LoadResult(
        rate=float(_search(r"Requests/sec:\s+(\S+)", output)),
        p50=_parse_percentile(50, output),
        p99=_parse_percentile(99, output),
    )


def _parse_percentile(percent: int, output: str) -> float:
    """Parse a percentile of wrk in milliseconds; NaN where there were no answers."""
    time_and_unit = re.fullmatch(r"([\d.]+)(\w+)", _search(rf"(?m)^\s+{percent}%\s+(\S+)", output))
    return float(time_and_unit[1]) * UNITS[time_and_unit[2]] if time_and_unit else float("nan")


def _search(pattern: str, text: str) -> str:
    """Return the first group of the match. Raises RuntimeError with the text where nothing matches."""
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(text)
    return match[1]


def _measure_in_process(load: Load, connections: int, seconds: float, first: int) -> LoadResult:
    arguments = json.dumps([asdict(load), connections, seconds, first])
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks._load", arguments], capture_output=True, text=True, check=True
    )
    return LoadResult(**json.loads(process.stdout))


async def _post(load: Load, numbers: "list[int]", until: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    more = "".join(f"{name}: {value}\r\n" for name, value in load.headers.items())
    head = f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{more}Content-Length: "
    while (started := time.perf_counter()) < until:
        numbers[0] += 1
        body = f"{load.before}{numbers[0]}{load.after}"
        writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        length = int(_search(r"(?i)content-length: (\d+)", answer.decode()))
        await reader.readexactly(length)
        times.append(time.perf_counter() - started)
    writer.close()


async def _post_all(load: Load, connections: int, seconds: float, first: int) -> LoadResult:
    times: list[float] = []
    numbers, until = [first], time.perf_counter() + seconds
    await asyncio.gather(*(_post(load, numbers, until, times) for _ in range(connections)))
    percentiles = statistics.quantiles(times, n=100)
    return LoadResult(rate=len(times) / seconds, p50=percentiles[49] * 1e3, p99=percentiles[98] * 1e3)


if __name__ == "__main__":
    fields, *rest = json.loads(sys.argv[1])
    print(json.dumps(asdict(asyncio.run(_post_all(Load(**fields), *rest)))))
