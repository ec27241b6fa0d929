"""Limits of the connections of a web process: their number, the bytes of their requests, and how long each waits."""

import asyncio
import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from store.access.addresses import SUBSCRIBER_BITS

#: Seconds between two looks at all connections; deadlines are kept within it.
TICK = 1.0
#: Seconds that a connection may be idle. Proxies close theirs earlier, usually after 60.
IDLE_SECONDS = 75
#: Seconds in which the head of a request, or the handshake of TLS, has to be complete.
HEAD_SECONDS = 10
#: Seconds in which MIN_BYTES of an unfinished body have to come, or its end.
BODY_SECONDS = 20
MIN_BYTES = 64 * 1024
#: Seconds in which a client that is sent an answer has to read some of it.
WRITE_SECONDS = 30
#: Seconds in which a client may read why it was refused.
LINGER_SECONDS = 2

#: Connections over the limit that are answered at a time, at most; others are closed at once.
MOST_REFUSED = 64
#: The largest part of all connections, and of all bytes, that one address may have.
SHARE = 0.5


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Connection(Protocol):
    """A connection, as its limits see it."""

    #: The address that it is counted for; empty: only the totals are.
    address: str
    #: Bytes of unfinished requests that it holds.
    buffered: int

    def check(self, now: float) -> None:
        """Close the connection if it has kept the process waiting for too long."""

    def cut(self) -> None:
        """Close the connection at once."""


@dataclass
class Share:
    """Connections of one address, and their bytes."""

    connections: int = 0
    bytes: int = 0


@dataclass
class Connections:
    """The open connections of a process."""

    #: Connections, at most.
    most: int = 4_096
    #: Bytes of unfinished requests, at most.
    most_bytes: int = 256 * 1024 * 1024
    #: Bytes of a body for the API, at most, whoever sends it.
    largest_body: int = 64 * 1024 * 1024
    #: Bytes of a body with a file, at most, which is stored as it comes.
    largest_upload: int = 256 * 1024 * 1024
    #: Networks of proxies, whose connections are of many clients.
    proxies: tuple[Network, ...] = ()
    open: set[Connection] = field(default_factory=set)
    #: Those that wait for a request, the longest waiting first.
    idle: dict[Connection, None] = field(default_factory=dict)
    shares: dict[str, Share] = field(default_factory=dict)
    bytes: int = 0
    #: The event loop's time at the last look.
    now: float = 0.0
    timer: asyncio.TimerHandle | None = None
    #: How many requests and connections were refused, by HTTP status.
    refused: Counter[int] = field(default_factory=Counter)

    def address_of(self, host: str) -> str:
        """Return the address that connections of a host are counted for; empty for a proxy."""
        return group(host, self.proxies)

    def wait(self, connection: Connection) -> None:
        """Note that a connection waits for a request."""
        if connection in self.open:
            self.idle[connection] = None

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; return False if there is no room for it, even without an idle one."""
        if self.timer is None:
            self.tick()
        share = self.shares.setdefault(connection.address, Share())
        if len(self.open) >= self.most and self.idle:
            next(iter(self.idle)).cut()
        self.open.add(connection)
        share.connections += 1
        return len(self.open) <= self.most and self.is_fair(connection, share.connections, self.most)

    def is_crowded(self, connection: Connection) -> bool:
        """Check if so many are refused at the moment that this one cannot be told why."""
        share = self.shares[connection.address]
        most = self.most + MOST_REFUSED
        return len(self.open) > most or not self.is_fair(
            connection, share.connections - MOST_REFUSED, self.most
        )

    def leave(self, connection: Connection) -> None:
        """Count a connection no more, nor what it holds."""
        if connection not in self.open:
            return
        self.hold(connection, 0)
        self.open.remove(connection)
        self.idle.pop(connection, None)
        share = self.shares[connection.address]
        share.connections -= 1
        if not share.connections:
            del self.shares[connection.address]

    def replace(self, connection: Connection, successor: Connection) -> None:
        """Count the connection under another object, as when it becomes a WebSocket."""
        self.hold(connection, 0)
        self.idle.pop(connection, None)
        self.open.remove(connection)
        self.open.add(successor)

    def hold(self, connection: Connection, size: int) -> bool:
        """Set how many bytes a connection holds; return False, and leave it so, if there is no room for more."""
        if connection not in self.open:
            return False
        more = size - connection.buffered
        share = self.shares[connection.address]
        if more > 0 and not (
            self.bytes + more <= self.most_bytes
            and self.is_fair(connection, share.bytes + more, self.most_bytes)
        ):
            return False
        connection.buffered = size
        share.bytes += more
        self.bytes += more
        return True

    @staticmethod
    def is_fair(connection: Connection, number: int, most: int) -> bool:
        """Check that an address has not more than its part; those without a name have no limit of their own."""
        return not connection.address or number <= most * SHARE

    def tick(self) -> None:
        """Close the connections whose time is over, and look again after a while."""
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        for connection in list(self.open):
            connection.check(self.now)
        self.timer = loop.call_later(TICK, self.tick_again)

    def tick_again(self) -> None:
        """Look again unless all connections are closed."""
        self.timer = None
        if self.open:
            self.tick()


@lru_cache(4_096)
def group(host: str, proxies: tuple[Network, ...]) -> str:
    """Return the address that a host is counted for: of IPv6, the network of one customer."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    if any(address in network for network in proxies):
        return ""
    prefix = SUBSCRIBER_BITS if address.version == 6 else address.max_prefixlen
    return str(ipaddress.ip_network((address, prefix), strict=False).network_address)
