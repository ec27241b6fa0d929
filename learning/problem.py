"""Problems: what a product learns, and how. `Classification`, `Regression` and `Clustering`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import metrics
from .encoding import LARGEST, MISSING
from .estimators.families import names as family_names
from .exceptions import InvalidProblem

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

#: What an estimator predicts: `(n, classes)` probabilities, `(n,)` values, or `(n,)` clusters and `(n, clusters)`
#: distances.
PredictedArrays = NDArray[np.float64] | tuple[NDArray[np.int64], NDArray[np.float64]]

#: Upper bound of the candidates of a search; each is a row, and is fitted once per fold.
MOST_CANDIDATES = 10_000
#: Default number of candidates of a search without a time limit.
CANDIDATES = 24
#: Default number of folds; the number for many rows, which need fewer against noise; the least such number of rows.
FOLDS, FEW_FOLDS, MANY_ROWS = 5, 3, 20_000
#: Below this many rows one partition has too much noise.
FEW_ROWS = 400
MOST_REPEATS = 20
#: Upper bounds of a quick build.
QUICK_CANDIDATES, QUICK_FOLDS = 3, 3
MOST_PICTURES = 0.9
#: Longest time limit of a build, in seconds: a year.
MOST_SECONDS = 365 * 86_400


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Base of all problems; declare one of the subclasses.

    The subclasses implement everything that depends on the task; `problem_type` finds them by the task's name.
    """

    #: Name of the task in signatures, snapshots and the API.
    task: ClassVar[str]
    #: True if models learn from labelled rows, and feedback gives labels.
    learns_from_labels: ClassVar[bool] = True
    #: True if a label is one of several classes.
    has_classes: ClassVar[bool] = False
    #: True if a label is a number.
    has_values: ClassVar[bool] = False
    #: Name of the numbers that a model predicts.
    numbers: ClassVar[str]
    #: Sentence about a compiled model that agrees with its pipeline.
    parity: ClassVar[str]

    #: Name of a scikit-learn scorer; greater is better. None: the task's default.
    metric: str | None = None
    #: Number of folds of the cross-validation. None: {FOLDS}, or {FEW_FOLDS} above {MANY_ROWS:,} rows.
    folds: int | None = None
    #: Number of partitions into folds. None: 2 below {FEW_ROWS} rows unless `folds` is set, else 1.
    repeats: int | None = None
    #: Whether folds follow the time of the events: each is predicted by models that learned from earlier rows.
    ordered: bool = False
    #: Time before each held-out fold whose rows are not learned from, because their labels were not known yet.
    gap: timedelta = timedelta(0)
    #: Seed of everything random, so that a build can be repeated.
    seed: int = 0
    #: Names of the families that take part. None: all of the task.
    families: tuple[str, ...] | None = None
    #: Number of candidates of the search. None: {CANDIDATES}, or as many as `seconds` allows.
    candidates: int | None = None
    #: Time limit of the build in seconds, from its start to its end: joining, loading, the search, the final round, the
    #: last fits and the pictures. Of what is left without `pictures`, the search gets
    #: {learning.selection.clock.SEARCH_SHARE:.0%}, and one fit of it at most {learning.selection.clock.FIT_SHARE:.0%}.
    #: None: no limit.
    seconds: float | None = None
    #: Memory limit of one fit beside the libraries, in megabytes. None: an equal share of the available memory.
    megabytes: int | None = None
    #: Longest time of a prediction, in microseconds per row in batches of {learning.fits.fold_fit.TIMED_ROWS:,}. None:
    #: no limit.
    infer_limit: float | None = None
    #: Number of families whose best candidates are fitted and registered.
    keep: int = 3
    #: Share of the build's time for diagnostics of the winner, 0 (none) to {MOST_PICTURES}, once it serves; without a
    #: time limit at least {learning.selection.fitting.PICTURE_SECONDS:g} seconds, which is enough for small data.
    pictures: float = 0.2
    #: Whether a first model of at most {learning.selection.early.ROWS:,} rows serves while the search goes on, if
    #: no other version can; better ones of more rows follow, and the winner replaces them.
    early: bool = False
    #: Whether the winner may serve without a promotion by a person.
    auto_promote: bool = True

    def __post_init__(self) -> None:
        if self.families is not None:
            object.__setattr__(self, "families", _to_names(self.families))
        self._check_numbers()
        self._check_metric()
        self._check_families()

    def folds_for(self, rows: int) -> int:
        """Return the number of folds for this many rows."""
        return self.folds or (FEW_FOLDS if rows > MANY_ROWS else FOLDS)

    def repeats_for(self, rows: int) -> int:
        """Return the number of partitions for this many rows."""
        few = rows < FEW_ROWS and self.folds is None and not self.ordered
        return self.repeats or (2 if few else 1)

    @property
    def budget(self) -> int:
        """Number of candidates that the search may draw."""
        return self.candidates or (CANDIDATES if self.seconds is None else MOST_CANDIDATES)

    def metric_for(self, n_classes: int | None = None) -> str:
        """Return the metric's name.

        Raises InvalidProblem if the declared metric is not defined for this many classes.

        Args:
            n_classes: None unless the task is classification.
        """
        raise NotImplementedError

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], choices: Sequence[str]) -> NDArray[Any]:
        """Encode labels as `(n,)` codes into `choices`, `MISSING` for None; or as numbers, NaN for None."""
        return np.array([np.nan if label is None else float(label) for label in labels])

    @classmethod
    def find_labelled(cls, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Mark the rows with a valid encoded label: `(n,)`."""
        raise NotImplementedError

    @classmethod
    def predict_arrays(cls, estimator: "BaseEstimator", X: ArrayLike) -> PredictedArrays:
        """Predict with a fitted estimator, or a pipeline if `X` is a frame."""
        raise NotImplementedError

    def quick(self) -> Self:
        """Return the problem with few candidates and folds, one partition, and no diagnostics.

        For tests and trials of an application: its models are worse than they could be.
        """
        folds = min(self.folds or QUICK_FOLDS, QUICK_FOLDS)
        return replace(
            self, candidates=min(self.budget, QUICK_CANDIDATES), folds=folds, repeats=1, pictures=0.0
        )

    def with_options(
        self,
        candidates: int | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        families: Sequence[str] | None = None,
        auto_promote: bool | None = None,
    ) -> Self:
        """Return the problem with these options; None keeps the declared value. Raises InvalidProblem."""
        options: dict[str, object] = {
            "candidates": candidates,
            "seconds": seconds,
            "seed": seed,
            "families": families,
            "auto_promote": auto_promote,
        }
        return replace(self, **{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]

    def _check_numbers(self) -> None:
        if self.folds is not None and self.folds < 2:
            raise InvalidProblem(f"folds={self.folds} cannot validate anything; use 2 or more.")
        if self.repeats is not None and not 1 <= self.repeats <= MOST_REPEATS:
            raise InvalidProblem(f"repeats={self.repeats} is not between 1 and {MOST_REPEATS}.")
        if self.ordered and (self.repeats or 1) > 1:
            raise InvalidProblem("Folds that are ordered by time cannot be repeated: leave repeats out.")
        if self.gap < timedelta(0) or (self.gap and not self.ordered):
            raise InvalidProblem(f"gap={self.gap} needs ordered=True, and cannot be negative.")
        for name in ("megabytes", "infer_limit"):
            if (limit := getattr(self, name)) is not None and not limit > 0:
                raise InvalidProblem(f"{name}={limit} allows nothing; use more than 0, or None.")
        if self.candidates is not None and not 1 <= self.candidates <= MOST_CANDIDATES:
            raise InvalidProblem(
                f"candidates={self.candidates} is not between 1 and {MOST_CANDIDATES}.",
                argument=("candidates",),
            )
        if not 0 <= self.pictures <= MOST_PICTURES:
            raise InvalidProblem(f"pictures={self.pictures} is no share between 0 and {MOST_PICTURES}.")
        if self.keep < 1:
            raise InvalidProblem(f"keep={self.keep} would keep no model; use 1 or more.")
        if self.seconds is not None and not self.seconds > 0:
            raise InvalidProblem(
                f"seconds={self.seconds} leaves no time to learn; use more than 0, or None.",
                argument=("seconds",),
            )
        if self.seconds is not None and self.seconds > MOST_SECONDS:
            raise InvalidProblem(
                f"seconds={self.seconds} is more than {MOST_SECONDS:,}, a year; use None for no limit.",
                argument=("seconds",),
            )
        if not 0 <= self.seed < 2**32:
            raise InvalidProblem(f"seed={self.seed} is not between 0 and 4294967295.", argument=("seed",))

    def _check_metric(self) -> None:
        names = metrics.OF_TASK[self.task]
        if self.metric is None or self.metric in names:
            return
        raise InvalidProblem(
            f"{self.metric!r} does not score a {self.task.lower()}. {metrics.suggest(self.metric, names)}"
        )

    def _check_families(self) -> None:
        names = family_names(self.task)
        if self.families is not None and not self.families:
            raise InvalidProblem(
                f"families=() leaves nothing to choose from. Known: {', '.join(names)}.",
                argument=("families",),
            )
        for name in self.families or ():
            if name not in names:
                raise InvalidProblem(
                    f"No family for a {self.task.lower()} is called {name!r}. {metrics.suggest(name, names)}",
                    argument=("families",),
                )


@dataclass(frozen=True, kw_only=True)
class Classification(Problem):
    """Prediction of the class that an instance belongs to."""

    task: ClassVar[str] = "CLASSIFICATION"
    has_classes: ClassVar[bool] = True
    numbers: ClassVar[str] = "probabilities"
    parity: ClassVar[str] = "Labels equal{ties} and probabilities {within} {on}."

    #: Label that ranking metrics treat as positive. None: the last of the declared choices.
    positive: Any = None
    #: Least out-of-fold recall, 0 to 1, by label; a model below it is held for a person.
    floors: Mapping[Any, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "floors", {str(label): float(floor) for label, floor in self.floors.items()})
        for label, floor in self.floors.items():
            if not 0 <= floor <= 1:
                raise InvalidProblem(f"The floor of {label!r} is a recall: {floor} is not between 0 and 1.")

    def metric_for(self, n_classes: int | None = None) -> str:
        """Return the declared metric, or `roc_auc` for two classes and `roc_auc_ovr` (macro) for several."""
        several = n_classes is not None and n_classes > 2
        metric = self.metric or ("roc_auc_ovr" if several else "roc_auc")
        if several and metric in metrics.TWO_CLASSES:
            better = f"{metric}_ovr" if metric == "roc_auc" else f"{metric}_macro"
            better = better if better in metrics.CLASSIFICATION else "roc_auc_ovr"
            raise InvalidProblem(
                f"{metric!r} compares two classes, the labels have {n_classes}; use {better!r}."
            )
        if n_classes == 2 and metric in metrics.SEVERAL_CLASSES:
            raise InvalidProblem(f"{metric!r} is not defined for two classes; use 'roc_auc'.")
        return metric

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], choices: Sequence[str]) -> NDArray[Any]:
        code = {choice: index for index, choice in enumerate(choices)}
        codes = [MISSING if label is None else code[str(label)] for label in labels]
        return np.array(codes, dtype=np.int64)

    @classmethod
    def find_labelled(cls, labels: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(labels != MISSING)

    @classmethod
    def predict_arrays(cls, estimator: "BaseEstimator", X: ArrayLike) -> PredictedArrays:
        return np.asarray(estimator.predict_proba(X), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Regression(Problem):
    """Prediction of a number for an instance."""

    task: ClassVar[str] = "REGRESSION"
    has_values: ClassVar[bool] = True
    numbers: ClassVar[str] = "values"
    parity: ClassVar[str] = "Values {within} of their size {on}."

    def metric_for(self, n_classes: int | None = None) -> str:
        """Return the declared metric, or `r2`."""
        return self.metric or "r2"

    @classmethod
    def find_labelled(cls, labels: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(np.abs(labels) <= LARGEST)

    @classmethod
    def predict_arrays(cls, estimator: "BaseEstimator", X: ArrayLike) -> PredictedArrays:
        return np.asarray(estimator.predict(X), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Clustering(Problem):
    """Grouping of similar instances, without labels."""

    task: ClassVar[str] = "CLUSTERING"
    learns_from_labels: ClassVar[bool] = False
    numbers: ClassVar[str] = "distances"
    parity: ClassVar[str] = "Clusters equal and distances {within} of their size {on}."

    #: Number of candidates of the search; the default lets each family try each number of clusters.
    candidates: int | None = 28
    #: Numbers of clusters that are tried, each at least 2.
    clusters: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "clusters", tuple(sorted(set(self.clusters))))
        if not self.clusters or self.clusters[0] < 2:
            raise InvalidProblem(f"clusters={self.clusters} must be numbers of clusters, each at least 2.")

    def metric_for(self, n_classes: int | None = None) -> str:
        """Return the declared metric, or `separation`, which favours no shape of clusters."""
        return self.metric or "separation"

    @classmethod
    def predict_arrays(cls, estimator: "BaseEstimator", X: ArrayLike) -> PredictedArrays:
        return np.asarray(estimator.predict(X), dtype=np.int64), np.asarray(estimator.transform(X))


#: Problem classes by the task's name.
PROBLEMS: Mapping[str, type[Problem]] = {
    problem.task: problem for problem in (Classification, Regression, Clustering)
}


def problem_type(task: str) -> type[Problem]:
    """Find the problem class of a task."""
    return PROBLEMS[task]


def _to_names(families: Sequence[str]) -> tuple[str, ...]:
    """Convert a name or several to distinct names."""
    return (families,) if isinstance(families, str) else tuple(dict.fromkeys(families))
