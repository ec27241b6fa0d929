"""Streaming: parts of a file on their way from a thread to a client, which sets the pace."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import TypeAlias

from django.conf import settings
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from learning.exceptions import TimedOut
from store.db import threads
from store.exceptions import Overloaded
from store.exports import copying

#: Sends the parts of a file by the function that it is called with.
Write: TypeAlias = Callable[[Callable[[bytes], None]], None]

#: Parts that wait for the client, at most.
WAITING = 2
#: Seconds after which a client may ask again when as many files are sent as may be.
RETRY_AFTER = 10.0


class ClientGone(Exception):
    """Nobody reads the file any more."""


class Stream:
    """The parts of one file."""

    def __init__(self, seconds: float):
        self.until = time.monotonic() + seconds
        self.loop = asyncio.get_running_loop()
        #: The parts, and None or an exception at their end.
        self.queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(WAITING)
        self.closed = False

    def send(self, part: bytes | Exception | None) -> None:
        """Send a part from a thread, once there is room for it. Raises ClientGone, TimedOut."""
        if self.closed:
            raise ClientGone
        future = asyncio.run_coroutine_threadsafe(self.queue.put(part), self.loop)
        try:
            future.result(max(self.until - time.monotonic(), 0))
        except TimeoutError:
            future.cancel()
            raise TimedOut("The client did not read the file in the time that an export may take.") from None

    async def start(self, executor: Executor, write: Write, ended: Callable[[object], None]) -> bytes:
        """Have `write` send the parts on a thread; return the first one. Raises what `write` raises before it.

        Args:
            ended: called on the event loop once the thread has nothing more to do.
        """
        self.work = asyncio.ensure_future(threads.run_on(executor, self._write, write))
        self.work.add_done_callback(ended)
        try:
            part = await self.queue.get()
        except asyncio.CancelledError:
            self.close()
            raise
        if isinstance(part, Exception):
            raise part
        self.is_complete = part is None
        return part or b""

    def _write(self, write: Write) -> None:
        end: Exception | None = None
        try:
            write(self.send)
        except ClientGone:
            return
        except Exception as error:
            end = error
        if not self.closed:
            asyncio.run_coroutine_threadsafe(self.queue.put(end), self.loop)

    async def parts(self, first: bytes) -> AsyncIterator[bytes]:
        """Iterate over all parts. Raises what `write` raises: the response must then be broken off."""
        yield first
        while not self.is_complete:
            part = await self.queue.get()
            if isinstance(part, Exception):
                raise part
            self.is_complete = part is None
            if part:
                yield part

    def close(self) -> None:
        """Have the thread stop at its next part."""
        self.closed = True
        while not self.queue.empty():
            self.queue.get_nowait()


class Streams:
    """The streams of one process, of which a limited number run at once."""

    def __init__(self) -> None:
        self.running = 0

    async def start(self, write: Write) -> tuple[Stream, bytes]:
        """Start a stream, whose first part has come. Raises Overloaded; whatever `write` raises before that part."""
        if self.running >= settings.EXEMPLAR_EXPORTS:
            raise Overloaded("As many exports run as may: try again later.", retry_after=RETRY_AFTER)
        stream = Stream(settings.EXEMPLAR_EXPORT_TIME_LIMIT)
        self.running += 1
        return stream, await stream.start(copying.pool, write, self.leave)

    def leave(self, _: object) -> None:
        """Count a stream no more, whose thread has ended."""
        self.running -= 1


class FileResponse(StreamingResponse):
    """A file. An error in the middle breaks it off, so that nobody takes a part for the whole."""

    def __init__(
        self,
        stream: Stream,
        first: bytes,
        check: Callable[[], Awaitable[None]],
        headers: Mapping[str, str],
        media_type: str,
    ):
        """Make the response.

        Args:
            check: called before each part; raises Unauthenticated or Forbidden once the caller may not have the file.
        """
        self.stream, self.check = stream, check
        super().__init__(self.parts(first), headers=headers, media_type=media_type)

    async def parts(self, first: bytes) -> AsyncIterator[bytes]:
        """Iterate over the file's parts for as long as the caller may have them. Raises Unauthenticated, Forbidden."""
        async for part in self.stream.parts(first):
            await self.check()
            yield part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.stream.close()
