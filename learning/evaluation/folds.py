"""Folds of the cross-validation: which rows are learned from, and which are held out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..exceptions import TooFewInstances
from ..lazy_imports import LazyModule
from ..problem import Problem

if TYPE_CHECKING:
    from sklearn import model_selection
else:
    model_selection = LazyModule("sklearn.model_selection")

#: Rounds of a build. If there are many rows, candidates are screened on few of them ("taste"); they are searched on
#: one set of folds; finalists are compared and reported on another, fresh one ("contest"). Scores are stored by these
#: names.
Round = Literal["taste", "search", "contest"]
ROUNDS: tuple[Round, ...] = ("taste", "search", "contest")
#: The rounds that have all folds.
FULL_ROUNDS: tuple[Round, ...] = ("search", "contest")
#: Names of the rounds in sentences.
ROUND_NAMES: Mapping[Round, str] = {
    "taste": "screening",
    "search": "search",
    "contest": "final round",
}

#: Rows that the screening learns from, and rows that it is scored on.
SCREENING_ROWS = 5_000
#: Upper bounds of the rows that a fold of the search learns from, and holds out: more of them rank recipes no better,
#: and take time and memory that the final round needs, which has all rows.
SEARCH_ROWS, SEARCH_HELD_OUT = 100_000, 50_000
#: Upper bound of the rows that a fold of the final round holds out: more of them make a score hardly more certain.
FINAL_HELD_OUT = 100_000
#: Rows of each class that a sample to learn from has at least, if there are so many. One is enough to be held out: more
#: would make rare classes count for more than they are.
ROWS_OF_EACH_CLASS = 10
#: Below this many rows the final round has twice as many repeats as the search, to reduce noise, unless the problem
#: sets its folds.
CHEAP_ROWS = 4_000

#: Row indices to learn from, and held out.
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class FoldPlan:
    """Partition of a dataset: shuffled, by groups, or by time."""

    folds: int
    #: Number of partitions of the search, and of the final round.
    repeats: int
    final_repeats: int
    #: Whether folds follow the time of the events.
    ordered: bool
    #: Days before a held-out fold whose rows are not learned from.
    gap: float
    seed: int
    rows: int

    @classmethod
    def of(cls, problem: Problem, dataset: Dataset, folds: int | None = None) -> "FoldPlan":
        """Build the plan for this dataset, with as many folds as the problem declares unless `folds` is given.

        Raises TooFewInstances if there are fewer groups than folds.
        """
        rows = len(dataset)
        folds = folds or problem.folds_for(rows)
        cheap = rows < CHEAP_ROWS and problem.folds is None and not problem.ordered
        _check_groups(dataset.rows_together(), folds)
        return cls(
            folds=folds,
            repeats=problem.repeats_for(rows),
            final_repeats=problem.repeats_for(rows) * (2 if cheap else 1),
            ordered=problem.ordered and dataset.times is not None,
            gap=problem.gap.total_seconds() / 86_400,
            seed=problem.seed,
            rows=rows,
        )

    def count(self, round: Round) -> int:
        """Return the number of the round's folds."""
        if round == "taste":
            return 1
        return self.folds * (self.final_repeats if round == "contest" else self.repeats)

    @property
    def has_screening(self) -> bool:
        """True if a screening costs much less than a fold."""
        return self._fold_rows > 2 * SCREENING_ROWS

    @property
    def growth(self) -> float:
        """Estimated time of a fit on a fold for each second of a screening fit.

        The exponent is below 1 because the time of few estimators is proportional to the rows.
        """
        return float(max(1.0, min(self._fold_rows, SEARCH_ROWS) / SCREENING_ROWS) ** 0.8)

    @property
    def final_growth(self) -> float:
        """Estimated time of a fit on a fold of the final round for each second of one of the search.

        More than 1 only if the search samples its rows: from there on, most estimators' time is proportional to them.
        """
        return max(1.0, self._fold_rows / SEARCH_ROWS)

    @property
    def _fold_rows(self) -> float:
        """Number of rows that a fold of the final round learns from."""
        return self.rows * (self.folds - 1) / self.folds

    @property
    def opening_folds(self) -> int:
        """Number of the search's folds after which candidates are dropped: with about 500 rows, and half at most."""
        most = max(1, self.count("search") // 2)
        return min(most, -(-500 * self.folds // self.rows))

    @property
    def ratio(self) -> float:
        """Held-out rows per training row."""
        return 1 / (self.folds - 1)

    def split(self, dataset: Dataset, round: Round) -> list[Fold]:
        """Split the dataset into the round's folds.

        The result depends on the rows, the seed and the round only. Shuffled folds are stratified by class and hold
        each row out once per repeat; groups stay together, and so do repeated rows. Ordered folds cut the time into
        equal numbers of rows: each is held out from the rows before it, except for the gap, for rows of its own groups
        and for rows that equal its own. Of many rows a sample is held out, and in the search a sample learned from.

        Raises TooFewInstances if a fold lacks a class.
        """
        if round == "taste":
            return [self._screening(dataset, *self.split(dataset, "search")[0])]
        folds = self.partition(dataset, round)
        _check(folds, dataset)
        random = np.random.default_rng([self.seed, len(ROUNDS), ROUNDS.index(round)])
        return [self._sample_fold(dataset, round, fold, random) for fold in folds]

    def _sample_fold(self, dataset: Dataset, round: Round, fold: Fold, random: np.random.Generator) -> Fold:
        """Sample the rows of a fold if they are many: in the search both parts, in the final round the held-out one."""
        learn, held_out = fold
        if round == "search":
            learn = sample_rows(dataset, learn, SEARCH_ROWS, random)
        most = SEARCH_HELD_OUT if round == "search" else FINAL_HELD_OUT
        return learn, sample_rows(dataset, held_out, most, random, of_each_class=1)

    def partition(self, dataset: Dataset, round: Round) -> list[Fold]:
        """Split the dataset as `split` does into all folds of a round, which may lack classes."""
        return list(self._ordered(dataset, round) if self.ordered else self._shuffled(dataset, round))

    def _shuffled(self, dataset: Dataset, round: Round) -> Iterator[Fold]:
        random = np.random.default_rng([self.seed, ROUNDS.index(round)])
        for _ in range(self.count(round) // self.folds):
            seed = int(random.integers(2**31))
            if dataset.repeated is not None and dataset.groups is None:
                yield from _split_distinct(dataset, dataset.repeated, self.folds, seed)
            else:
                y = dataset.y if dataset.classes else None
                groups = dataset.rows_together()
                _check_groups(groups, self.folds)
                yield from _splitter(dataset, self.folds, seed).split(np.zeros(len(dataset)), y, groups)

    def _ordered(self, dataset: Dataset, round: Round) -> Iterator[Fold]:
        assert dataset.times is not None
        together = dataset.rows_together()
        order = np.argsort(dataset.times, kind="stable")
        # The final round's cuts lie between those of the search.
        shift = 0.5 if round == "contest" else 0.0
        cuts = [int(len(order) * (i + 1 + shift) / (self.folds + 1 + shift)) for i in range(self.folds)]
        for start, end in zip(cuts, [*cuts[1:], len(order)], strict=True):
            held_out = np.sort(order[start:end])
            learn = dataset.times < dataset.times[order[start]] - self.gap
            if together is not None:
                learn &= ~np.isin(together, together[held_out])
            yield np.flatnonzero(learn), held_out

    def _screening(self, dataset: Dataset, learn: NDArray[np.intp], held_out: NDArray[np.intp]) -> Fold:
        random = np.random.default_rng([self.seed, ROUNDS.index("taste")])
        if not self.ordered or dataset.times is None:
            return _sample(random, learn), _sample(random, held_out)
        latest = np.argsort(dataset.times[learn], kind="stable")[-SCREENING_ROWS:]
        return np.sort(learn[latest]), _sample(random, held_out)


def has_valid_folds(plan: FoldPlan, dataset: Dataset) -> bool:
    """Return whether no fold of the search and of the final round is too small or lacks a class."""
    try:
        for round in FULL_ROUNDS:
            plan.split(dataset, round)
    except TooFewInstances:
        return False
    return True


def _check_groups(together: NDArray[np.int64] | None, folds: int) -> None:
    """Raise TooFewInstances if there are fewer sets of rows that stay together than folds."""
    if together is not None and (groups := len(np.unique(together))) < folds:
        raise TooFewInstances(f"{folds} folds need {folds} groups; there are {groups}.")


def _split_distinct(dataset: Dataset, repeated: NDArray[np.intp], folds: int, seed: int) -> Iterator[Fold]:
    """Split the distinct rows; the others follow the row that they repeat. Raises TooFewInstances."""
    distinct = np.flatnonzero(repeated == np.arange(len(dataset)))
    y = dataset.y[distinct] if dataset.y is not None and dataset.classes else None
    fewest = len(distinct) if y is None else int(np.bincount(y, minlength=len(dataset.classes)).min())
    if fewest < folds:
        raise TooFewInstances(f"{folds} folds need {folds} different rows of each class; there are {fewest}.")
    for _, held_out in _splitter(dataset, folds, seed).split(np.zeros(len(distinct)), y):
        is_held_out = np.zeros(len(dataset), dtype=np.bool_)
        is_held_out[distinct[held_out]] = True
        yield np.flatnonzero(~is_held_out[repeated]), np.flatnonzero(is_held_out[repeated])


def _splitter(dataset: Dataset, folds: int, seed: int) -> "model_selection.BaseCrossValidator":
    if dataset.groups is not None:
        splitter = model_selection.StratifiedGroupKFold if dataset.classes else model_selection.GroupKFold
    else:
        splitter = model_selection.StratifiedKFold if dataset.classes else model_selection.KFold
    return splitter(folds, shuffle=True, random_state=seed)


def _sample(random: np.random.Generator, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return (
        rows if len(rows) <= SCREENING_ROWS else np.sort(random.choice(rows, SCREENING_ROWS, replace=False))
    )


def sample_rows(
    dataset: Dataset,
    rows: NDArray[np.intp],
    most: int,
    random: np.random.Generator,
    of_each_class: int = ROWS_OF_EACH_CLASS,
) -> NDArray[np.intp]:
    """Sample about `most` of these rows, in ascending order, with some of each class; all if they are no more."""
    if len(rows) <= most:
        return rows
    mixed = random.permutation(rows)
    parts = [mixed[:most]]
    if dataset.classes:
        assert dataset.y is not None
        y = dataset.y[mixed]
        parts += [mixed[np.flatnonzero(y == code)[:of_each_class]] for code in range(len(dataset.classes))]
    return np.unique(np.concatenate(parts))


def _check(folds: list[Fold], dataset: Dataset) -> None:
    """Raise TooFewInstances if a fold is too small or lacks a class."""
    for number, (learn, held_out) in enumerate(folds, start=1):
        if len(learn) < 2 or len(held_out) < 2:
            raise TooFewInstances(
                f"Fold {number} has {len(learn)} rows to learn from and {len(held_out)} held out."
            )
        for code, label in enumerate(dataset.classes):
            for rows, part in ((learn, "to learn from"), (held_out, "held out")):
                assert dataset.y is not None
                if not (dataset.y[rows] == code).any():
                    raise TooFewInstances(
                        f"Fold {number} has no {label!r} {part}: use fewer folds, or another partition."
                    )
