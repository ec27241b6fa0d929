"""The transport below uvicorn's HTTP: what a turn of the event loop answers leaves together, each answer in one write.

A batch is answered in one turn. Written one by one, head and body apart, each write would wake a client that sleeps.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Joining:
    """A transport that writes at the end of the turn; all else is done by the one below, at once."""

    #: Those that have something to write, on the process's one loop.
    waiting: "ClassVar[list[Joining]]" = []

    def __init__(self, transport: Any):
        self.transport = transport
        self.held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        if not self.held:
            if not Joining.waiting:
                asyncio.get_running_loop().call_soon(write_all)
            Joining.waiting.append(self)
        self.held.append(data)

    def flush(self) -> None:
        if self.held:
            data, self.held = b"".join(self.held), []
            self.transport.write(data)

    def close(self) -> None:
        self.flush()
        self.transport.close()


def write_all() -> None:
    waiting, Joining.waiting = Joining.waiting, []
    for transport in waiting:
        transport.flush()


class Protocol(HttpToolsProtocol):
    """uvicorn's, over such a transport."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(Joining(transport))  # type: ignore[arg-type]
