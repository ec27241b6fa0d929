"""Builds survive those who run them, and end when they are told to."""

import json
import os
import threading
import time
from collections.abc import Callable
from signal import SIGKILL
from typing import Any

from store.db.postgresql.watchdog import DEADLINE
from store.jobs import leases
from tests.freezing import children, frozen
from tests.system import System
from tests.test_lifecycle import code, data, ended, nodes
from tests.waiting import BUILD_PATIENCE, PATIENCE, alive, eventually

STATE = "query($id: ID!) { build(id: $id) { status events(first: 500) { edges { node { __typename } } } } }"


def test_a_build_continues_after_its_process_and_the_queue_were_killed(fragile: System) -> None:
    build = running(fragile)
    worker = fragile.process("worker")
    kill_in_search(fragile, build, "work-horse")
    kill_in_search(fragile, build, "valkey")
    done = ended(fragile, build)
    assert fragile.process("worker") == worker  # it was not started again
    assert done["status"] == "SUCCEEDED"
    events = nodes(done["events"])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["final"] for event in events].count(True) == 1
    assert [event["__typename"] for event in events].count("SnapshotTaken") == 1


def test_a_build_continues_after_its_worker_was_killed_and_ends_as_soon_as_it_is_cancelled(
    fragile: System,
) -> None:
    build = running(fragile, candidates=500)  # more than it would come to in a minute
    kill_in_search(fragile, build, "worker")
    family = descendants(fragile.process("worker"))
    cancel = "mutation($id: ID!) { cancelJob(input: {job: $id}) { job { status } } }"
    assert data(fragile.ask(cancel, {"id": build}))["cancelJob"]["job"]["status"] == "CANCELLED"
    assert leases.RENEWAL_SECONDS <= 1  # then it is noticed
    assert eventually(lambda: not any(map(alive, family)))
    done = ended(fragile, build)
    assert nodes(done["events"])[-1]["__typename"] == "BuildCancelled"
    assert fragile.ask(cancel, {"id": build})["errors"][0]["extensions"]["code"] == "JOB_ENDED"


def test_a_build_continues_after_postgresql_was_killed_and_frozen_and_nobody_waits_past_its_deadline(
    fragile: System,
) -> None:
    build = running(fragile)
    kill_in_search(fragile, build, "postgres")
    answers: list[dict[str, Any]] = []
    with Background(lambda: follow(fragile, build, answers)) as stream:
        assert eventually(lambda: answers)
        with frozen(fragile.process("postgres")):
            thaw = time.monotonic() + 12  # when the lease of whoever builds has ended, too
            # More than there are threads, by each path; all of them come back while the server is frozen.
            asked = [Background(lambda query=query: fragile.ask(query)) for query in QUERIES * 12]
            assert fragile.status("/health") == 200
            assert fragile.status("/ready") == 503
            assert {code(each.result()) for each in asked} == {"UNAVAILABLE"}
            refused = time.monotonic()
            assert code(fragile.ask(QUERIES[0])) == "UNAVAILABLE"  # at once: it is known to be frozen
            assert time.monotonic() - refused < DEADLINE
            time.sleep(max(0, thaw - time.monotonic()))
        assert eventually(lambda: fragile.status("/ready") == 200)
        for query in QUERIES:
            assert eventually(lambda query=query: "errors" not in fragile.ask(query)), fragile.ask(query)
        done = ended(fragile, build)
        stream.result()
    assert done["status"] == "SUCCEEDED"
    assert [event["__typename"] for event in nodes(done["events"])].count("SnapshotTaken") == 1
    events = [data(answer)["buildProgress"] for answer in answers]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["final"] for event in events].count(True) == 1


def follow(system: System, build: str, answers: list[dict[str, Any]]) -> None:
    """Append the answers of a subscription as they come, until it ends."""
    query = "subscription($build: ID!) { buildProgress(build: $build) { sequence final build { status } } }"
    body, headers = {"query": query, "variables": {"build": build}}, {"Accept": "text/event-stream"}
    with system.client.stream("POST", "/graphql/", json=body, headers=headers) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: {"):
                answers.append(json.loads(line.removeprefix("data: ")))


#: A read and a write by the standard path, and a prediction by the fast path.
QUERIES = [
    "{ wine { builds(first: 3) { edges { node { number } } } } }",
    'mutation { deletePredictions(input: {filter: { product: "tumor", entity: { eq: "nobody" } }}) { count } }',
    """{ wine { predict(features: { alcohol: 13, malicAcid: 2, ash: 2, alcalinityOfAsh: 19, magnesium: 100,
    totalPhenols: 2, flavanoids: 2, nonflavanoidPhenols: 0.3, proanthocyanins: 1.5, colorIntensity: 5, hue: 1,
    dilution: 2.6, proline: 700 }) { cluster } } }""",
]


class Background:
    """What a function returns that runs beside the test."""

    def __init__(self, function: Callable[[], Any]):
        self.returned: list[Any] = []
        self.thread = threading.Thread(target=lambda: self.returned.append(function()))
        self.thread.start()

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *_: Any) -> None:
        self.thread.join(PATIENCE)

    def result(self) -> Any:
        self.thread.join(PATIENCE)
        assert self.returned, "it did not end"
        return self.returned[0]


def running(system: System, candidates: int = 5) -> str:
    """The id of a build that is in the middle of its search."""
    request = """mutation($options: BuildOptions!) {
        requestBuild(input: {product: "tumor", options: $options}) { started build { id } } }"""
    options = {"options": {"candidates": candidates}}
    while not (requested := data(system.ask(request, options))["requestBuild"])["started"]:
        time.sleep(0.2)
    build = str(requested["build"]["id"])
    assert eventually(lambda: count_scored(system.ask(STATE, {"id": build})))
    return build


def kill_in_search(system: System, build: str, victim: str) -> None:
    """Kill a process while candidates are being scored, and wait until further ones are."""
    before = system.ask(STATE, {"id": build})
    assert data(before)["build"]["status"] == "RUNNING"
    process = system.process("worker" if victim == "work-horse" else victim)
    os.kill(children(process)[0] if victim == "work-horse" else process, SIGKILL)
    # What was scored between the question and the kill does not count, either.
    scored = max(count_scored(before), count_scored(system.ask(STATE, {"id": build})))
    assert eventually(lambda: count_scored(system.ask(STATE, {"id": build})) > scored, BUILD_PATIENCE), victim


def count_scored(answer: dict[str, Any]) -> int:
    """Count the candidates that a build has scored; 0 while what tells it is being restarted."""
    if answer.get("errors"):
        return 0
    return [event["__typename"] for event in nodes(answer["data"]["build"]["events"])].count(
        "CandidateScored"
    )


def descendants(root: int) -> list[int]:
    found = children(root)
    return found + [pid for child in found for pid in descendants(child)]
