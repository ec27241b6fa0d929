"""Two web processes share the limits of a caller, and each counts alone while Valkey does not answer."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from store.access import rate_limiter
from tests.system import System, copied
from tests.waiting import PATIENCE, eventually

#: The smallest quota whose shares are reserved before they are needed.
QUOTA, PROCESSES = rate_limiter.SHARE * rate_limiter.LARGE_SHARE, 2
#: What one process admits ahead of the others, and reserves.
SHARE = QUOTA // rate_limiter.SHARE
GUESS = {"Authorization": "Bearer ex_guess"}


pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def limited(grown: Path) -> Iterator[System]:
    """An Exemplar of two web processes, with a quota for strangers; without workers, which nobody needs here."""
    system = System(
        copied(grown), f"--web={PROCESSES}", "--workers=0", EXEMPLAR_STRANGER_QUOTA=f"{QUOTA}/day"
    )
    with system.running():
        yield system


def answers(system: System, address: str, tries: int, **headers: str) -> list[httpx.Response]:
    """Ask from an address of this machine, each time by a new connection: either process may accept it."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(
        base_url=system.url, transport=transport, headers={"Connection": "close"} | headers, timeout=PATIENCE
    ) as client:
        return [client.post("/graphql/", json={"query": "{ __typename }"}) for _ in range(tries)]


def test_a_page_counts_as_the_operations_that_it_executes(limited):
    transport = httpx.HTTPTransport(local_address="127.0.0.8")
    with httpx.Client(base_url=limited.url, transport=transport, timeout=PATIENCE) as client:
        pages = [client.get("/") for _ in range(QUOTA)]
    statuses = [page.status_code for page in pages]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= (QUOTA + PROCESSES * SHARE) // 2
    assert int(pages[-1].headers["Retry-After"]) > 0
    assert "Too many requests" in pages[-1].text


def admitted(responses: list[httpx.Response]) -> int:
    """How many of many requests were admitted."""
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {200, 429}
    return statuses.count(200)


@pytest.fixture(scope="module")
def responses(limited: System) -> list[httpx.Response]:
    """What an address is answered that asks more often than it may."""
    return answers(limited, "127.0.0.2", 3 * QUOTA)


def test_the_processes_share_a_quota(responses):
    assert QUOTA - PROCESSES * SHARE <= admitted(responses) <= QUOTA + PROCESSES * SHARE


def test_each_process_counts_alone_while_valkey_does_not_answer(limited):
    valkey = limited.process("valkey")
    os.kill(valkey, signal.SIGSTOP)
    try:
        assert QUOTA < admitted(answers(limited, "127.0.0.3", 3 * QUOTA)) <= PROCESSES * QUOTA
    finally:
        os.kill(valkey, signal.SIGCONT)
    assert eventually(lambda: answers(limited, "127.0.0.7", 4) and shares_again(limited))
    again = admitted(answers(limited, "127.0.0.4", 3 * QUOTA))
    assert QUOTA - PROCESSES * SHARE <= again <= QUOTA + PROCESSES * SHARE


def shares_again(system: System) -> bool:
    """Every process that has counted alone has reached Valkey since."""
    return system.output.count("all processes share") == system.output.count("counts requests alone")


def test_a_credential_that_does_not_hold_counts_for_its_address(limited):
    statuses = [answer.status_code for answer in answers(limited, "127.0.0.5", 2 * QUOTA, **GUESS)]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= QUOTA + PROCESSES * SHARE


def test_a_refusal_has_the_headers_by_which_a_client_waits(responses):
    refused = responses[-1]
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["RateLimit"].startswith('"quota";r=0;t=')
    assert refused.headers["RateLimit-Policy"] == f'"quota";q={QUOTA};w=86400'
    assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
