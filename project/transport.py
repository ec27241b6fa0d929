"""What lies below ASGI: uvicorn's HTTP, which answers the hot way's requests without ASGI's messages, and a transport
by which what a turn of the event loop answers leaves together, each answer in one write.

A batch is answered in one turn. Written one by one, head and body apart, each write would wake a client that sleeps.
"""

import asyncio
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from schema.hot import Headers, HotWay, Reply

log = logging.getLogger(__name__)


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
    """uvicorn's, over such a transport. What is posted to GraphQL waits for its body and goes the hot way; what that
    does not take, and everything else, goes to the application.
    """

    #: The application's; None: everything goes to the application.
    hot_way: "ClassVar[HotWay | None]" = None
    #: Whose body has not come yet, and the application.
    held: tuple[RequestResponseCycle, Any] | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(Joining(transport))  # type: ignore[arg-type]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        usual = (
            app is self.app and cycle.more_body and cycle.keep_alive and not cycle.waiting_for_100_continue
        )
        if self.hot_way and usual and (cycle.scope["method"], cycle.scope["path"]) == ("POST", "/graphql/"):
            self.held = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if (
            self.held and len(self.held[0].body) > HIGH_WATER_LIMIT
        ):  # no more comes until the application wants it
            (cycle, app), self.held = self.held, None
            super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.held:
            task = self.loop.create_task(self.answer(*self.held))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            self.held = None

    async def answer(self, cycle: RequestResponseCycle, app: Any) -> None:
        assert self.hot_way
        scope: Any = cycle.scope
        try:
            reply = await self.hot_way.reply(scope, bytes(cycle.body), lambda: cycle.disconnected)
        except Exception:  # of ours: the application answers, or says so
            log.exception("The hot way failed")
            reply = None
        if reply is None:
            super()._start_asgi_task(cycle, app)
            return
        if self.flow.write_paused:
            await self.flow.drain()
        if not cycle.disconnected:
            self.send(cycle, reply)

    def send(self, cycle: RequestResponseCycle, reply: "Reply") -> None:
        """Write the response, and go on with the connection's next request."""
        usual = (*self.server_state.default_headers, (b"content-length", b"%d" % len(reply.body)))
        closing = () if cycle.keep_alive else ((b"connection", b"close"),)
        head = b"".join(b"%b: %b\r\n" % header for header in (*usual, *closing))
        parts = (STATUS_LINE[reply.status], head, lines(reply.headers), b"\r\n", reply.body)
        self.transport.write(b"".join(parts))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        cycle.on_response = nothing  # as uvicorn does: it refers to what refers to the cycle


@lru_cache
def lines(headers: "Headers") -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def nothing() -> None:
    pass
