"""Point 7: whether the score that is told is unbiased, although it is that of the best of many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from learning.problem import Classification

from . import builds
from .cases import Case
from .planted import Floats, Sample
from .promises import Mean, Promise
from .ridges import REFERENCE, RidgeWorld
from .simulated import LIMIT, World

TITLE = "The winner's score is not too good by choosing"
POINT = 7
#: Bias that is allowed.
BIAS = 0.003
AUC = 0.8
#: Rows that a build over real data learns from; the others tell the truth.
LEARN = 200


@dataclass(frozen=True)
class Task:
    """Two classes out of a bundled data set."""

    name: str
    loader: str
    #: Codes of the negative and the positive classes; none: a number above its median is positive.
    negative: tuple[int, ...] = ()
    positive: tuple[int, ...] = ()

    def load(self) -> Sample:
        """Load the rows of both classes."""
        X, y = getattr(datasets, f"load_{self.loader}")(return_X_y=True)
        if not self.positive:
            return Sample(X=X.astype(np.float64), y=(y > np.median(y)).astype(np.int64))
        chosen = np.isin(y, [*self.negative, *self.positive])
        return Sample(X=X[chosen].astype(np.float64), y=np.isin(y[chosen], self.positive).astype(np.int64))


TASKS = (
    Task("tumors", "breast_cancer", (0,), (1,)),
    Task("diabetes above the median", "diabetes"),
    Task("digits: 3 or 8", "digits", (3,), (8,)),
    Task("digits: 1 or 7", "digits", (1,), (7,)),
    Task("digits: 4 or 9", "digits", (4,), (9,)),
    Task("digits: 5 or 6", "digits", (5,), (6,)),
    Task("digits: odd", "digits", (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)),
    Task("digits: above 4", "digits", (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)),
    Task("digits: round", "digits", (1, 2, 4, 7), (0, 3, 5, 6, 8, 9)),
    Task("digits: 8 or another", "digits", (0, 1, 2, 3, 4, 5, 6, 7, 9), (8,)),
)


def cases() -> Iterator[Case]:
    """List the cases."""
    for n, small in ((300, 60), (1_000, None)):
        yield Case(
            name=f"best of 24 equal recipes, {n:,} rows",
            check=partial(check_simulated, n=n),
            repeats=200,
            small=small,
        )
    for number in range(2):
        tasks = TASKS[number::2]
        yield Case(
            name=f"real: {', '.join(task.name for task in tasks)}",
            check=partial(check_real, tasks=tasks),
            repeats=3,
        )
        yield Case(
            name=f"ridge recipes, equally many rows: {', '.join(task.name for task in tasks)}",
            check=partial(check_ridges, tasks=tasks),
            repeats=20,
        )


def check_simulated(seeds: Sequence[int], n: int) -> Iterator[Promise]:
    """Measure told minus true over simulated recipes, whose true score is known.

    How lucky the rows are is known, too: by the score of the plain signal. It is taken out of the differences by
    regression (a control variate), so that fewer builds show a bias.
    """
    told, luck = [], []
    for seed in seeds:
        random = np.random.default_rng(seed)
        world = World.draw(random, n, AUC)
        problem = Classification(candidates=25, seed=seed, keep=1, pictures=0.0, infer_limit=LIMIT)
        told.append(builds.run(problem, world.dataset(problem, random), None, world.pool).told)
        luck.append(float(roc_auc_score(world.y, world.signals)) - float(norm.cdf(world.distance / sqrt(2))))
    yield Promise(
        quantity="ROC AUC, told − true",
        came_true=adjust(np.array(told) - AUC, np.array(luck)),
        least=-BIAS,
        most=BIAS,
    )


def adjust(values: Floats, control: NDArray[np.float64]) -> Mean:
    """Estimate the mean of values at a control of 0, which is the control's true mean."""
    slope, mean = np.polyfit(control, values, 1)
    rest = values - mean - slope * control
    freedom = len(values) - 2
    error = sqrt(
        float((rest**2).sum())
        / freedom
        * (1 / len(values) + control.mean() ** 2 / ((control - control.mean()) ** 2).sum())
    )
    return Mean(float(mean), error, len(values), freedom)


def check_real(seeds: Sequence[int], tasks: Sequence[Task]) -> Iterator[Promise]:
    """Measure told minus true on rows of real data that were not learned from.

    A score of folds is that of models which learned from four fifths of the rows, so it may be too low.
    """
    differences = [compare(task.load(), seed) for task in tasks for seed in seeds]
    yield Promise(
        quantity="ROC AUC, told − true",
        came_true=Mean.of(differences),
        least=-0.03,
        most=BIAS,
    )


def check_ridges(seeds: Sequence[int], tasks: Sequence[Task]) -> Iterator[Promise]:
    """Measure told minus true of ridge recipes on real rows, where both are of models of equally many rows.

    How lucky the rows are is known, too: by a recipe that nothing chooses. It is taken out of the differences.
    """
    told, luck = [], []
    for task in tasks:
        sample = task.load()
        for seed in seeds:
            world = RidgeWorld.draw(sample, LEARN, seed)
            problem = Classification(candidates=25, seed=seed, keep=1, pictures=0.0, infer_limit=LIMIT)
            outcome = builds.run(problem, world.dataset(problem), None, world.pool)
            _, true = world.compare(world.pools[0].context, outcome.fitted.candidate)
            told.append(outcome.told - true)
            luck.append(float(np.subtract(*world.compare(world.pools[0].context, REFERENCE))))
    yield Promise(
        quantity="ROC AUC, told − true",
        came_true=adjust(np.array(told), np.array(luck)),
        least=-BIAS,
        most=BIAS,
    )


def compare(sample: Sample, seed: int) -> float:
    """Run a build over some rows, and compute its told score less that of the other rows."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(sample))
    learn, fresh = sample.take(order[:LEARN]), sample.take(order[LEARN:])
    problem = Classification(families=builds.CHEAP, candidates=12, keep=1, pictures=0.0, seed=seed)
    outcome = builds.run(problem, learn.dataset(problem))
    answers = outcome.fitted.model.predict(fresh.rows)
    scores = [answer.probabilities[1] for answer in answers]  # type: ignore[union-attr]
    return outcome.told - float(roc_auc_score(fresh.y, scores))
