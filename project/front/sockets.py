"""WebSockets below ASGI: uvicorn's protocol, with limits on what a client may make it keep."""

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

from . import connections, refusals
from .connections import Connections

#: Bytes that are parsed at a time: small messages that no operation reads yet take many times their size.
PIECE = 4_096
#: Pieces that are parsed in one turn of the event loop, at most.
MOST_PIECES = 4
#: Messages that wait for their operation, at most, before the next piece is parsed.
MOST_MESSAGES = 16
#: Frames of one message, at most.
MOST_FRAMES = 1_000
#: Seconds in which a message has to come in full.
MESSAGE_SECONDS = 60


class Socket(WebSocketsSansIOProtocol):
    """A WebSocket of a client that may be slow, or send more than is read."""

    def __init__(
        self, others: Connections, address: str, config: Config, state: ServerState, app_state: dict[str, Any]
    ):
        super().__init__(config, state, app_state)
        self.others = others
        #: The address that it is counted for.
        self.address = address
        #: Bytes of unfinished messages that it holds.
        self.buffered = 0
        #: Data that has not been parsed yet.
        self.unparsed = b""
        #: True while more is to be parsed in another turn.
        self.is_scheduled = False
        #: True once it was closed for what the client sent, which the application may not know yet.
        self.is_failed = False
        #: When the message that has not come in full began; None without one.
        self.began: float | None = None
        #: When the client has last read, and how much was left to read then; None while it keeps up.
        self.unread: tuple[float, int] | None = None

    def data_received(self, data: bytes) -> None:
        self.unparsed = self.unparsed + data if self.unparsed else data
        self.parse()

    def parse(self) -> None:
        """Parse data until enough messages wait, or the client does not read what it is sent."""
        for _ in range(MOST_PIECES):
            if not self.may_parse:
                break
            piece, self.unparsed = self.unparsed[:PIECE], self.unparsed[PIECE:]
            super().data_received(piece)
            if self.conn.handshake_exc:
                self.refuse()
        if not self.transport.is_closing():
            self.limit()
        self.adjust_reading()
        if self.may_parse and not self.is_scheduled:
            self.is_scheduled = True
            self.loop.call_soon(self.parse_on)

    def parse_on(self) -> None:
        """Parse more in another turn of the event loop, after others had theirs."""
        self.is_scheduled = False
        self.parse()

    @property
    def may_parse(self) -> bool:
        """Check that there is data to parse, and that nothing speaks against it."""
        return bool(self.unparsed) and self.is_ready and not self.transport.is_closing()

    @property
    def is_ready(self) -> bool:
        """Check that few messages wait, and that the client reads."""
        return self.queue.qsize() <= MOST_MESSAGES and self.writable.is_set()

    def adjust_reading(self) -> None:
        """Read on, unless data waits or the client does not read: it could have pings answered that it never reads."""
        self.read_paused = False  # only what follows decides it
        if self.transport.is_closing():
            return
        if self.unparsed or not self.is_ready:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def limit(self) -> None:
        """Close the socket if too much of a message is kept; note when one began that has not come in full."""
        partial = len(self.conn.reader.buffer) + sum(map(len, self.frames))
        if not self.others.hold(self, partial + len(self.unparsed)):
            self.fail(CloseCode.TRY_AGAIN_LATER, "Too many unfinished messages")
        elif not partial:
            self.began = None
        elif self.began is None:
            self.began = self.others.now

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        if len(self.frames) > MOST_FRAMES:
            self.fail(CloseCode.POLICY_VIOLATION, "Too many frames in a message")

    def handle_parser_exception(self) -> None:
        self.is_failed = True
        if self.conn.close_sent is None:  # it was not open yet
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.ABNORMAL_CLOSURE})
            self.cut()
        else:
            super().handle_parser_exception()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not is_utf8(b"".join(self.frames)):
            self.fail(CloseCode.INVALID_DATA, "Not UTF-8")
        else:
            super().send_receive_event_to_app()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message of the application. Raises ClientDisconnected if the socket was closed meanwhile."""
        await self.writable.wait()
        if self.is_failed:
            raise ClientDisconnected
        await super().send(message)

    async def receive(self) -> Any:
        if self.unparsed:
            await asyncio.sleep(0)  # others have their turn after a piece, however many messages it holds
            self.parse()
        message = await super().receive()
        self.adjust_reading()
        return message

    def pause_writing(self) -> None:
        super().pause_writing()
        self.adjust_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unread = None
        self.parse()

    def connection_lost(self, exc: Exception | None) -> None:
        self.others.leave(self)
        super().connection_lost(exc)

    def refuse(self) -> None:
        """Refuse a handshake that cannot be parsed."""
        self.transport.write(refusals.LONG_HEAD.encode())
        self.transport.close()

    def fail(self, code: CloseCode, reason: str) -> None:
        """Close the socket, with a reason."""
        self.unparsed = b""
        self.frames = []
        self.others.refused[code] += 1
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def check(self, now: float) -> None:
        """Close the socket if a message does not come in full, or if the client does not read."""
        if not self.writable.is_set():
            size = self.transport.get_write_buffer_size()
            if self.unread is None or size < self.unread[1]:
                self.unread = now, size
            elif now - self.unread[0] > connections.WRITE_SECONDS:
                self.cut()
        elif self.began is not None and now - self.began > MESSAGE_SECONDS:
            self.fail(CloseCode.POLICY_VIOLATION, "The message came too slowly")

    def cut(self) -> None:
        """Close the socket at once."""
        self.others.leave(self)
        self.transport.abort()


def is_utf8(data: bytes) -> bool:
    """Check if bytes are text in UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
