"""Siblings: the web processes of one machine that share a port, each of which tells the others what it has counted.

Whoever scrapes the port reaches any one of them. That one asks all the others over their sockets, so that every scrape
has every process, as it is at that moment, under a name that outlives its process: `web-1`, `web-2`, … The numbers of a
process that has ended end with it, and begin again at 0 under the same name, which is what Prometheus expects of
counters.
"""

import asyncio
import fcntl
import logging
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

import orjson
from django.conf import settings

from project import state

log = logging.getLogger(__name__)

#: Seconds that a sibling may take to answer.
PATIENCE = 1.0
#: The name of a process that has no place among siblings, as its folder cannot be used.
ALONE = "web"


class Siblings:
    """The place of this process among its siblings, and the way to the others."""

    def __init__(self, read: Callable[[], Any]):
        #: Reads what this process tells.
        self.read = read
        self.name = ALONE
        self.lock: IO[str] | None = None
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        """Take the first free place; without any, as on a read-only file system, this process tells of itself."""
        try:
            folder = state.create_private_folder(settings.EXEMPLAR_SIBLINGS)
            self.lock = _take_place(folder)
            self.name = Path(self.lock.name).stem
            socket = folder / f"{self.name}.socket"
            socket.unlink(missing_ok=True)
            self.server = await asyncio.start_unix_server(self._tell, socket)
        except (OSError, state.Unusable) as error:
            log.warning("Metrics have this web process only: %s", error)

    async def stop(self) -> None:
        """Give the place up."""
        if self.server:
            self.server.close()
        if self.lock:
            self.lock.close()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(orjson.dumps(self.read()))
            await writer.drain()
        writer.close()

    async def ask(self) -> dict[str, Any]:
        """Ask all siblings; None where one holds its place but does not answer. This process answers for itself."""
        names = _list_others(settings.EXEMPLAR_SIBLINGS, self.name) if self.lock else []
        answers = await asyncio.gather(*map(_ask, names))
        snapshots = {name.stem: answer for name, answer in zip(names, answers, strict=True)}
        return {self.name: self.read(), **snapshots}


def _take_place(folder: Path) -> IO[str]:
    """Lock the file of the first free place; the process's end releases it in any case. Raises OSError."""
    for number in count(1):
        file = (folder / f"web-{number}.lock").open("w")
        if _lock(file):
            return file
        file.close()
    raise AssertionError("there is always another place")


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _list_others(folder: Path, own: str) -> list[Path]:
    """List the sockets of the other places that a process holds."""
    return [
        place.with_suffix(".socket")
        for place in sorted(folder.glob("web-*.lock"))
        if place.stem != own and _is_held(place)
    ]


def _is_held(place: Path) -> bool:
    with suppress(OSError), place.open() as file:
        return not _lock(file)
    return False


async def _ask(socket: Path) -> Any:
    """Ask one sibling; None where it does not answer in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                return orjson.loads(await reader.read())
            finally:
                writer.close()
    except (OSError, TimeoutError, orjson.JSONDecodeError):
        return None
