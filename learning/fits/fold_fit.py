"""One fit: what is fitted on which rows, how it is scored, and how it can fail. Runs in a worker process."""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

from ..dataset import Dataset
from ..estimators import preprocess
from ..estimators.families import Candidate, catalogue
from ..evaluation import evaluate
from ..evaluation.folds import Fold, FoldPlan, Round
from ..evaluation.measures import Measure, Scores
from ..exceptions import LearningError
from ..model import Model, Signature
from ..problem import MANY_ROWS
from .model_cache import FoldModelCache

#: Rows at once by which the time of a prediction is measured.
TIMED_ROWS = 1_000
#: The share of what a fold may take that a taste of its rows may.
TASTE_SHARE = 0.3
#: The share of a fit's time above which it would be dear to keep its model, and seconds in which one is fitted again
#: almost as soon.
DEAR, SOON = 0.05, 0.02
#: Kinds of warnings of one fit that are kept, and letters of each.
MOST_WARNINGS, LONGEST_WARNING = 5, 300


@dataclass(frozen=True)
class Fit:
    """One candidate, to be scored on one fold."""

    candidate: Candidate
    round: Round
    fold: int

    def seconds(self, of_fold: float) -> float:
        """What it may take, where a fit of a fold may take so many."""
        return of_fold * TASTE_SHARE if self.round == "taste" else of_fold

    @property
    def key(self) -> tuple[str, str, int]:
        return self.candidate.key, self.round, self.fold


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A fit that went well."""

    score: float
    measures: tuple[Measure, ...]
    fit_seconds: float
    predict_seconds: float
    #: Of the held-out rows, in their order: float32, `(held out, classes)` probabilities or `(held out,)`
    #: values; None for clusters.
    predictions: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    #: What the libraries warned of.
    warnings: tuple[str, ...] = ()
    #: To predict one row, of a thousand at once; None where nobody asked.
    microseconds: float | None = None


@dataclass(frozen=True)
class Failed:
    """A fit that did not, and why: a code for machines, a sentence for people."""

    code: str
    reason: str


@dataclass(frozen=True, eq=False, kw_only=True)
class FitContext:
    """What all fits of a build have in common."""

    task: str
    dataset: Dataset
    metric: str
    plan: FoldPlan
    seed: int
    #: Columns that the analysis would rather leave out; a candidate's hyperparameters decide.
    doubtful: tuple[str, ...] = ()
    #: Whether to measure how long a prediction takes.
    timed: bool = False
    #: Where the models of the search's folds are kept; None: nowhere.
    shelf: FoldModelCache | None = None

    @cached_property
    def _splits(self) -> dict[Round, Sequence[Fold]]:
        return {}

    @cached_property
    def _dear(self) -> set[Candidate]:
        """Whose models take too long to be made artifacts of."""
        return set()

    def split(self, round: Round) -> Sequence[Fold]:
        """The folds of this round."""
        if round not in self._splits:
            self._splits[round] = self.plan.split(self.dataset, round)
        return self._splits[round]

    def pipeline(self, candidate: Candidate) -> Any:
        """The candidate, not fitted."""
        return catalogue.pipeline(self.task, candidate, self.dataset.columns, self.seed, self.doubtful)

    def score(self, fit: Fit) -> Scored | Failed:
        """Fit the candidate on all folds but one, and score it on that one. Never raises."""
        try:
            with _recorded() as warned:
                scored = self._scored(fit)
            return replace(scored, warnings=tuple(dict.fromkeys(map(_sentence, warned)))[:MOST_WARNINGS])
        except Exception as error:  # the edge of the process: whatever it was becomes the fit's outcome
            return failure(error)

    def _scored(self, fit: Fit) -> Scored:
        learn, held_out = self.split(fit.round)[fit.fold]
        data, estimator = self.dataset, self.pipeline(fit.candidate)
        started = time.perf_counter()
        estimator.fit(data.X.iloc[learn], None if data.y is None else data.y[learn])
        fitted = time.perf_counter()
        X = data.X.iloc[held_out]
        predictions = self._predictions(estimator, X)
        predicted = time.perf_counter()
        if self.shelf and self.averages and fit.round == "search":
            self._keep(self.shelf, fit, estimator, seconds=fitted - started)
        scores = self._scores(estimator, predictions, learn, held_out)
        return Scored(
            score=scores.score,
            measures=scores.measures,
            fit_seconds=fitted - started,
            predict_seconds=predicted - fitted,
            predictions=None if self.task == "CLUSTERING" else predictions,
            microseconds=self._microseconds(estimator, X) if self.timed else None,
        )

    def _keep(self, shelf: FoldModelCache, fit: Fit, estimator: Any, seconds: float) -> None:
        """Keep the model for an average of fold models, unless that costs too much beside its fit: few are wanted."""
        if seconds < SOON or fit.candidate in self._dear:
            return
        started = time.perf_counter()
        artifact = self._artifact(fit.candidate, estimator)
        if time.perf_counter() - started > DEAR * seconds:
            self._dear.add(fit.candidate)
        else:
            shelf.put(fit.candidate, fit.fold, artifact)

    def _predictions(self, estimator: Any, X: DataFrame) -> NDArray[np.float32]:
        asked = estimator.predict_proba if self.task == "CLASSIFICATION" else estimator.predict
        return np.asarray(asked(X), dtype=np.float32)

    def _scores(self, estimator: Any, predictions: NDArray[np.float32], learn: Any, held_out: Any) -> Scores:
        if self.task != "CLUSTERING":
            return self.scores_of(predictions, held_out)
        columns, X = self.dataset.columns, self.dataset.X
        reference = preprocess.dense(columns).fit(X.iloc[learn]).transform(X.iloc[held_out])
        scores = evaluate.clustering(estimator, X.iloc[held_out], reference, self.metric, self.seed)
        stability = Measure("stability", None, self._stability(estimator, learn, held_out))
        return Scores(scores.score, (*scores.measures, stability))

    def _stability(self, estimator: Any, learn: NDArray[np.intp], held_out: NDArray[np.intp]) -> float | None:
        """How far a clustering of half the rows agrees about the held-out ones: the adjusted Rand index (Hubert and
        Arabie, Comparing partitions, 1985), 1 where it does in all. None where that finds no clusters.
        """
        half = np.random.default_rng(self.seed).permutation(learn)[: len(learn) // 2]
        X = self.dataset.X
        try:
            other = clone(estimator).fit(X.iloc[half])
        except (LearningError, ValueError):  # as scikit-learn says that there are fewer rows than clusters
            return None
        held = X.iloc[held_out]
        return float(adjusted_rand_score(estimator.predict(held), other.predict(held)))

    def scores_of(self, predictions: NDArray[np.float32], held_out: NDArray[np.intp]) -> Scores:
        """What such predictions of the held-out rows are worth."""
        assert self.dataset.y is not None
        y = self.dataset.y[held_out]
        if self.task == "REGRESSION":
            return evaluate.regression(predictions, y, self.metric)
        return evaluate.classification(predictions, y, self.metric, self.dataset.classes)

    def _microseconds(self, estimator: Any, X: DataFrame) -> float:
        rows = X.iloc[np.resize(np.arange(len(X)), TIMED_ROWS)]
        started = time.perf_counter()
        self._predictions(estimator, rows)
        return (time.perf_counter() - started) * 1e6 / TIMED_ROWS

    def fitted(self, candidate: Candidate, part: int | None = None) -> bytes | Failed:
        """The candidate as an artifact, fitted on all rows, or on those that this fold of the search learns from.
        Never raises.
        """
        kept = self.shelf.get(candidate, part) if self.shelf and part is not None else None
        if kept is not None:
            return kept
        try:
            with _recorded():
                data = self.dataset
                rows = slice(None) if part is None else self.split("search")[part][0]
                y = None if data.y is None else data.y[rows]
                estimator = self.pipeline(candidate).fit(data.X.iloc[rows], y)
                return self._artifact(candidate, estimator)
        except Exception as error:  # as in `score`
            return failure(error)

    def _artifact(self, candidate: Candidate, estimator: Any) -> bytes:
        return Model(self.signature, candidate.family, candidate.hyperparameters, estimator).dumps()

    @property
    def averages(self) -> bool:
        """Whether averages of fold models may compete: each row is held out as often, and rows are not so many that
        the models hardly differ.
        """
        return self.task != "CLUSTERING" and not self.plan.ordered and self.plan.rows <= MANY_ROWS

    @property
    def signature(self) -> Signature:
        return Signature(task=self.task, columns=self.dataset.columns, classes=self.dataset.classes)


@contextmanager
def _recorded() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield caught


def _sentence(warning: warnings.WarningMessage) -> str:
    said = " ".join(str(warning.message).split())
    return f"{warning.category.__name__}: {said}"[:LONGEST_WARNING]


def failure(error: Exception) -> Failed:
    """Why a fit failed."""
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else "no reason given"
    match error:
        case LearningError():
            return Failed(error.code, said)
        case MemoryError():
            return Failed("OUT_OF_MEMORY", f"The fit needs more memory than it may take: {said}")
        case _:
            return Failed("INTERNAL", f"{type(error).__name__}: {said}")
