"""What lies below ASGI: uvicorn's HTTP, which hands the hot way's requests over as they came, and a transport by which
what a turn of the event loop answers leaves together, each answer in one write.

A batch is answered in one turn. Written one by one, head and body apart, each write would wake a client that sleeps.
"""

import asyncio
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from schema.core.request import EXTENSION, GraphQLRequest, RequestHead

if TYPE_CHECKING:
    from schema.transport.fast_path import FastPath, Headers, Reply

log = logging.getLogger(__name__)

#: Between a request's head and its body.
END = b"\r\n\r\n"
#: Bytes of a head; sensible ones have hundreds.
LONGEST_HEAD = 4_096


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
            # Who has been lost since must not cost the others their answers: uvloop raises on a closed transport.
            if not self.transport.is_closing():
                self.transport.write(data)

    def close(self) -> None:
        self.flush()
        self.transport.close()


def write_all() -> None:
    waiting, Joining.waiting = Joining.waiting, []
    for transport in waiting:
        transport.flush()


class Head(NamedTuple):
    """The head of a request that the fast path may take."""

    head: RequestHead
    #: Bytes of the body.
    length: int


class Parser:
    """Takes a head apart, as httptools calls it."""

    def __init__(self, head: bytes):
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(head)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    @property
    def usual(self) -> bool:
        """Whether one body follows, of known length, on a connection that stays."""
        names = [name for name, _ in self.headers]
        plain = names.count(b"content-length") == 1 and not {b"expect", b"transfer-encoding"} & set(names)
        stays = self.parser.should_keep_alive() and not self.parser.should_upgrade()
        return plain and stays and self.parser.get_http_version() == "1.1"


@lru_cache(1_000)
def head_of(text: bytes) -> Head | None:
    """What a head says: a client says the same again and again. None where uvicorn has to read it."""
    try:
        parser = Parser(text)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    method, path = parser.parser.get_method().decode(), parser.url.decode("latin-1")
    if (method, path) != ("POST", "/graphql/") or not parser.usual:
        return None
    head = RequestHead(method, b"", parser.headers)
    return Head(head, int(head.get(b"content-length")))


class Protocol(HttpToolsProtocol):
    """uvicorn's, over such a transport. What is posted to GraphQL goes the hot way as soon as it has come; what that
    does not take, and everything else, uvicorn reads and the application answers.
    """

    #: The application's; None: uvicorn reads everything.
    fast_path: "ClassVar[FastPath | None]" = None

    #: The beginning of a request whose body has not come in full.
    early = b""
    #: What came while one was answered.
    late = b""
    #: Whether the hot way is answering.
    answering = False
    #: Whether uvicorn is in the middle of a request.
    reading = False
    #: Whether the server wants to stop.
    stopping = False
    lost = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(Joining(transport))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self.reading = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self.reading = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if self.answering:
            self.late += data
            if len(self.late) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
        elif self.fast_path and not self.reading and (self.cycle is None or self.cycle.response_complete):
            self.began(self.early + data)
        else:
            super().data_received(data)

    def began(self, data: bytes) -> None:
        """Go on with a request of which so much has come."""
        self._unset_keepalive_if_required()
        body = data.find(END, 0, LONGEST_HEAD) + len(END)
        head = head_of(data[:body]) if body >= len(END) else None
        if head is None or head.length > HIGH_WATER_LIMIT:
            self.early = b""
            super().data_received(data)
        elif len(data) < body + head.length:
            self.early = data
        else:
            whole = body + head.length
            self.early, self.late, self.answering = b"", data[whole:], True
            task = self.loop.create_task(self.answer(head.head, data[:whole], data[body:whole]))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def answer(self, head: RequestHead, data: bytes, body: bytes) -> None:
        assert self.fast_path
        request = GraphQLRequest(head, never, body, lambda: self.lost)
        try:
            reply = await self.fast_path.reply(request)
        except Exception:  # of ours: the application answers, or says so
            log.exception("The fast path failed; the standard path answers.")
            request.declined, reply = True, None
        if self.flow.write_paused:
            await self.flow.drain()
        self.answering = False
        if self.lost:
            return
        if reply is None:
            self.decline(request, data)
        else:
            self.send(reply)
        if (late := self.late) and not self.stopping:
            self.late = b""
            self.flow.resume_reading()
            self.data_received(late)

    def decline(self, request: GraphQLRequest, data: bytes) -> None:
        """Have the application answer a request that was read here."""
        super().data_received(data)
        if self.cycle:
            self.cycle.scope["extensions"] = {EXTENSION: request}  # type: ignore[dict-item]
        if self.stopping:
            super().shutdown()

    def send(self, reply: "Reply") -> None:
        usual = (*self.server_state.default_headers, (b"content-length", b"%d" % len(reply.body)))
        closing = ((b"connection", b"close"),) if self.stopping else ()
        head = b"".join(b"%b: %b\r\n" % header for header in (*usual, *closing))
        parts = (STATUS_LINE[reply.status], head, lines(reply.headers), b"\r\n", reply.body)
        self.transport.write(b"".join(parts))
        self.server_state.total_requests += 1
        if self.stopping:
            self.transport.close()
        elif not self.late:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def shutdown(self) -> None:
        """What is being answered is answered."""
        self.stopping = True
        if not self.answering:
            super().shutdown()


async def never() -> NoReturn:
    """The body came with the head, so that nothing is received."""
    raise RuntimeError("This request was received in full.")


@lru_cache
def lines(headers: "Headers") -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
