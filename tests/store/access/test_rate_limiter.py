"""A limit holds for all processes together, and none of them waits for Valkey where it need not."""

import asyncio
import socket
import uuid

import pytest

from store.access import rate_limiter, shared_counters
from store.access.rate_limiter import Limit, RateLimiter
from store.access.rates import Rate
from store.access.shared_counters import Addition, SharedCounters
from store.exceptions import RateLimited
from tests.waiting import PATIENCE

#: A window that does not end during a test, and a limit whose shares are 5.
LONG = (Limit("quota", Rate(80, 10**9)),)


class Counters(SharedCounters):
    """Valkey's counters, with the number of exchanges."""

    exchanges = 0

    def add(self, additions):
        self.exchanges += 1
        return super().add(additions)


async def admitted(limiter: RateLimiter, tries: int, key: str, limits=LONG) -> int:
    """Send operations one after the other; how many were admitted."""
    allowance, count = limiter.allowance(key, limits), 0
    for _ in range(tries):
        try:
            await limiter.admit(allowance)
        except RateLimited:
            continue
        count += 1
    return count


@pytest.fixture
def key(engines) -> str:
    """A caller that no other test knows."""
    return f"tests/{uuid.uuid4().hex}"


@pytest.fixture
def process(monkeypatch):
    """Make the limiter of one more process, which waits for Valkey as long as this machine may need."""
    monkeypatch.setattr(rate_limiter, "PATIENCE", PATIENCE)
    monkeypatch.setattr(shared_counters, "TIMEOUT", PATIENCE)
    limiters: list[RateLimiter] = []

    def make() -> RateLimiter:
        limiters.append(RateLimiter(Counters()))
        return limiters[-1]

    yield make
    for limiter in limiters:
        limiter.thread.shutdown()


async def test_one_process_admits_exactly_the_limit(process, key):
    assert await admitted(process(), 200, key) == 80


async def test_each_caller_has_an_allowance_of_its_own(process, key):
    limiter = process()
    assert await admitted(limiter, 200, f"{key}/one") == 80
    assert await admitted(limiter, 200, f"{key}/another") == 80


async def test_two_processes_share_a_limit_within_a_share_of_each(process, key):
    processes = [process(), process()]
    counts = await asyncio.gather(*(admitted(each, 200, key) for each in processes))
    assert 80 - 2 * 5 <= sum(counts) <= 80 + 2 * 5


async def test_what_others_have_used_is_refused_here(process, key):
    assert await admitted(process(), 200, key) == 80
    assert await admitted(process(), 200, key) <= 5


async def test_the_first_operations_wait_for_nothing(process, key):
    limiter = process()
    allowance = limiter.allowance(key, LONG)
    assert [limiter.take(allowance) for _ in range(5)] == [True] * 5
    assert limiter.counters.exchanges == 0


async def test_few_exchanges_serve_many_operations(process, key):
    limits = (Limit("quota", Rate(16_000, 10**9)),)
    limiter = process()
    assert await admitted(limiter, 10_000, key, limits) == 10_000
    assert limiter.counters.exchanges <= 30


async def test_a_process_counts_alone_while_valkey_cannot_be_reached(process, key, settings, caplog):
    settings.REDIS_URL = "unix:///tmp/nowhere.sock"
    processes = [process(), process()]
    assert [await admitted(each, 200, key) for each in processes] == [80, 80]
    assert "counts requests alone" in caplog.text


async def test_a_valkey_that_comes_back_is_told_what_was_admitted_meanwhile(
    process, key, settings, monkeypatch
):
    monkeypatch.setattr(rate_limiter, "RETRY_SECONDS", 0)
    limiter, url = process(), settings.REDIS_URL
    settings.REDIS_URL = "unix:///tmp/nowhere.sock"
    assert await admitted(limiter, 30, key) == 30
    async with asyncio.timeout(PATIENCE):
        while not limiter.alone:
            await asyncio.sleep(0.01)
    settings.REDIS_URL = url
    limiter.counters._storage = None
    assert await admitted(limiter, 1, key) == 1
    [window] = limiter.allowance(key, LONG).windows
    async with asyncio.timeout(PATIENCE):
        while window.reported < 31:
            await asyncio.sleep(0.01)
    assert await admitted(process(), 200, key) <= 80 - 31 + 5


async def test_a_valkey_that_does_not_answer_delays_one_operation_only(process, key, settings, monkeypatch):
    monkeypatch.setattr(rate_limiter, "PATIENCE", 0.01)
    monkeypatch.setattr(shared_counters, "TIMEOUT", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        assert await admitted(process(), 200, key) == 80


async def test_a_new_window_begins_a_new_count(process, key):
    limits = (Limit("rate", Rate(3, 1)),)
    limiter = process()
    assert await admitted(limiter, 10, key, limits) >= 3
    async with asyncio.timeout(PATIENCE):
        while not await admitted(limiter, 1, key, limits):
            await asyncio.sleep(0.05)


async def test_a_refusal_says_how_long_to_wait(process, key):
    limiter = process()
    allowance = limiter.allowance(key, LONG)
    with pytest.raises(RateLimited, match="You may send 80 operations in") as raised:
        for _ in range(81):
            await limiter.admit(allowance)
    assert raised.value.retry_after > 0
    assert raised.value.maximum == 80


async def test_the_headers_tell_what_is_left_once_half_of_a_limit_is_used(process, key):
    limiter = process()
    limits = (Limit("rate", Rate(4, 10**9)), Limit("quota", Rate(100, 10**9)))
    allowance = limiter.allowance(key, limits)
    await limiter.admit(allowance)
    assert allowance.headers() == {}
    await limiter.admit(allowance)
    headers = allowance.headers()
    assert headers["RateLimit-Policy"] == '"rate";q=4;w=1000000000, "quota";q=100;w=1000000000'
    rate, quota = headers["RateLimit"].split(", ")
    assert rate.startswith('"rate";r=2;t=')
    assert quota.startswith('"quota";r=98;t=')


async def test_the_stricter_limit_refuses_and_costs_the_other_nothing(process, key):
    limiter = process()
    limits = (Limit("rate", Rate(2, 10**9)), Limit("quota", Rate(100, 10**9)))
    assert await admitted(limiter, 50, key, limits) == 2
    assert '"quota";r=98' in limiter.allowance(key, limits).headers()["RateLimit"]


async def test_the_callers_that_are_kept_are_bounded(process, key, monkeypatch):
    monkeypatch.setattr(rate_limiter, "MOST_CALLERS", 10)
    limiter = process()
    for number in range(50):
        limiter.allowance(str(number), LONG)
    assert len(limiter.allowances) == 10


def test_counters_are_shared_and_expire(key):
    one, another = SharedCounters(), SharedCounters()
    assert one.add([Addition(key, 3, 60), Addition(f"{key}/b", 1, 60)]) == [3, 1]
    assert another.add([Addition(key, 4, 60)]) == [7]
    server = one.open().storage
    assert 0 < server.ttl(f"exemplar:limits:{key}") <= 60


def test_additions_of_thousands_of_callers_are_made_in_parts(key):
    additions = [Addition(f"{key}/{number}", number, 60) for number in range(2_500)]
    assert SharedCounters().add(additions) == list(range(2_500))
