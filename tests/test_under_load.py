"""Predictions under load: versions are switched, PostgreSQL is killed, and what was answered is stored."""

import os
import threading
from collections import Counter
from itertools import count
from signal import SIGKILL
from typing import Any

import httpx

from tests.system import System
from tests.test_lifecycle import data, nodes
from tests.waiting import PATIENCE, eventually

ASK = """query($features: DiabetesFeatures!) { diabetes { predict(features: $features) {
  id value features { age } model { number } } } }"""
FEATURES = {
    "age": 59, "sex": "FIRST", "bmi": 32.1, "bloodPressure": 101.0, "totalCholesterol": 157, "ldl": 93.2, "hdl": 38.0,
    "cholesterolRatio": 4.0, "logTriglycerides": 4.8598, "glucose": 87,
}  # fmt: skip
STORED = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on DiabetesPrediction {
  id value features { age } model { number } } } }"""


class Load:
    """Six who ask, one question after another; `answers` and `refusals` hold what they were told."""

    def __init__(self, system: System):
        self.system = system
        self.answers: list[dict[str, Any]] = []
        self.refusals: Counter[str] = Counter()
        self.numbers = count()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(6)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def ask(self) -> None:
        with httpx.Client(base_url=self.system.url, trust_env=False, timeout=PATIENCE) as client:
            while not self.stop.is_set():
                number = next(self.numbers)
                features = FEATURES | {"age": 19 + number % 60, "glucose": 60 + number // 60 % 60}
                body = {"query": ASK, "variables": {"features": features}}
                self.take(client.post("/graphql/", json=body).json())

    def newest(self) -> set[int]:
        """Return the versions of the answers that came last."""
        return {answer["model"]["number"] for answer in self.answers[-6:]}

    def take(self, answer: dict[str, Any]) -> None:
        for error in answer.get("errors", ()):
            self.refusals[error["extensions"]["code"]] += 1
        if "errors" not in answer:
            self.answers.append(answer["data"]["diabetes"]["predict"])


def stored(system: System, answers: list[dict[str, Any]]) -> bool:
    """Whether every answer is a row that says the same."""
    told = {answer["id"]: answer for answer in answers}
    ids = list(told)
    found = [
        node
        for start in range(0, len(ids), 500)
        for node in data(system.ask(STORED, {"ids": ids[start : start + 500]}))["nodes"]
    ]
    return {node["id"]: node for node in found if node} == told


def versions(system: System) -> list[dict[str, Any]]:
    query = "{ diabetes { models { edges { node { id number } } } } }"
    return nodes(data(system.ask(query))["diabetes"]["models"])


def test_versions_are_switched_under_load_and_every_answer_is_of_the_one_it_names(fragile: System) -> None:
    assert eventually(lambda: len(versions(fragile)) > 1)
    promote = 'mutation($model: ID!) { promote(input: {model: $model, reason: "load"}) { promotion { id } } }'
    with Load(fragile) as load:
        for model in versions(fragile)[:2] * 2:
            fragile.ask(promote, {"model": model["id"]})
            assert eventually(lambda model=model: model["number"] in load.newest()), model
    assert not load.refusals
    assert len({answer["model"]["number"] for answer in load.answers}) > 1
    assert stored(fragile, load.answers)


def test_when_postgresql_is_killed_nothing_that_was_answered_is_lost(fragile: System) -> None:
    with Load(fragile) as load:
        assert eventually(lambda: len(load.answers) > 50)
        os.kill(fragile.process("postgres"), SIGKILL)
        assert eventually(lambda: load.refusals["UNAVAILABLE"])
        answered = len(load.answers)
        assert eventually(lambda: len(load.answers) > answered + 100)
    assert set(load.refusals) <= {"UNAVAILABLE", "OVERLOADED"}
    assert stored(fragile, load.answers)
