"""Failed logins are slowed, by user and address, and nobody can keep another one out."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from store.access import login_limits
from store.access.addresses import network_of
from store.access.login_limits import (
    OF_ADDRESS,
    OF_USER,
    OF_USER_AT_ADDRESS,
    Attempt,
    LocalFailures,
    begin,
    forgive,
)


@pytest.fixture(params=["shared", "alone"])
def counters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The counters in Valkey, and those of a process that cannot reach it."""
    if request.param == "shared":
        request.getfixturevalue("engines")
    else:
        monkeypatch.setattr(login_limits, "_shared", LocalFailures())
    yield


def name() -> str:
    return uuid.uuid4().hex


def address() -> str:
    """An address that no other test has."""
    return str(uuid.uuid4())


pytestmark = pytest.mark.engine


def test_a_user_has_some_attempts_from_an_address(counters: None) -> None:
    attempt = Attempt(name(), address())
    assert [begin(attempt) for _ in range(OF_USER_AT_ADDRESS)] == [True] * OF_USER_AT_ADDRESS
    assert not begin(attempt)
    assert begin(Attempt(attempt.username, address()))
    assert begin(Attempt(name(), attempt.address))


def test_attempts_at_once_are_not_more_than_one_after_another(counters: None) -> None:
    attempt = Attempt(name(), address())
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(begin, [attempt] * 50)) == OF_USER_AT_ADDRESS


def test_logins_that_succeed_do_not_count(counters: None) -> None:
    attempt = Attempt(name(), address())
    for _ in range(OF_ADDRESS + 5):
        assert begin(attempt)
        forgive(attempt)


def test_a_login_of_his_own_does_not_give_an_attacker_more_attempts(counters: None) -> None:
    victim, own = Attempt(name(), address()), Attempt(name(), "")
    own = Attempt(own.username, victim.address)
    for _ in range(OF_USER_AT_ADDRESS):
        begin(victim)
        begin(own)
        forgive(own)
    assert not begin(victim)


def test_an_address_has_some_attempts_whoever_the_users_are(counters: None) -> None:
    here = address()
    assert all(begin(Attempt(name(), here)) for _ in range(OF_ADDRESS))
    assert not begin(Attempt(name(), here))


def test_strangers_everywhere_do_not_keep_a_user_out_of_his_browser(counters: None) -> None:
    user = name()
    assert [begin(Attempt(user, address())) for _ in range(OF_USER + 1)] == [True] * OF_USER + [False]
    known = Attempt(user, address(), login_limits.write_browser(user))
    assert begin(known)
    forgive(known)
    assert [begin(known) for _ in range(OF_USER_AT_ADDRESS + 1)] == [True] * OF_USER_AT_ADDRESS + [False]


def test_a_browser_is_known_for_its_own_user_alone(counters: None) -> None:
    cookie = login_limits.write_browser("Ada")
    assert login_limits.read_browser(cookie, "ada")
    assert login_limits.read_browser(cookie, "grace") is None
    for forged in (cookie + "x", cookie[:-1], "", "x", "é:é:é", None):
        assert login_limits.read_browser(forged, "ada") is None


@pytest.mark.parametrize(
    ("first", "second"), [("Ada", "ada"), (" ada", "ada "), ("ａｄａ", "ada"), ("STRASSE", "straße")]
)
def test_spellings_of_a_name_are_one(counters: None, first: str, second: str) -> None:
    unique, here = name(), address()
    for _ in range(OF_USER_AT_ADDRESS):
        begin(Attempt(first + unique, here) if first.strip() == first else Attempt(f" {unique}", here))
    last = second + unique if first.strip() == first else f"{unique} "
    assert not begin(Attempt(last, here))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("not an address", "not an address"),
    ],
)
def test_a_subscriber_of_ipv6_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_local_counters_end_and_do_not_grow_without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = LocalFailures()
    monkeypatch.setattr(login_limits, "MOST_COUNTERS", 10)
    monkeypatch.setattr(login_limits, "WINDOW", 0)
    for number in range(100):
        assert counters.add([str(number)], 1) == [1]
    assert len(counters._counters) <= 10
    monkeypatch.setattr(login_limits, "WINDOW", 300)
    assert counters.add(["a", "a"], 1) == [1, 2]


def test_counters_do_not_hold_names(counters: None) -> None:
    [*limits] = Attempt("ada", "192.0.2.7").limits
    assert not any("ada" in limit.counter for limit in limits)
