"""Hostile clients get the answer that is due, cost little memory, and keep nobody else waiting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks._hostile import bodies, connections, documents, heads, sockets
from benchmarks._hostile.case import Case, play
from benchmarks._hostile.target import Target
from tests.system import System, copied
from tests.waiting import eventually

pytestmark = pytest.mark.system

#: Milliseconds within which /health answers beside every case, on the slowest machine that runs the tests.
MOST_HEALTH = 30_000

#: Beginnings of lines about what nobody has handled.
UNHANDLED = ("Exception in", "Internal error", "never retrieved", "never awaited")

CASES = [*heads.CASES, *bodies.CASES, *connections.CASES, *sockets.CASES, *documents.CASES]


#: Asks each champion of the examples.
READY = """{ tumor { predictFor(entity: "B-0001") { id } } diabetes { predictFor(entity: "P-0001") { id } }
  wine { predictFor(entity: "W-0001") { id } } }"""


@pytest.fixture(scope="module")
def target(grown: Path) -> Iterator[Target]:
    """A web process that answers strangers, once it has loaded what it would else load beside a case."""
    system = System(copied(grown), "--workers=0")
    try:
        system.start()
        assert eventually(lambda: "errors" not in system.ask(READY))
        yield Target(system.port, system.process("web"))
        assert [line for line in system.output.splitlines() if any(map(line.__contains__, UNHANDLED))] == []
    finally:
        system.stop()


#: Those that wait for a time limit are slow.
PARAMS = [
    pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.is_patient else []) for case in CASES
]


@pytest.mark.parametrize("case", PARAMS)
def test_a_hostile_client_is_refused_and_others_are_answered(target: Target, case: Case) -> None:
    outcome = play(case, target)
    assert outcome.answer in case.answers
    assert outcome.failures == []
    assert outcome.slowest < MOST_HEALTH
    assert not outcome.growth > case.growth
