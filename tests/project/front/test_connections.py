"""Connections of a process: how many there may be, what they may hold, and for whom."""

import ipaddress
from dataclasses import dataclass, field

import pytest

from project.front.connections import MOST_REFUSED, Connections


@dataclass(eq=False)
class Connection:
    """A connection that notes whether it was cut."""

    address: str = "a"
    buffered: int = 0
    others: Connections = field(default_factory=Connections)
    is_cut: bool = False

    def check(self, now: float) -> None:
        pass

    def cut(self) -> None:
        self.is_cut = True
        self.others.leave(self)


@pytest.fixture
async def others():
    connections = Connections(most=4, most_bytes=100)
    yield connections
    if connections.timer:
        connections.timer.cancel()


async def test_an_address_has_half_of_all_connections(others):
    assert [others.admit(Connection("a")) for _ in range(3)] == [True, True, False]
    assert others.admit(Connection("b"))


async def test_a_proxy_has_all_of_them(others):
    others.proxies = (ipaddress.ip_network("10.0.0.0/8"),)
    assert others.address_of("10.1.2.3") == ""
    assert [others.admit(Connection("")) for _ in range(5)] == [True] * 4 + [False]


async def test_a_connection_that_left_makes_room(others):
    first, second = Connection("a"), Connection("a")
    for each in (first, second):
        others.admit(each)
        others.hold(each, 20)
    others.leave(first)
    others.leave(first)
    assert others.bytes == 20 and others.admit(Connection("a"))


async def test_the_connection_that_waited_longest_makes_room(others):
    opened = [Connection(name, others=others) for name in "abcd"]
    for each in opened:
        others.admit(each)
        others.wait(each)
    others.idle.pop(opened[0])  # it has sent a request
    assert others.admit(Connection("e"))
    assert [each.is_cut for each in opened] == [False, True, False, False]


async def test_only_some_of_the_refused_are_told_why(others):
    connections = [Connection("a") for _ in range(2 + MOST_REFUSED + 1)]
    for each in connections[:-1]:
        others.admit(each)
    assert not others.is_crowded(connections[0])
    others.admit(connections[-1])
    assert others.is_crowded(connections[-1])


async def test_an_address_holds_half_of_all_bytes(others):
    first, second, third = Connection("a"), Connection("a"), Connection("b")
    for each in (first, second, third):
        others.admit(each)
    assert others.hold(first, 40) and not others.hold(second, 11)
    assert second.buffered == 0 and others.bytes == 40
    assert others.hold(third, 50) and not others.hold(third, 61)
    assert others.hold(first, 0) and others.bytes == 50


async def test_a_connection_that_left_holds_nothing(others):
    connection = Connection()
    assert not others.hold(connection, 1)
    others.wait(connection)
    assert not others.idle


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_an_ipv6_address_is_counted_with_its_network(host, address):
    assert Connections().address_of(host) == address
