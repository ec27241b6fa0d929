"""Fold fit: fits a candidate on the rows of a fold and scores it. Runs in a worker process."""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import Pipeline

from ..dataset import Dataset
from ..estimators import preprocess
from ..estimators.families import Candidate, catalogue
from ..evaluation import evaluate
from ..evaluation.folds import Fold, FoldPlan, Round, sample_rows
from ..evaluation.measures import Measure, Scores
from ..evaluation.separation import Neighbourhoods
from ..exceptions import LearningError
from ..model import Model, Signature
from ..problem import MANY_ROWS, Problem, problem_type
from .model_cache import FoldModelCache

#: Rows of the batch that measures the time of a prediction.
TIMED_ROWS = 1_000
#: Time limit of a fit of the screening round, as a share of a fold's.
SCREENING_SHARE = 0.3
#: A model is not cached if serialising it takes more than this share of its fit, or if its fit takes fewer seconds.
DEAR, SOON = 0.05, 0.02
#: Upper bounds of a fold's rows that a clustering is scored on: of those learned, and of those held out. A score
#: compares each row with each, and more of them hardly change it.
MOST_LEARNED, MOST_HELD_OUT = 2_000, 4_000
#: Upper bounds of the warnings recorded per fit, and of the characters of each.
MOST_WARNINGS, LONGEST_WARNING = 5, 300


@dataclass(frozen=True)
class Fit:
    """Request to score one candidate on one fold of a round."""

    candidate: Candidate
    round: Round
    fold: int

    def time_limit(self, fold_seconds: float) -> float:
        """Return the limit in seconds, given that of a fit on a whole fold."""
        return fold_seconds * SCREENING_SHARE if self.round == "taste" else fold_seconds

    @property
    def key(self) -> tuple[str, str, int]:
        """Identity of the fit across processes and builds."""
        return self.candidate.key, self.round, self.fold


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Outcome of a fit that succeeded."""

    score: float
    measures: tuple[Measure, ...]
    fit_seconds: float
    predict_seconds: float
    #: Predictions for the held-out rows, in their order, as float32: `(held out, classes)` probabilities or
    #: `(held out,)` values; None for clusterings.
    predictions: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    #: Distinct warnings of the libraries.
    warnings: tuple[str, ...] = ()
    #: Time to predict one row, in a batch of TIMED_ROWS; None if it was not measured.
    microseconds: float | None = None


@dataclass(frozen=True)
class Failed:
    """Outcome of a fit that failed: an error code for machines, a sentence for people."""

    code: str
    reason: str


@dataclass(frozen=True, eq=False)
class _CommonSpace:
    """Rows of a fold in the space in which its clusterings are compared."""

    #: `(m,)` and `(h,)`: their indices into the dataset.
    learned: NDArray[np.intp]
    held_out: NDArray[np.intp]
    neighbourhoods: Neighbourhoods


@dataclass(frozen=True, eq=False, kw_only=True)
class FitContext:
    """Data and settings that all fits of a build share."""

    task: str
    dataset: Dataset
    metric: str
    plan: FoldPlan
    seed: int
    #: Columns that the analysis advises against; candidates with `features="sound"` leave them out.
    doubtful: tuple[str, ...] = ()
    #: Whether to measure the time of predictions.
    time_predictions: bool = False
    #: Cache for the models of the search's folds; None: models are not cached.
    cache: FoldModelCache | None = None

    @cached_property
    def _splits(self) -> dict[Round, Sequence[Fold]]:
        return {}

    @cached_property
    def _common_spaces(self) -> dict[tuple[Round, int], _CommonSpace]:
        return {}

    @cached_property
    def _dear(self) -> set[Candidate]:
        """Candidates whose models take too long to serialise."""
        return set()

    @property
    def signature(self) -> Signature:
        """Signature of the models fitted on this dataset."""
        return Signature(task=self.task, columns=self.dataset.columns, classes=self.dataset.classes)

    @cached_property
    def digest(self) -> str:
        """Digest of what a fold's score depends on beside the recipe: examples, columns, folds, metric and seed.

        Scores of another digest were computed on other rows or in another measure, so that a build must not use them.
        """
        dataset = self.dataset
        settings = (self.task, self.metric, self.seed, self.doubtful, self.plan)
        data = (dataset.fingerprint, dataset.columns, dataset.classes)
        digest = sha256(repr((settings, data)).encode())
        for numbers in (
            dataset.positions,
            dataset.rows_together(),
            dataset.times if self.plan.ordered else None,
        ):
            digest.update(b"none" if numbers is None else np.ascontiguousarray(numbers).tobytes())
        return digest.hexdigest()

    @property
    def problem_type(self) -> type[Problem]:
        return problem_type(self.task)

    @property
    def can_average_folds(self) -> bool:
        """True if averages of fold models may compete.

        They need every row held out equally often, and so few rows that the fold models differ.
        """
        few = self.plan.rows <= MANY_ROWS
        return self.problem_type.learns_from_labels and not self.plan.ordered and few

    def split(self, round: Round) -> Sequence[Fold]:
        """Return the folds of this round."""
        if round not in self._splits:
            self._splits[round] = self.plan.split(self.dataset, round)
        return self._splits[round]

    def pipeline(self, candidate: Candidate) -> Pipeline:
        """Build the candidate's pipeline, not fitted."""
        return catalogue.pipeline(self.task, candidate, self.dataset.columns, self.seed, self.doubtful)

    def score(self, fit: Fit) -> Scored | Failed:
        """Fit the candidate on the fold's training rows and score it on the held-out rows. Never raises."""
        try:
            with _record_warnings() as recorded:
                scored = self._score(fit)
            texts = dict.fromkeys(map(_warning_text, recorded))
            return replace(scored, warnings=tuple(texts)[:MOST_WARNINGS])
        except Exception as error:  # the edge of the process: any error becomes the fit's outcome
            return to_failure(error)

    def fit(self, candidate: Candidate, fold: int | None = None) -> bytes | Failed:
        """Fit the candidate on all rows, or on the training rows of this fold of the search. Never raises.

        Returns:
            The artifact, from the cache if it is there.
        """
        cached = self.cache.load(candidate, fold) if self.cache and fold is not None else None
        if cached is not None:
            return cached
        try:
            with _record_warnings():
                data = self.dataset
                rows = self._select_rows(candidate, None if fold is None else self.split("search")[fold][0])
                y = None if data.y is None else data.y[rows]
                estimator = self.pipeline(candidate).fit(data.X.iloc[rows], y)
                return self._dump(candidate, estimator)
        except Exception as error:  # as in `score`
            return to_failure(error)

    def assign_clusters(self, candidate: Candidate, rows: NDArray[np.intp]) -> NDArray[np.int64] | None:
        """Fit a clustering on these rows, and assign them to its clusters: `(rows,)`; None if it finds none."""
        X = self.dataset.X.iloc[rows]
        with _record_warnings():
            try:
                return np.asarray(self.pipeline(candidate).fit(X).predict(X), dtype=np.int64)
            except (LearningError, ValueError):  # ValueError: scikit-learn has fewer rows than clusters
                return None

    def _select_rows(self, candidate: Candidate, rows: NDArray[np.intp] | None) -> NDArray[np.intp] | slice:
        """Select the rows that the candidate learns from: these, all for None, or a sample if it learns from few."""
        most = candidate.hyperparameters.get("rows")
        if most is None:
            return slice(None) if rows is None else rows
        rows = np.arange(len(self.dataset)) if rows is None else rows
        return sample_rows(self.dataset, rows, most, np.random.default_rng(self.seed))

    def score_predictions(self, predictions: NDArray[np.float32], held_out: NDArray[np.intp]) -> Scores:
        """Score predictions for these held-out rows; not for clusterings."""
        assert self.dataset.y is not None
        return evaluate.score_labels(predictions, self.dataset.y[held_out], self.metric, self.dataset.classes)

    def _score(self, fit: Fit) -> Scored:
        learn, held_out = self.split(fit.round)[fit.fold]
        rows = self._select_rows(fit.candidate, learn)
        data, estimator = self.dataset, self.pipeline(fit.candidate)
        started = time.perf_counter()
        estimator.fit(data.X.iloc[rows], None if data.y is None else data.y[rows])
        fitted = time.perf_counter()
        X = data.X.iloc[held_out]
        predictions = self._predict(estimator, X)
        predicted = time.perf_counter()
        if self.cache and self.can_average_folds and fit.round == "search":
            self._cache_model(self.cache, fit, estimator, seconds=fitted - started)
        if not self.problem_type.learns_from_labels:
            scores = self._score_clustering(estimator, fit)
        else:
            scores = self.score_predictions(predictions, held_out)
        return Scored(
            score=scores.score,
            measures=scores.measures,
            fit_seconds=fitted - started,
            predict_seconds=predicted - fitted,
            predictions=predictions if self.problem_type.learns_from_labels else None,
            microseconds=self._measure_microseconds(estimator, X) if self.time_predictions else None,
        )

    def _cache_model(self, cache: FoldModelCache, fit: Fit, estimator: BaseEstimator, seconds: float) -> None:
        """Cache the model, unless that costs too much compared with its fit: few cached models are used."""
        if seconds < SOON or fit.candidate in self._dear:
            return
        # Of this thread's own time: what else runs on the machine says nothing about the model.
        started = time.thread_time()
        artifact = self._dump(fit.candidate, estimator)
        if time.thread_time() - started > DEAR * seconds:
            self._dear.add(fit.candidate)
        else:
            cache.store(fit.candidate, fit.fold, artifact)

    def _predict(self, estimator: BaseEstimator, X: DataFrame) -> NDArray[np.float32]:
        predict = estimator.predict_proba if self.problem_type.has_classes else estimator.predict
        return np.asarray(predict(X), dtype=np.float32)

    def _score_clustering(self, estimator: BaseEstimator, fit: Fit) -> Scores:
        space, X = self._common_space(fit.round, fit.fold), self.dataset.X
        clusters = estimator.predict(X.iloc[space.held_out])
        separation = space.neighbourhoods.separation(estimator.predict(X.iloc[space.learned]), clusters)
        scores = evaluate.score_clustering(clusters, space.neighbourhoods.held_out, separation, self.metric)
        learn, _ = self.split(fit.round)[fit.fold]
        measures = (
            Measure("stability", None, self._stability(estimator, learn, space.held_out, clusters)),
            Measure("clusters", None, float(len(estimator[-1].centres_))),
        )
        return Scores(scores.score, (*scores.measures, *measures))

    def _common_space(self, round: Round, fold: int) -> _CommonSpace:
        """Return rows of a fold in the space in which clusterings are compared; a sample if they are many."""
        if (round, fold) not in self._common_spaces:
            random = np.random.default_rng(self.seed)
            learn, held_out = self.split(round)[fold]
            X, space = self.dataset.X, preprocess.dense(self.dataset.columns).fit(self.dataset.X.iloc[learn])
            learn = sample_rows(self.dataset, learn, MOST_LEARNED, random)
            held_out = sample_rows(self.dataset, held_out, MOST_HELD_OUT, random)
            rows = space.transform(X.iloc[learn]), space.transform(X.iloc[held_out])
            neighbourhoods = Neighbourhoods.find(*rows, self.seed)
            self._common_spaces[round, fold] = _CommonSpace(learn, held_out, neighbourhoods)
        return self._common_spaces[round, fold]

    def _stability(
        self,
        estimator: BaseEstimator,
        learn: NDArray[np.intp],
        held_out: NDArray[np.intp],
        clusters: NDArray[np.int64],
    ) -> float | None:
        """Compute the agreement on held-out rows with a clustering of half of the training rows.

        The adjusted Rand index (Hubert and Arabie, Comparing partitions, 1985): 1 is full agreement. None if half of
        the rows have no clusters.

        Args:
            clusters: `(held out,)`
        """
        half = np.random.default_rng(self.seed).permutation(learn)[: len(learn) // 2]
        X = self.dataset.X
        try:
            other = clone(estimator).fit(X.iloc[half])
        except (LearningError, ValueError):  # ValueError: scikit-learn has fewer rows than clusters
            return None
        return float(adjusted_rand_score(clusters, other.predict(X.iloc[held_out])))

    def _measure_microseconds(self, estimator: BaseEstimator, X: DataFrame) -> float:
        rows = X.iloc[np.resize(np.arange(len(X)), TIMED_ROWS)]
        started = time.perf_counter()
        self._predict(estimator, rows)
        return (time.perf_counter() - started) * 1e6 / TIMED_ROWS

    def _dump(self, candidate: Candidate, estimator: BaseEstimator) -> bytes:
        return Model(self.signature, candidate.family, candidate.hyperparameters, estimator).dumps()


@contextmanager
def _record_warnings() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("default")
        yield recorded


def _warning_text(warning: warnings.WarningMessage) -> str:
    text = " ".join(str(warning.message).split())
    return f"{warning.category.__name__}: {text}"[:LONGEST_WARNING]


def to_failure(error: Exception) -> Failed:
    """Convert an error to the outcome of a fit."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else "no reason given"
    match error:
        case LearningError():
            return Failed(error.code, text)
        case MemoryError():
            return Failed("OUT_OF_MEMORY", f"The fit needs more memory than it may take: {text}")
        case _:
            return Failed("INTERNAL", f"{type(error).__name__}: {text}")
