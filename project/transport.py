"""HTTP below ASGI: uvicorn's protocol, which offers requests to the fast path as they come, and joined writes.

A batch of predictions is answered in one turn of the event loop. Head and body of each response are written at once, at
the end of the turn: with a write for each part, a waiting client would wake up at every write.
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
#: Bytes of a head; usual ones have hundreds.
LONGEST_HEAD = 4_096


class Joining:
    """A transport that joins the writes of a turn of the event loop; all other calls go to the transport below."""

    #: The transports with data to write, on the process's only event loop.
    waiting: "ClassVar[list[Joining]]" = []

    def __init__(self, transport: Any):
        self.transport = transport
        self.pending: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        if not self.pending:
            if not Joining.waiting:
                asyncio.get_running_loop().call_soon(write_all)
            Joining.waiting.append(self)
        self.pending.append(data)

    def flush(self) -> None:
        if self.pending:
            data, self.pending = b"".join(self.pending), []
            # uvloop raises on a closed transport, which must not keep the others from writing.
            if not self.transport.is_closing():
                self.transport.write(data)

    def close(self) -> None:
        self.flush()
        self.transport.close()


def write_all() -> None:
    """Write the data of all transports, at the end of the turn."""
    waiting, Joining.waiting = Joining.waiting, []
    for transport in waiting:
        transport.flush()


class Head(NamedTuple):
    """The head of a request that the fast path may take."""

    head: RequestHead
    #: Bytes of the body.
    length: int


class Parser:
    """Parser of a request's head; httptools calls its methods."""

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
    def is_usual(self) -> bool:
        """Check if one body of known length follows, on a connection that is kept alive."""
        names = [name for name, _ in self.headers]
        plain = names.count(b"content-length") == 1 and not {b"expect", b"transfer-encoding"} & set(names)
        stays = self.parser.should_keep_alive() and not self.parser.should_upgrade()
        return plain and stays and self.parser.get_http_version() == "1.1"


@lru_cache(1_000)
def head_of(text: bytes) -> Head | None:
    """Parse a head, cached as clients repeat theirs; None if uvicorn has to read the request."""
    try:
        parser = Parser(text)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    method, path = parser.parser.get_method().decode(), parser.url.decode("latin-1")
    if (method, path) != ("POST", "/graphql/") or not parser.is_usual:
        return None
    head = RequestHead(method, b"", parser.headers)
    return Head(head, int(head.get(b"content-length")))


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, over a transport that joins writes.

    The fast path is offered each POST to GraphQL once its body has come. uvicorn reads the requests that it
    declines, and all others, for the application to answer.
    """

    #: The application's fast path; None: uvicorn reads all requests.
    fast_path: "ClassVar[FastPath | None]" = None

    #: uvicorn's default headers, and their lines.
    encoded_defaults: "ClassVar[tuple[list[tuple[bytes, bytes]], bytes]]" = ([], b"")

    #: The beginning of a request that has not come in full.
    early = b""
    #: Data that came while a request was answered.
    late = b""
    #: True while the fast path answers a request.
    answering = False
    #: True while uvicorn reads a request.
    reading = False
    #: True once the server is to stop.
    stopping = False
    #: True once the connection is lost.
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
            self.receive(self.early + data)
        else:
            super().data_received(data)

    def receive(self, data: bytes) -> None:
        """Answer the request that `data` begins with, once it has come in full."""
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
        """Answer a request, `data` being its bytes."""
        assert self.fast_path
        request = GraphQLRequest(head, never, body, lambda: self.lost)
        try:
            reply = await self.fast_path.reply(request)
        except Exception:  # a bug; the standard path answers, or reports it
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
        """Write a reply of the fast path."""
        length = b"content-length: %d\r\n" % len(reply.body)
        closing = b"connection: close\r\n" if self.stopping else b""
        head = (STATUS_LINE[reply.status], self.default_lines(), length, closing, lines(reply.headers))
        self.transport.write(b"".join((*head, b"\r\n", reply.body)))
        self.server_state.total_requests += 1
        if self.stopping:
            self.transport.close()
        elif not self.late:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def default_lines(self) -> bytes:
        """Encode uvicorn's default headers, a list that it replaces every second."""
        headers, encoded = Protocol.encoded_defaults
        if headers is not self.server_state.default_headers:
            headers = self.server_state.default_headers
            encoded = lines(tuple(headers))
            Protocol.encoded_defaults = headers, encoded
        return encoded

    def shutdown(self) -> None:
        """Stop once the request in progress is answered."""
        self.stopping = True
        if not self.answering:
            super().shutdown()


async def never() -> NoReturn:
    """The body came with the head, so that nothing is received."""
    raise RuntimeError("This request was received in full.")


@lru_cache
def lines(headers: "Headers") -> bytes:
    """Encode headers as lines."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)
