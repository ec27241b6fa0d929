"""Disturbances of a system under load: builds, promotions, rollbacks, and killed workers."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count, cycle
from pathlib import Path
from signal import SIGKILL
from typing import Any, Self

from benchmarks import _servers
from benchmarks._mixed_load import Client

#: Seconds between two builds, two switches of the champion, and two kills.
BUILD, SWITCH, KILL = 15.0, 4.0, 40.0
REASON = "Soak test"
NEWEST = "{ tumor { builds(first: 1) { edges { node { number } } } } }"
VERSIONS = "{ tumor { champion { id } models(first: 6) { edges { node { id } } } } }"
#: Codes of problems that are expected: a build may promote meanwhile, and the first champion cannot be rolled back.
EXPECTED_CODES = {"CONFLICT", "CHAMPION_CHANGED", "NO_CHAMPION", "MODEL_DOES_NOT_FIT"}


class Disturbances:
    """Context manager that disturbs the system in a thread."""

    def __init__(self, port: int, folder: Path):
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self._client, self._folder = Client(port), folder
        self._turn, self._newest = count(), 1
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disturbances")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def take(self) -> tuple[list[str], Counter[str]]:
        """Take the errors and the counts of disturbances since the last call."""
        errors_and_counts = self.errors, self.counts
        self.errors, self.counts = [], Counter()
        return errors_and_counts

    def get_pid(self, name: str) -> int:
        """Get the process id of `web` or `worker`."""
        return int(json.loads((self._folder / "processes.json").read_text())[name])

    def _run(self) -> None:
        switches, victims = cycle((self._promote, self._rollback)), cycle(("worker", "work-horse"))
        plan: dict[float, Callable[[], None]] = {
            BUILD: self._build,
            SWITCH: lambda: next(switches)(),
            KILL: lambda: self._kill(next(victims)),
        }
        due = {each: time.monotonic() + each for each in plan}
        while not self._stopped.wait(0.2):
            for each in [each for each, at in due.items() if at <= time.monotonic()]:
                due[each] += each
                try:
                    plan[each]()
                except Exception as error:  # reported with the errors of the load
                    self.errors.append(repr(error))

    def _build(self) -> None:
        request = """mutation {
            requestBuild(input: {product: "tumor", options: {candidates: 4, seconds: 10}}) { started } }"""
        self._ask(request)
        newest = self._ask(NEWEST)["tumor"]["builds"]["edges"][0]["node"]["number"]
        # Includes builds that a retraining rule has started.
        self.counts["builds"] += newest - self._newest
        self._newest = newest

    def _promote(self) -> None:
        answer = self._ask(VERSIONS)["tumor"]
        others = [edge["node"]["id"] for edge in answer["models"]["edges"]]
        others = [id for id in others if id != answer["champion"]["id"]]
        if others:
            self._switch(
                "promote(input: {model: $id, reason: $reason})", others[next(self._turn) % len(others)]
            )

    def _rollback(self) -> None:
        champion = self._ask(VERSIONS)["tumor"]["champion"]["id"]
        self._switch('rollback(input: {product: "tumor", champion: $id, reason: $reason})', champion)

    def _switch(self, field: str, id: str) -> None:
        mutation = f"mutation($id: ID!, $reason: String!) {{ {field} {{ promotion {{ id }} }} }}"
        answer = self._client.ask(mutation, {"id": id, "reason": REASON})
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        if codes - EXPECTED_CODES:
            self.errors.append(json.dumps(answer))
        self.counts["promotions"] += not codes

    def _kill(self, victim: str) -> None:
        worker = self.get_pid("worker")
        pids = [worker] if victim == "worker" else _servers.find_children(worker)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)
                self.counts["kills"] += 1

    def _ask(self, query: str) -> Any:
        answer = self._client.ask(query)
        if "errors" in answer:
            raise RuntimeError(json.dumps(answer)[:500])
        return answer["data"]
