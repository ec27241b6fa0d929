"""Streaming: parts of a file on their way from a thread to a client, which sets the pace."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import TypeAlias

from learning.exceptions import TimedOut
from store.db import threads

#: Sends the parts of a file by the function that it is called with.
Write: TypeAlias = Callable[[Callable[[bytes], None]], None]

#: Parts that wait for the client, at most.
WAITING = 2


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
