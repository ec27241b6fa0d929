"""Point 2: intervals at 0.9, overall and where the predictions are small, middle and large, on fresh rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from learning.model import Model
from learning.problem import Regression

from . import builds, planted
from .cases import Case
from .planted import Floats, Sample
from .promises import Mean, Promise, Share

TITLE = "Intervals as wide as they must be here"
POINT = 2
LEVEL = 0.9
FRESH = 2_000
#: Distances from the level that are allowed overall, and in parts of the rows: parts follow a model of the noise.
OVERALL, PART = 0.02, 0.05
THIRDS = ("small", "middle", "large")
#: Widths beyond this many of the ideal ones are no honest answer: "anything" holds the truth, too.
WIDEST = 1.25

Draw = Callable[[Generator, int], Sample]


@dataclass
class Covered:
    """Fresh rows of several builds: in which part they are, and whether the truth was inside."""

    parts: list[NDArray[np.str_]]
    inside: list[NDArray[np.bool_]]

    def mean(self, part: str | None, rows: int) -> Mean:
        """Estimate the coverage of a part of the rows, or of all."""
        parts, inside = np.concatenate(self.parts), np.concatenate(self.inside)
        chosen = np.ones(len(parts), dtype=np.bool_) if part is None else parts == part
        learned = max(1, round(rows * chosen.mean()))
        return Mean.of_coverage(int(inside[chosen].sum()), int(chosen.sum()), learned, len(self.inside))


def cases() -> Iterator[Case]:
    """List the cases."""
    for name, draw, rows, parts in (
        ("noise grows with the label", planted.heteroscedastic, 800, THIRDS),
        ("a fifth has four times the noise", planted.noisy_group, 800, ("wild", "calm")),
        ("tips: positive, with a long tail", planted.tips, 800, THIRDS),
        ("equal noise", planted.even, 800, THIRDS),
        ("noise grows with the label, 150 rows", planted.heteroscedastic, 150, ()),
    ):
        yield Case(
            name=name,
            check=partial(check, draw=draw, rows=rows, parts=parts),
            repeats=4,
            small=2 if name == "equal noise" else None,
        )


def check(seeds: Sequence[int], draw: Draw, rows: int, parts: Sequence[str]) -> Iterator[Promise]:
    """Measure the coverage on fresh rows."""
    covered, below, widths = Covered([], []), 0, []
    for seed in seeds:
        random = np.random.default_rng(seed)
        learn, fresh = draw(random, rows), draw(random, FRESH)
        problem = Regression(families=builds.CHEAP_REGRESSORS, candidates=5, keep=1, pictures=0.0, seed=seed)
        model = builds.run(problem, learn.dataset(problem)).fitted.model
        values, low, high = find_intervals(model, fresh)
        covered.inside.append((low <= fresh.y) & (fresh.y <= high))
        covered.parts.append(name_parts(fresh, values))
        below += int((low < 0).sum())
        widths.append(float((high - low).mean()) / (2 * 1.645))
    yield Promise(
        quantity=f"coverage at {LEVEL:g}",
        came_true=covered.mean(None, rows),
        least=LEVEL - OVERALL,
        most=LEVEL + OVERALL,
    )
    for part in parts:
        yield Promise(
            quantity=f"coverage at {LEVEL:g}, {part}",
            came_true=covered.mean(part, rows),
            least=LEVEL - PART,
            most=LEVEL + PART,
        )
    if draw is planted.tips:
        quantity = "share of lower ends below zero, which no tip is"
        yield Promise(quantity=quantity, came_true=Share(below, FRESH * len(seeds)), most=0.0)
    if draw is planted.even:
        quantity = "mean width, in widths of the true noise"
        yield Promise(quantity=quantity, came_true=Mean.of(widths), most=WIDEST)


def find_intervals(model: Model, sample: Sample) -> tuple[Floats, Floats, Floats]:
    """Compute the predicted value and both ends of the interval of each row."""
    values = np.array([answer.value for answer in model.predict(sample.rows)])  # type: ignore[union-attr]
    assert model.intervals is not None
    names = [column.name for column in sample.columns]
    ends = np.array(
        [
            model.intervals.interval(value, LEVEL, *_features(model, dict(zip(names, row, strict=True))))
            for value, row in zip(values.tolist(), sample.rows, strict=True)
        ]
    )
    return values, ends[:, 0], ends[:, 1]


def _features(model: Model, features: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return the features as an argument, if intervals depend on them."""
    assert model.intervals is not None
    return [features] if "features" in signature(model.intervals.interval).parameters else []


def name_parts(sample: Sample, values: Floats) -> NDArray[np.str_]:
    """Name the part that each row is in: its kind, or its third by the predicted value."""
    if sample.words:
        return np.asarray(sample.words["kind"])
    return np.array(THIRDS)[np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values)]
