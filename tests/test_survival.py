"""Builds survive those who run them, and end when they are told to."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from store.jobs import leases
from tests.system import System, copied
from tests.test_lifecycle import data, ended, nodes
from tests.waiting import BUILD_PATIENCE, alive, eventually

STATE = "query($id: ID!) { build(id: $id) { status percent } }"


@pytest.fixture(scope="module")
def fragile(grown: Path) -> Iterator[System]:
    """A system whose workers are killed."""
    system = System(copied(grown))
    try:
        yield system.start()
    finally:
        system.stop()


@pytest.mark.parametrize("victim", ["work-horse", "worker", "valkey", "postgres"])
def test_a_build_goes_on_after_a_part_was_killed(fragile: System, victim: str) -> None:
    build = running(fragile)
    scored = state(fragile, build)["percent"]
    process = fragile.process("worker" if victim == "work-horse" else victim)
    os.kill(children(process)[0] if victim == "work-horse" else process, SIGKILL)
    assert eventually(lambda: goes_on(fragile, build, scored), BUILD_PATIENCE), "nobody took it up"
    done = ended(fragile, build)
    assert done["status"] == "SUCCEEDED"
    events = nodes(done["events"])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["final"] for event in events].count(True) == 1
    kinds = [event["__typename"] for event in events]
    assert kinds.count("SnapshotTaken") == 1


def test_a_build_ends_as_soon_as_it_is_cancelled(fragile: System) -> None:
    build = running(fragile, candidates=500)  # more than it would come to in a minute
    family = descendants(fragile.process("worker"))
    cancel = "mutation($id: ID!) { cancelBuild(id: $id) { build { status } } }"
    assert data(fragile.ask(cancel, {"id": build}))["cancelBuild"]["build"]["status"] == "CANCELLED"
    assert leases.RENEWAL_SECONDS <= 1  # then it is noticed
    assert eventually(lambda: not any(map(alive, family)))
    done = ended(fragile, build)
    assert nodes(done["events"])[-1]["__typename"] == "BuildCancelled"
    assert fragile.ask(cancel, {"id": build})["errors"][0]["extensions"]["code"] == "BUILD_ENDED"


def running(system: System, candidates: int = 8) -> str:
    """The id of a build that is in the middle of its search."""
    request = """mutation($options: BuildOptions!) {
        requestBuild(product: "tumor", options: $options) { started build { id } } }"""
    options = {"options": {"candidates": candidates}}
    while not (requested := data(system.ask(request, options))["requestBuild"])["started"]:
        time.sleep(0.2)
    build = str(requested["build"]["id"])
    assert eventually(lambda: state(system, build)["percent"] > 2)
    return build


def goes_on(system: System, build: str, scored: float) -> bool:
    """Whether it has come further; False while what tells it is being restarted."""
    answer = system.ask(STATE, {"id": build})
    return not answer.get("errors") and answer["data"]["build"]["percent"] > scored


def state(system: System, build: str) -> Any:
    return data(system.ask(STATE, {"id": build}))["build"]


def children(parent: int) -> list[int]:
    return [pid for pid, its_parent in parents().items() if its_parent == parent]


def descendants(root: int) -> list[int]:
    found = children(root)
    return found + [pid for child in found for pid in descendants(child)]


def parents() -> dict[int, int]:
    """Every process with its parent (Linux)."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found
