"""The parts of the cross-validation: which rows teach and which are held out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

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

#: Candidates get a taste of the rows where they are many, are searched for on one set of folds, and
#: finalists are compared and reported on another.
Round = Literal["taste", "search", "contest"]
ROUNDS: tuple[Round, ...] = ("taste", "search", "contest")

#: Rows that a taste learns from, and rows that it is scored on.
TASTE = 5_000
#: Below this many rows the contest parts them twice as often as the search, unless the problem names its folds:
#: more folds, less noise.
CHEAP_ROWS = 4_000

#: Row positions to learn from, and held out.
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class FoldPlan:
    """How a dataset is parted: shuffled, by groups, or by time."""

    folds: int
    #: How often the search parts the rows, and the contest.
    repeats: int
    contest_repeats: int
    ordered: bool
    #: In days.
    gap: float
    seed: int
    rows: int

    @classmethod
    def of(cls, problem: Problem, dataset: Dataset) -> "FoldPlan":
        """What the problem says of this dataset. Raises TooFewInstances where there are fewer groups than folds."""
        rows = len(dataset)
        folds = problem.folds_for(rows)
        cheap = rows < CHEAP_ROWS and problem.folds is None and not problem.ordered
        if dataset.groups is not None and (groups := len(np.unique(dataset.groups))) < folds:
            raise TooFewInstances(f"{folds} folds need {folds} groups; there are {groups}.")
        return cls(
            folds=folds,
            repeats=problem.repeats_for(rows),
            contest_repeats=problem.repeats_for(rows) * (2 if cheap else 1),
            ordered=problem.ordered and dataset.times is not None,
            gap=problem.gap.total_seconds() / 86_400,
            seed=problem.seed,
            rows=rows,
        )

    def count(self, round: Round) -> int:
        """How many folds the round has."""
        if round == "taste":
            return 1
        return self.folds * (self.contest_repeats if round == "contest" else self.repeats)

    @property
    def tasted(self) -> bool:
        """Whether a taste of the rows costs much less than a fold."""
        return self.rows * (self.folds - 1) / self.folds > 2 * TASTE

    @property
    def growth(self) -> float:
        """How many times as long as a taste a fold takes, more or less: few estimators need time in proportion to the
        rows.
        """
        return float(max(1.0, self.rows * (self.folds - 1) / self.folds / TASTE) ** 0.8)

    @property
    def opening(self) -> int:
        """Folds of the search that tell whether a candidate goes on: together some 500 rows, and at most half."""
        most = max(1, self.count("search") // 2)
        return min(most, -(-500 * self.folds // self.rows))

    @property
    def ratio(self) -> float:
        """Held-out rows for each row to learn from."""
        return 1 / (self.folds - 1)

    def split(self, dataset: Dataset, round: Round) -> list[Fold]:
        """The round's folds. The same rows and seed give the same; the search's differ from the contest's.

        Shuffled folds keep labels in the data's proportions and hold each row out once a repeat; groups stay
        together. Ordered ones cut the time into equal numbers of rows: each is held out from what came before it,
        less the gap and, where there are groups, less those it shares with it.

        Raises TooFewInstances where a fold lacks a class.
        """
        if round == "taste":
            return [self._taste(dataset, *self.split(dataset, "search")[0])]
        found = list(self._ordered(dataset, round) if self.ordered else self._shuffled(dataset, round))
        _check(found, dataset)
        return found

    def _shuffled(self, dataset: Dataset, round: Round) -> Iterator[Fold]:
        random = np.random.default_rng([self.seed, ROUNDS.index(round)])
        for _ in range(self.count(round) // self.folds):
            splitter = _splitter(dataset, self.folds, int(random.integers(2**31)))
            rows = np.zeros(len(dataset))
            yield from splitter.split(rows, dataset.y if dataset.classes else None, dataset.groups)

    def _ordered(self, dataset: Dataset, round: Round) -> Iterator[Fold]:
        assert dataset.times is not None
        order = np.argsort(dataset.times, kind="stable")
        # The contest's cuts lie between the search's.
        shift = 0.5 if round == "contest" else 0.0
        cuts = [int(len(order) * (i + 1 + shift) / (self.folds + 1 + shift)) for i in range(self.folds)]
        for start, end in zip(cuts, [*cuts[1:], len(order)], strict=True):
            held = np.sort(order[start:end])
            learn = dataset.times < dataset.times[order[start]] - self.gap
            if dataset.groups is not None:
                learn &= ~np.isin(dataset.groups, dataset.groups[held])
            yield np.flatnonzero(learn), held

    def _taste(self, dataset: Dataset, learn: NDArray[np.intp], held: NDArray[np.intp]) -> Fold:
        random = np.random.default_rng([self.seed, ROUNDS.index("taste")])
        if not self.ordered or dataset.times is None:
            return _some(random, learn), _some(random, held)
        latest = np.argsort(dataset.times[learn], kind="stable")[-TASTE:]
        return np.sort(learn[latest]), _some(random, held)


def _splitter(dataset: Dataset, folds: int, seed: int) -> Any:
    if dataset.groups is not None:
        made = model_selection.StratifiedGroupKFold if dataset.classes else model_selection.GroupKFold
    else:
        made = model_selection.StratifiedKFold if dataset.classes else model_selection.KFold
    return made(folds, shuffle=True, random_state=seed)


def _some(random: np.random.Generator, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return rows if len(rows) <= TASTE else np.sort(random.choice(rows, TASTE, replace=False))


def _check(folds: list[Fold], dataset: Dataset) -> None:
    for number, (learn, held) in enumerate(folds, start=1):
        if len(learn) < 2 or len(held) < 2:
            raise TooFewInstances(
                f"Fold {number} has {len(learn)} rows to learn from and {len(held)} held out."
            )
        for code, label in enumerate(dataset.classes):
            for rows, place in ((learn, "to learn from"), (held, "held out")):
                assert dataset.y is not None
                if not (dataset.y[rows] == code).any():
                    raise TooFewInstances(
                        f"Fold {number} has no {label!r} {place}; take fewer folds, or others than these."
                    )
