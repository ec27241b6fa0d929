"""Splits: the versions that answer for a share of the subjects, with their models in memory.

Each process loads what the rows say, and finds by a hash of the subject who answers: all processes agree, and whoever
was answered by a version stays with it while its share does not shrink.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from learning.exceptions import ExemplarError
from learning.model import Answer

from ..exceptions import ModelDoesNotFit
from ..predictions.upsert import IdentifiedRequests, PredictionBatch, ValidRequest
from ..products import catalogue
from ..registry.trials import Trial, is_within
from ..registry.versions import SPLIT
from .champions import Champion, load_version
from .each_answer import predict_each

log = logging.getLogger(__name__)

#: Seconds after which a version that could not be loaded is tried again.
RETRY_SECONDS = 60.0


@dataclass
class Failures:
    """Requests that a version failed to answer in this process since the last look at the rows."""

    number: int = 0
    problem: str = ""

    def take(self) -> tuple[int, str]:
        """Take what was counted, and begin again."""
        number, self.number = self.number, 0
        return number, self.problem


@dataclass(frozen=True, eq=False)
class Split:
    """A split that runs, with the loaded model of the version that is tried."""

    trial: Trial
    challenger: Champion
    failures: Failures = field(default_factory=Failures)

    def takes(self, subject: str) -> bool:
        """Return True if the version that is tried answers about a subject."""
        # With the version, so that another one is tried on other subjects.
        digest = blake2b(f"{self.trial.model_id}\0{subject}".encode(), digest_size=8).digest()
        return is_within(self.trial.share or 0.0, int.from_bytes(digest, "big"))

    def predict(self, instances: Sequence[Sequence[Any]]) -> list[Answer | None]:
        """Predict by the version that is tried; None where it fails, which is counted."""
        # Of any library: the champion answers.
        return predict_each(self.challenger.model, instances, Exception, self._note)

    def _note(self, error: Exception) -> None:
        self.failures.number += 1
        self.failures.problem = describe(error)
        log.warning("%s failed to answer: %s", self.trial, self.failures.problem)


#: The splits that run, by product; an entry is replaced, never changed.
_running: dict[str, Split] = {}
#: When the version of a trial could not be loaded, by the trial.
_failed: dict[int, float] = {}
#: Held during a refresh, so that an older reading of the rows cannot overwrite a newer one.
_refreshing = threading.Lock()


def find(champion: Champion) -> Split | None:
    """Find the split beside a champion; None where there is none."""
    split = _running.get(champion.product.name)
    if split is None or split.trial.champion_id != champion.version.pk:
        return None
    return split


def compute(split: Split, champion: Champion, requests: Sequence[ValidRequest]) -> PredictionBatch:
    """Predict each request by the version that its subject falls to. Nothing is stored yet."""
    product = champion.product
    identified = IdentifiedRequests(product, requests)
    tried = [place for place, subject in enumerate(identified.subjects) if split.takes(subject)]
    answers: list[Answer | None] = [None] * len(requests)
    versions = [champion.version] * len(requests)
    if tried:
        own = split.predict([requests[place].instance for place in tried])
        for place, answer in zip(tried, own, strict=True):
            if answer is not None:
                answers[place], versions[place] = answer, split.challenger.version
    others = [place for place, answer in enumerate(answers) if answer is None]
    if others:
        for place, answer in zip(
            others, champion.model.predict([requests[place].instance for place in others]), strict=True
        ):
            answers[place] = answer
    return PredictionBatch(product, versions, requests, answers, identified)  # type: ignore[arg-type]


def refresh() -> None:
    """Load the versions of the splits that the rows have, forget those that have ended, and note failures."""
    with _refreshing:
        for split in list(_running.values()):
            number, problem = split.failures.take()
            if number:
                split.trial.note_failures(number, problem)
        rows = Trial.objects.running().filter(kind=SPLIT).select_related("model")
        trials = {trial.product: trial for trial in rows if catalogue.find(trial.product)}
        for name in [name for name in _running if name not in trials]:
            del _running[name]
        for name, trial in trials.items():
            current = _running.get(name)
            is_running = current is not None and current.trial.pk == trial.pk
            if not is_running and time.monotonic() - _failed.get(trial.pk, -RETRY_SECONDS) >= RETRY_SECONDS:
                _replace(name, trial)


def _replace(name: str, trial: Trial) -> None:
    """Load a split; the champion answers, and the trial says why, where that fails."""
    _running.pop(name, None)
    try:
        challenger = load_version(catalogue.get(name), trial.model)
    except (ModelDoesNotFit, MemoryError) as error:
        _failed[trial.pk] = time.monotonic()
        trial.note_problem(f"The champion answers all: {describe(error)}")
        log.warning("%s cannot answer: %s", trial, describe(error))
        return
    # As the API shows it, without a query.
    challenger.version.role_here = SPLIT
    if trial.problem:
        trial.note_problem("")
    _running[name] = Split(trial, challenger)
    log.info("%s answers here.", trial)


def describe(error: BaseException) -> str:
    """Describe an error as a problem of a trial."""
    return str(error) if isinstance(error, ExemplarError) else f"{type(error).__name__}: {error}"
