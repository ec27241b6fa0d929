"""What is to be learned: `Classification`, `Regression`, `Clustering`; metric, folds, families, budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar, Self

from . import metrics
from .estimators.families import names as family_names
from .exceptions import InvalidProblem

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
    """What all tasks have in common; declare one of the subclasses."""

    task: ClassVar[str]

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


@dataclass(frozen=True, kw_only=True)
class Regression(Problem):
    """Which number belongs to an instance?"""

    task: ClassVar[str] = "REGRESSION"

    def metric_for(self, n_classes: int | None = None) -> str:
        """`r2`, or the declared metric."""
        return self.metric or "r2"


@dataclass(frozen=True, kw_only=True)
class Clustering(Problem):
    """Which instances belong together? There is no label."""

    task: ClassVar[str] = "CLUSTERING"

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


def _names(families: Sequence[str]) -> tuple[str, ...]:
    """A single name is a family, not a sequence of letters; naming one twice changes nothing."""
    return (families,) if isinstance(families, str) else tuple(dict.fromkeys(families))
