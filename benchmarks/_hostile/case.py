"""A case: what a hostile client does, and what it should be answered."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from .target import Probe, Target


@dataclass(frozen=True)
class Case:
    """Behaviour of one kind of hostile client, and the answers that it may get."""

    name: str
    #: What it does; returns what it is answered.
    run: Callable[[Target], str]
    #: What it may be answered.
    answers: tuple[str, ...]
    #: MB by which the process may grow meanwhile.
    growth: float = 64.0
    #: True if it ends by a time limit.
    is_patient: bool = False


@dataclass(frozen=True)
class Outcome:
    """Outcome of a case."""

    answer: str
    #: Milliseconds of the client's time, and of the server's processor.
    milliseconds: float
    cpu: float
    #: MB by which the process grew at most.
    growth: float
    #: Milliseconds of the slowest answer of /health meanwhile, and answers that were none.
    slowest: float
    failures: list[str]


def play(case: Case, target: Target) -> Outcome:
    """Run a case beside the probe."""
    memory, cpu, started = target.memory(), target.cpu(), time.perf_counter()
    with Probe(target).running() as probe:
        answer = case.run(target)
        seconds = time.perf_counter() - started
    return Outcome(
        answer=answer,
        milliseconds=seconds * 1e3,
        cpu=(target.cpu() - cpu) * 1e3,
        growth=max(0.0, probe.memory - memory),
        slowest=max(probe.times) * 1e3,
        failures=probe.failures,
    )


def sends(name: str, render: Callable[[Target], bytes], *answers: str) -> Case:
    """Build the case of a client that sends these bytes on a connection of its own."""
    return Case(name, lambda target: target.ask(render(target)), answers)
