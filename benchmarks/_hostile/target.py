"""The server that hostile clients are set on: raw connections to it, its memory, its times."""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

#: Seconds after which a client gives up: more than each limit of the server has.
PATIENCE = 100.0
#: Seconds between two requests for /health beside a case.
PROBE_SECONDS = 0.05
#: What a client has read, at most: an answer's head and the beginning of its body.
MAX_READ = 65_536
#: An address of this machine from which hostile clients come; the probe comes from another one (Linux).
ELSEWHERE = "127.0.0.2" if sys.platform == "linux" else ""


@dataclass(frozen=True)
class Target:
    """A web process."""

    port: int
    pid: int
    #: The Host header that is served.
    host: str = "127.0.0.1"

    def connect(self, source: str = "", patience: float = PATIENCE) -> socket.socket:
        """Open a connection, from an address of this machine."""
        return socket.create_connection(
            (self.host, self.port), timeout=patience, source_address=(source, 0) if source else None
        )

    def head(self, line: str = "GET /health", *headers: str, version: str = "1.1") -> bytes:
        """Render the head of a request."""
        return "\r\n".join([f"{line} HTTP/{version}", f"Host: {self.host}", *headers, "", ""]).encode(
            "latin-1"
        )

    def post(self, body: bytes, *headers: str, path: str = "/graphql/") -> bytes:
        """Render a POST."""
        json_type = "Content-Type: application/json"
        return self.head(f"POST {path}", json_type, f"Content-Length: {len(body)}", *headers) + body

    def document(self, text: str) -> bytes:
        """Render a GraphQL request."""
        return self.post(json.dumps({"query": text}).encode())

    def ask(self, *parts: bytes) -> str:
        """Send bytes on a connection of their own; return what they are answered."""
        with self.connect() as connection:
            return converse(connection, *parts)

    def memory(self) -> float:
        """The resident memory in MB (Linux; elsewhere NaN)."""
        return self._status("VmRSS")

    def cpu(self) -> float:
        """The seconds of processor time that the process has used (Linux; elsewhere NaN)."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> float:
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            return float("nan")
        return next(
            (int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), float("nan")
        )


def converse(connection: socket.socket, *parts: bytes) -> str:
    """Send bytes, as far as the server takes them; return what it answers."""
    try:
        for part in parts:
            connection.sendall(part)
    except OSError:
        pass  # it has closed the connection; its answer may still be there
    return read_answer(connection)


def read_answer(connection: socket.socket) -> str:
    """Read one answer: its status, with the code of an error; `closed` without one, `silence` after PATIENCE."""
    try:
        with connection.makefile("rb") as stream:
            status = stream.readline(MAX_READ).split()
            if len(status) < 2:
                return "closed"
            lines = iter(lambda: stream.readline(MAX_READ).decode("latin-1").strip().lower(), "")
            headers = dict(line.split(": ", 1) for line in lines if ": " in line)
            body = stream.read(min(MAX_READ, int(headers.get("content-length", 0))))
    except TimeoutError:
        return "silence"
    except OSError:
        return "closed"
    return f"{status[1].decode()} {code_of(body)}".strip()


def code_of(body: bytes) -> str:
    """The code of the first error of a GraphQL response; empty without one."""
    with suppress(ValueError, KeyError, IndexError, TypeError):
        return str(json.loads(body)["errors"][0]["extensions"]["code"])
    return ""


@dataclass
class Probe:
    """Requests for /health, one after the other on connections of their own, beside a case."""

    target: Target
    #: Seconds of each answer.
    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    #: The largest resident memory in MB.
    memory: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Probe"]:
        """Ask while the block runs, and once more after it."""
        thread = threading.Thread(target=self._ask_until_ended)
        thread.start()
        try:
            yield self
        finally:
            self.ended.set()
            thread.join()
            self.ask()

    def _ask_until_ended(self) -> None:
        while not self.ended.wait(PROBE_SECONDS):
            self.ask()

    def ask(self) -> None:
        """Ask once, and note the memory."""
        started = time.perf_counter()
        try:
            answer = self.target.ask(self.target.head("GET /health", "Connection: close"))
        except OSError as error:
            answer = str(error)
        self.times.append(time.perf_counter() - started)
        if answer != "200":
            self.failures.append(answer)
        self.memory = max(self.memory, self.target.memory())
