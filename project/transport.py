"""HTTP below ASGI: uvicorn's protocol with limits, the fast path before it, and joined writes.

A connection has one request at a time. Its head and the end of its body are found here, so that what a client may send
is limited before it is kept. The fast path is offered each POST to GraphQL once its body has come; uvicorn reads the
requests that it declines, and all others, for the application to answer. What comes meanwhile waits, unread.

A batch of predictions is answered in one turn of the event loop. Head and body of each response are written at once, at
the end of the turn: with a write for each part, a waiting client would wake up at every write.
"""

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr

from project.front import connections, refusals
from project.front.bodies import Body, ChunkedBody, Malformed
from project.front.certificates import Certificate
from project.front.connections import Connections
from project.front.heads import END, GRAPHQL, MAX_HEAD, MAX_URL, UPLOADS, Head, read
from project.front.refusals import Rejection
from project.front.sockets import Socket
from schema.core.request import EXTENSION, GraphQLRequest
from store.telemetry import tracing

if TYPE_CHECKING:
    from schema.transport.fast_path import FastPath, Headers, Reply

log = logging.getLogger(__name__)

#: Bytes of a body outside of GraphQL, at most: forms of the admin.
LARGEST_FORM = 2_621_440


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

    def finish(self) -> None:
        """Write no more; the client may still send."""
        self.flush()
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        self.flush()
        self.transport.close()


def write_all() -> None:
    """Write the data of all transports, at the end of the turn."""
    waiting, Joining.waiting = Joining.waiting, []
    for transport in waiting:
        transport.flush()


class Flow(FlowControl):
    """A control of the flow that does not read on while data waits for its turn."""

    #: True while data waits.
    is_full = False

    def resume_reading(self) -> None:
        if not self.is_full:
            super().resume_reading()


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, over a transport that joins writes, with limits on what a client may make it keep."""

    #: The application's fast path; None: uvicorn reads all requests.
    fast_path: "ClassVar[FastPath | None]" = None
    #: The connections of this process.
    others: ClassVar[Connections] = Connections()
    #: None: HTTP without TLS.
    certificate: ClassVar[Certificate | None] = None

    #: uvicorn's default headers, and their lines.
    encoded_defaults: "ClassVar[tuple[list[tuple[bytes, bytes]], bytes]]" = ([], b"")

    transport: Any
    flow: Flow

    #: The address that the connection is counted for.
    address = ""
    #: Bytes of an unfinished request that it holds.
    buffered = 0
    #: What the client has to send or to read next, until `deadline`: its "first" bytes, another request ("idle"), the
    #: rest of a "head" or of a "body", an "answer" (which has no deadline), or the "refusal" that ends the connection.
    stage = "first"
    deadline = float("inf")
    #: The beginning of a request that has not come in full; and its head, where that has.
    early = b""
    early_head: Head | None = None
    #: Data that came while a request was answered.
    late = b""
    #: The body that uvicorn reads; None before, and once it has come in full.
    body: Body | None = None
    #: Bytes of that body that came since `deadline` was set, and in total; and how many there may be.
    progress = received = largest = 0
    #: True while a file is received, which is stored as it comes.
    is_upload = False
    #: True from the head of a request to the end of its answer.
    answering = False
    #: True once the server is to stop.
    stopping = False
    #: True once the connection is lost.
    lost = False
    #: When the client has last read, and how much was left to read then; None while it keeps up.
    unread: tuple[float, int] | None = None

    def connection_made(self, transport: Any) -> None:
        self.raw = transport
        client = get_remote_addr(transport)
        self.address = self.others.address_of(client[0]) if client else ""
        is_admitted = self.others.admit(self)
        if not is_admitted and self.others.is_crowded(self):
            self.cut()
            return
        self.deadline = self.others.now + connections.HEAD_SECONDS
        if self.certificate:
            self.secure(transport, self.certificate.current(), is_admitted)
        else:
            self.open(transport, is_admitted)

    def secure(self, transport: Any, context: ssl.SSLContext, is_admitted: bool) -> None:
        """Begin the handshake of TLS at once: a task would begin it after the first bytes have come."""
        seconds = connections.HEAD_SECONDS
        handshake = self.loop.start_tls(
            transport, self, context, server_side=True, ssl_handshake_timeout=seconds
        )
        finished: asyncio.Future[None] = handshake.send(None)
        finished.add_done_callback(lambda _: self.end_handshake(handshake, is_admitted))

    def end_handshake(self, handshake: Coroutine[Any, None, Any], is_admitted: bool) -> None:
        """Read requests if the handshake has succeeded."""
        try:
            handshake.send(None)
        except StopIteration as secured:
            self.open(secured.value, is_admitted)
        except (OSError, asyncio.CancelledError):  # of OSError is ssl.SSLError
            self.cut()

    def open(self, transport: Any, is_admitted: bool) -> None:
        """Begin to read requests."""
        super().connection_made(Joining(transport))  # type: ignore[arg-type]
        self.flow = Flow(self.transport)
        if is_admitted:
            self.others.wait(self)
        else:
            self.refuse(refusals.NO_ROOM)
        if self.early:  # it came with the end of the handshake
            data, self.early = self.early, b""
            self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.others.leave(self)
        if self.transport:
            super().connection_lost(exc)

    # -- What a client sends --

    def data_received(self, data: bytes) -> None:
        if not self.transport:
            self.early += data
        elif self.stage == "refusal":
            return
        elif self.body:
            self.receive_body(data)
        elif self.answering:
            self.keep_late(data)
        else:
            self.receive(self.early + data if self.early else data)

    def receive(self, data: bytes) -> None:
        """Answer the request that `data` begins with, once it has come in full."""
        if data[:1] in (b"\r", b"\n"):
            data = data.lstrip(b"\r\n")  # some clients end a body with a line
        start = data.find(END, 0, MAX_HEAD) + len(END)
        if start < len(END):
            self.receive_head(data)
            return
        head = self.early_head or read(data[:start])
        if isinstance(head, Rejection):
            self.refuse(head)
        elif head.is_usual and self.fast_path and head.length is not None and head.length <= HIGH_WATER_LIMIT:
            end = start + head.length
            if len(data) < end:
                self.early_head = head
                self.keep_early("body", connections.BODY_SECONDS, data)
            else:
                self.offer(head, data[start:end], data[end:])
        elif head.upgrades:
            self.upgrade(head.text + data[start:])
        else:
            self.begin(head, data[start:])

    def receive_head(self, data: bytes) -> None:
        """Keep the beginning of a head, unless it is too long."""
        if len(data) > MAX_URL and data.find(b"\r\n", 0, MAX_URL) < 0:
            self.refuse(refusals.LONG_URL)
        elif len(data) >= MAX_HEAD:
            self.refuse(refusals.LONG_HEAD)
        elif data:
            self.keep_early("head", connections.HEAD_SECONDS, data)

    def keep_early(self, stage: str, seconds: float, data: bytes) -> None:
        """Keep the beginning of a request."""
        self.await_client(stage, seconds)
        self.early = data
        if not self.others.hold(self, len(data)):
            self.refuse(refusals.NO_MEMORY)

    def keep_late(self, data: bytes) -> None:
        """Keep what comes after a request that is being answered, and read no more."""
        self.late += data
        self.flow.is_full = True
        self.flow.pause_reading()
        if not self.others.hold(self, self.buffered + len(data)):
            self.cut()

    def begin(self, head: Head, data: bytes) -> None:
        """Have uvicorn read a request, and the application answer it."""
        self.largest = self.limit_of(head.path)
        self.is_upload = head.path.startswith(UPLOADS)
        if (head.length or 0) > self.largest:
            self.refuse(refusals.LARGE_BODY)
            return
        self.start_answer()
        self.progress = self.received = 0
        self.body = ChunkedBody() if head.length is None else Body(head.length) if head.length else None
        self.feed(head.text)
        if self.stage == "refusal":
            return
        if self.body:
            self.await_client("body", connections.BODY_SECONDS)
            if data:
                self.receive_body(data)
        elif data:
            self.keep_late(data)

    def limit_of(self, path: bytes) -> int:
        """Return how many bytes the body of a request for a path may have."""
        if path.startswith(UPLOADS):
            return self.others.largest_upload
        return self.others.largest_body if path == GRAPHQL else LARGEST_FORM

    def receive_body(self, data: bytes) -> None:
        """Have uvicorn read a part of a body, within the limits."""
        assert self.body
        try:
            size = self.body.feed(data)
        except Malformed:
            self.break_off(refusals.MALFORMED)
            return
        self.progress += size
        self.received += size
        if self.received > self.largest and isinstance(self.body, ChunkedBody):
            self.break_off(refusals.LARGE_BODY)
        elif not (self.cycle.response_complete or self.others.hold(self, self.held_bytes + size)):
            self.break_off(refusals.NO_MEMORY)
        else:
            self.feed_body(data, size)

    @property
    def held_bytes(self) -> int:
        """The bytes of the body that are in memory: of a file those that are not stored yet, else all."""
        return len(self.cycle.body) if self.is_upload else self.buffered

    def feed_body(self, data: bytes, size: int) -> None:
        """Have uvicorn read so many bytes of a body; what comes after them waits."""
        assert self.body
        if self.body.is_complete:
            self.body = None
            self.await_client("answer", float("inf"))
        self.feed(data[:size])
        if self.body is None and size < len(data) and not self.transport.is_closing():
            self.keep_late(data[size:])
        if self.body is None and self.cycle.response_complete:
            self.end_answer()

    def feed(self, data: bytes) -> None:
        """Have uvicorn read data of one request."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.break_off(refusals.MALFORMED)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.received:  # trailers are no headers
            super().on_header(name, value)

    def upgrade(self, data: bytes) -> None:
        """Read a WebSocket from now on, from its request."""
        self.connections.discard(self)
        socket = Socket(self.others, self.address, self.config, self.server_state, self.app_state)
        self.others.replace(self, socket)
        socket.connection_made(self.transport)
        socket.data_received(data)
        self.transport.set_protocol(socket)

    # -- What it is answered --

    def offer(self, head: Head, body: bytes, late: bytes) -> None:
        """Offer a request to the fast path."""
        self.start_answer()
        if late:
            self.keep_late(late)
        task = self.loop.create_task(self.answer(head, body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, head: Head, body: bytes) -> None:
        """Answer a request by the fast path, or by the application if that declines."""
        assert self.fast_path
        address = self.client[0] if self.client else ""
        request = GraphQLRequest(head.head, never, body, lambda: self.lost, address)
        request.record.address = address
        try:
            reply = await self.fast_path.reply(request)
        except Exception:  # a bug; the standard path answers, or reports it
            log.exception("The fast path failed; the standard path answers.")
            request.declined, reply = True, None
        if self.flow.write_paused:
            await self.flow.drain()
        if self.lost:
            return
        if reply is None:
            self.decline(request, head.text + body)
        else:
            self.send(reply)
            reply.record.log("POST", "/graphql/", reply.status)
            if reply.record.span is not None:
                status = {"http.response.status_code": reply.status}
                tracing.end(reply.record, f"POST {reply.record.operation}", **status)

    def decline(self, request: GraphQLRequest, data: bytes) -> None:
        """Have the application answer a request that was read here."""
        self.received = 0
        self.feed(data)
        if self.cycle:
            self.cycle.scope["extensions"] = {EXTENSION: request}  # type: ignore[dict-item]
            self.cycle.keep_alive = self.cycle.keep_alive and not self.stopping

    def send(self, reply: "Reply") -> None:
        """Write a reply of the fast path."""
        length = b"content-length: %d\r\n" % len(reply.body)
        closing = b"connection: close\r\n" if self.stopping else b""
        identity = b"x-request-id: %b\r\n" % reply.record.id.encode()
        head = (
            STATUS_LINE[reply.status],
            self.default_lines(),
            length,
            identity,
            closing,
            lines(reply.headers),
        )
        self.transport.write(b"".join((*head, b"\r\n", reply.body)))
        self.server_state.total_requests += 1
        self.end_answer()

    def default_lines(self) -> bytes:
        """Encode uvicorn's default headers, a list that it replaces every second."""
        headers, encoded = Protocol.encoded_defaults
        if headers is not self.server_state.default_headers:
            headers = self.server_state.default_headers
            encoded = lines(tuple(headers))
            Protocol.encoded_defaults = headers, encoded
        return encoded

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.body:  # nobody reads the rest
            self.others.hold(self, 0)
        elif not self.transport.is_closing():
            self.end_answer()

    def start_answer(self) -> None:
        """Answer a request from now on."""
        self.others.idle.pop(self, None)
        self.answering, self.early, self.early_head = True, b"", None
        self.stage, self.deadline = "answer", float("inf")

    def end_answer(self) -> None:
        """Read the next request, or the first part of it that has come already."""
        self.answering = False
        if self.buffered or self.late:
            self.others.hold(self, len(self.late))
        if self.stopping:
            self.transport.close()
        elif self.late:
            self.loop.call_soon(self.receive_late)
        else:
            self.flow.resume_reading()
            self.wait()

    def receive_late(self) -> None:
        """Read what came while a request was answered."""
        if self.lost or self.stopping or self.transport.is_closing():
            return
        data, self.late = self.late, b""
        self.flow.is_full = False
        self.flow.resume_reading()
        self.receive(data)

    # -- Who keeps others waiting --

    def wait(self) -> None:
        """Wait for a request."""
        self.await_client("idle", connections.IDLE_SECONDS)
        self.others.wait(self)

    def await_client(self, stage: str, seconds: float) -> None:
        """Wait for the client; while the stage is the same, its deadline is."""
        if stage != self.stage:
            self.stage, self.deadline = stage, self.others.now + seconds

    def check(self, now: float) -> None:
        """Close the connection if the client has not done in time what it has to do."""
        if self.flow and self.flow.write_paused:
            self.check_reading(now)
        if now < self.deadline:
            return
        if self.stage == "body" and (self.progress >= connections.MIN_BYTES or self.flow.read_paused):
            self.progress, self.deadline = 0, now + connections.BODY_SECONDS
        elif self.stage in ("head", "body"):
            self.break_off(refusals.SLOW)
        else:
            self.cut()

    def check_reading(self, now: float) -> None:
        """Close the connection if the client has read nothing for too long."""
        since, before = self.unread or (now, 0)
        size = self.transport.get_write_buffer_size()
        if self.unread is None or size < before:
            self.unread = now, size
        elif now - since > connections.WRITE_SECONDS:
            self.cut()

    def resume_writing(self) -> None:
        self.unread = None
        super().resume_writing()

    def break_off(self, refusal: Rejection) -> None:
        """Refuse a request that the application may have begun to answer."""
        if self.answering and self.cycle:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.cut()
                return
        self.refuse(refusal)

    def refuse(self, refusal: Rejection) -> None:
        """Answer with a refusal, and close the connection once the client has had time to read it."""
        self.others.refused[refusal.status] += 1
        self.others.idle.pop(self, None)
        self.others.hold(self, 0)
        self.early = self.late = b""
        self.body = None
        self.await_client("refusal", connections.LINGER_SECONDS)
        self.transport.write(refusal.encode().replace(b"\r\n", b"\r\n" + self.default_lines(), 1))
        # Data that was not read would reset the connection, and the client would not read why.
        self.flow.is_full = False
        self.flow.resume_reading()
        self.transport.finish()

    def cut(self) -> None:
        """Close the connection at once."""
        self.others.leave(self)
        self.raw.abort()

    def shutdown(self) -> None:
        """Stop once the request in progress is answered."""
        self.stopping = True
        if not self.answering:
            self.transport.close()
        elif self.cycle and not self.cycle.response_complete:
            self.cycle.keep_alive = False


async def never() -> NoReturn:
    """The body came with the head, so that nothing is received."""
    raise RuntimeError("This request was received in full.")


@lru_cache
def lines(headers: "Headers") -> bytes:
    """Encode headers as lines."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)
