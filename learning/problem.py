"""What is to be learned: `Classification`, `Regression`, `Clustering`; metric, folds, families, budget."""

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

#: Candidates that one search may draw: all of them are rows, and each is fitted once for every fold.
MOST_CANDIDATES = 10_000
#: Candidates of a search that has no time limit, unless said otherwise.
CANDIDATES = 24
#: Folds, unless said otherwise; fewer where there are many rows, which need fewer to tell noise.
FOLDS, FEW_FOLDS, MANY_ROWS = 5, 3, 20_000
#: Below this many rows one parting tells too little.
FEW_ROWS = 400
MOST_REPEATS = 20
MOST_PICTURES = 0.9


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What all tasks have in common; declare one of the subclasses.

    Whatever depends on the task asks the subclass; `problem_type` finds it by the task's name.
    """

    #: The task's name in signatures, snapshots and the API.
    task: ClassVar[str]
    #: True if rows without a label teach nothing, and people can say what a label is.
    learns_from_labels: ClassVar[bool] = True
    #: True if a label is one of several classes.
    has_classes: ClassVar[bool] = False
    #: True if a label is a number.
    has_values: ClassVar[bool] = False
    #: The name of the numbers that a model predicts.
    numbers: ClassVar[str]
    #: The sentence about a compiled model that agrees with its pipeline.
    parity: ClassVar[str]

    #: A scikit-learn scorer's name, greater is better. None: the task's default.
    metric: str | None = None
    #: Parts of the cross-validation, each of which is scored by a model that has not seen it. None: {FOLDS}, or
    #: {FEW_FOLDS} beyond {MANY_ROWS:,} rows.
    folds: int | None = None
    #: How often the rows are parted anew. None: twice below {FEW_ROWS} rows unless `folds` are
    #: named, else once.
    repeats: int | None = None
    #: Whether folds follow the time of the events: each is held out from models of what came before it.
    ordered: bool = False
    #: Before each held-out fold, what happened within this time is not learned from: its label was not known.
    gap: timedelta = timedelta(0)
    #: Everything random is drawn from this seed, so that a build can be repeated.
    seed: int = 0
    #: Families that may compete, by name. None: all that know the task.
    families: tuple[str, ...] | None = None
    #: How many candidates are drawn for the search. None: {CANDIDATES}, or as many as `seconds` allow.
    candidates: int | None = None
    #: Time limit of the build in seconds: the search gets {learning.build.SEARCH_SHARE:.0%} of it, the contest and
    #: the last fits the rest, and one fit of the search at most {learning.build.FIT_SHARE:.0%}. None: as long as the
    #: candidates take.
    seconds: float | None = None
    #: Memory that one fit may take, in megabytes. None: its share of what the machine has left.
    megabytes: int | None = None
    #: The longest time, in microseconds a row (of {learning.fits.fold_fit.TIMED_ROWS:,} at once), that a model may take
    #: to predict.
    infer_limit: float | None = None
    #: The best of this many families are fitted and registered.
    keep: int = 3
    #: The share of the build's time that pictures of the winner may take, 0 (none) to {MOST_PICTURES}, after it serves;
    #: at least {learning.selection.fitting.PICTURE_SECONDS:g} seconds, in which those of small data are all drawn.
    pictures: float = 0.2
    #: Whether the winner may serve without a person's promotion.
    auto_promote: bool = True

    def __post_init__(self) -> None:
        if self.families is not None:
            object.__setattr__(self, "families", _names(self.families))
        self._check_numbers()
        self._check_metric()
        self._check_families()

    def folds_for(self, rows: int) -> int:
        """How many parts this many rows are parted into."""
        return self.folds or (FEW_FOLDS if rows > MANY_ROWS else FOLDS)

    def repeats_for(self, rows: int) -> int:
        """How often this many rows are parted anew."""
        few = rows < FEW_ROWS and self.folds is None and not self.ordered
        return self.repeats or (2 if few else 1)

    @property
    def budget(self) -> int:
        """How many candidates the search may draw."""
        return self.candidates or (CANDIDATES if self.seconds is None else MOST_CANDIDATES)

    def metric_for(self, n_classes: int | None = None) -> str:
        """The metric's name for data with this many classes (None unless it is a classification).

        Raises InvalidProblem where the declared metric knows nothing about that many classes.
        """
        raise NotImplementedError

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], choices: Sequence[str]) -> NDArray[Any]:
        """Encode labels as `(n,)` codes into `choices`, `MISSING` for None; or as numbers, NaN for None."""
        return np.array([np.nan if label is None else float(label) for label in labels])

    @classmethod
    def find_labelled(cls, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Mark the rows whose encoded label says something: `(n,)`."""
        raise NotImplementedError

    @classmethod
    def predict_arrays(cls, estimator: "BaseEstimator", X: ArrayLike) -> PredictedArrays:
        """Predict with a fitted estimator, or a pipeline if `X` is a frame."""
        raise NotImplementedError

    def with_options(
        self,
        candidates: int | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        families: Sequence[str] | None = None,
        auto_promote: bool | None = None,
    ) -> Self:
        """The same problem with what is given here instead; None leaves it as declared. Raises
        InvalidProblem.
        """
        options: dict[str, Any] = {
            "candidates": candidates,
            "seconds": seconds,
            "seed": seed,
            "families": families,
            "auto_promote": auto_promote,
        }
        return replace(self, **{name: value for name, value in options.items() if value is not None})

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
        if not 0 <= self.seed < 2**32:
            raise InvalidProblem(f"seed={self.seed} is not between 0 and 4294967295.", argument=("seed",))

    def _check_metric(self) -> None:
        known = metrics.OF_TASK[self.task]
        if self.metric is None or self.metric in known:
            return
        raise InvalidProblem(
            f"{self.metric!r} does not score a {self.task.lower()}. {metrics.near(self.metric, known)}"
        )

    def _check_families(self) -> None:
        known = family_names(self.task)
        if self.families is not None and not self.families:
            raise InvalidProblem(
                f"families=() leaves nothing to choose from. Known: {', '.join(known)}.",
                argument=("families",),
            )
        for name in self.families or ():
            if name not in known:
                raise InvalidProblem(
                    f"No family for a {self.task.lower()} is called {name!r}. {metrics.near(name, known)}",
                    argument=("families",),
                )


@dataclass(frozen=True, kw_only=True)
class Classification(Problem):
    """Which class does an instance belong to?"""

    task: ClassVar[str] = "CLASSIFICATION"
    has_classes: ClassVar[bool] = True
    numbers: ClassVar[str] = "probabilities"
    parity: ClassVar[str] = "Labels equal{ties} and probabilities {within} {on}."

    #: The label whose probability ranking metrics look at. None: the last of the declared choices.
    positive: Any = None
    #: The least out-of-fold recall, 0 to 1, of a label; a model below it is held for a person.
    floors: Mapping[Any, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "floors", {str(label): float(floor) for label, floor in self.floors.items()})
        for label, floor in self.floors.items():
            if not 0 <= floor <= 1:
                raise InvalidProblem(f"The floor of {label!r} is a recall: {floor} is not between 0 and 1.")

    def metric_for(self, n_classes: int | None = None) -> str:
        """`roc_auc` for two classes, `roc_auc_ovr` (macro) for several, or the declared metric."""
        several = n_classes is not None and n_classes > 2
        metric = self.metric or ("roc_auc_ovr" if several else "roc_auc")
        if several and metric in metrics.TWO_CLASSES:
            better = f"{metric}_ovr" if metric == "roc_auc" else f"{metric}_macro"
            better = better if better in metrics.CLASSIFICATION else "roc_auc_ovr"
            raise InvalidProblem(
                f"{metric!r} compares two classes, the labels have {n_classes}; use {better!r}."
            )
        if n_classes == 2 and metric in metrics.SEVERAL_CLASSES:
            raise InvalidProblem(f"{metric!r} says nothing about two classes; use 'roc_auc'.")
        return metric

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], choices: Sequence[str]) -> NDArray[Any]:
        code = {choice: place for place, choice in enumerate(choices)}
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
    """Which number belongs to an instance?"""

    task: ClassVar[str] = "REGRESSION"
    has_values: ClassVar[bool] = True
    numbers: ClassVar[str] = "values"
    parity: ClassVar[str] = "Values {within} of their size {on}."

    def metric_for(self, n_classes: int | None = None) -> str:
        """`r2`, or the declared metric."""
        return self.metric or "r2"

    @classmethod
    def find_labelled(cls, labels: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(np.abs(labels) <= LARGEST)

    @classmethod
    def predict_arrays(cls, estimator: "BaseEstimator", X: ArrayLike) -> PredictedArrays:
        return np.asarray(estimator.predict(X), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Clustering(Problem):
    """Which instances belong together? There is no label."""

    task: ClassVar[str] = "CLUSTERING"
    learns_from_labels: ClassVar[bool] = False
    numbers: ClassVar[str] = "distances"
    parity: ClassVar[str] = "Clusters equal and distances {within} of their size {on}."

    #: How many candidates are drawn for the search; as many as let each family try each number of clusters.
    candidates: int | None = 28
    #: How many clusters the candidates may have, each 2 or more.
    clusters: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "clusters", tuple(sorted(set(self.clusters))))
        if not self.clusters or self.clusters[0] < 2:
            raise InvalidProblem(f"clusters={self.clusters} must name numbers of clusters, each 2 or more.")

    def metric_for(self, n_classes: int | None = None) -> str:
        """`silhouette`, or the declared metric."""
        return self.metric or "silhouette"

    @classmethod
    def predict_arrays(cls, estimator: "BaseEstimator", X: ArrayLike) -> PredictedArrays:
        return np.asarray(estimator.predict(X), dtype=np.int64), np.asarray(estimator.transform(X))


#: By the task's name.
PROBLEMS: Mapping[str, type[Problem]] = {
    problem.task: problem for problem in (Classification, Regression, Clustering)
}


def problem_type(task: str) -> type[Problem]:
    """Find the subclass of a task's name."""
    return PROBLEMS[task]


def _names(families: Sequence[str]) -> tuple[str, ...]:
    """A single name is a family, not a sequence of letters; naming one twice changes nothing."""
    return (families,) if isinstance(families, str) else tuple(dict.fromkeys(families))
