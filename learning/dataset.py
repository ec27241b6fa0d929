"""A snapshot in memory: the frame that models see, and the labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from .columns import LARGEST, Column, Kind, frame
from .exceptions import NoRows, OneClass, TooFewInstances
from .problem import Classification, Problem

__all__ = ["Column", "Dataset", "Kind", "dataset", "frame"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Examples to learn from; rows in the snapshot's order."""

    columns: tuple[Column, ...]
    #: `(n, len(columns))`, as `frame` makes it.
    X: DataFrame
    #: `(n,)`: codes into `classes` (classification), numbers (regression), None (clustering).
    y: NDArray[Any] | None
    #: The labels present in the data, in declared order; of two, the positive one is the last.
    classes: tuple[str, ...]
    #: The hash of the snapshot's content.
    fingerprint: str
    #: `(n,)`: when each instance happened; None where the product has no event time.
    times: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.X)


def dataset(
    problem: Problem,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    labels: Sequence[Any] | None,
    choices: Sequence[str] = (),
    fingerprint: str = "",
    times: Sequence[Any] | None = None,
) -> Dataset:
    """The labelled rows as a dataset; `choices` are the declared label values as text.

    A regression's label that is no number, or too large to compute with, is as good as none.

    Raises NoRows, OneClass, and TooFewInstances where the problem's folds could not each hold an example of
    each class (classification), two examples (regression) or four (clustering).
    """
    kept = _labelled(problem, len(rows), labels)
    if not kept:
        raise NoRows("No row has a label yet: there is nothing to learn from." if rows else None)
    y, classes = _target(
        problem, [labels[i] for i in kept] if labels is not None else [None] * len(kept), choices
    )
    return Dataset(
        columns=tuple(columns),
        X=frame(columns, [rows[i] for i in kept]),
        y=y,
        classes=classes,
        fingerprint=fingerprint,
        times=None if times is None else np.array([times[i] for i in kept], dtype=object),
    )


def _labelled(problem: Problem, n: int, labels: Sequence[Any] | None) -> list[int]:
    """The rows to learn from: all of them for clustering, else those with a label that says something."""
    if problem.task == "CLUSTERING":
        return list(range(n))
    known = [label is not None for label in labels or ()]
    if problem.task == "REGRESSION":
        known = [told and abs(label) <= LARGEST for told, label in zip(known, labels or (), strict=True)]
    return [i for i, told in enumerate(known) if told]


def _target(
    problem: Problem, labels: Sequence[Any], choices: Sequence[str]
) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    if isinstance(problem, Classification):
        return _codes(problem, [str(label) for label in labels], choices)
    per_fold = 2 if problem.task == "REGRESSION" else 4
    if len(labels) < per_fold * problem.folds:
        needed = per_fold * problem.folds
        raise TooFewInstances(f"{problem.folds} folds need {needed} instances; there are {len(labels)}.")
    if problem.task == "REGRESSION" and len(set(labels)) == 1:
        raise OneClass(
            f"All {len(labels)} labelled instances are {labels[0]}; two different numbers are needed."
        )
    return (None if problem.task == "CLUSTERING" else np.array([float(y) for y in labels])), ()


def _codes(
    problem: Classification, labels: Sequence[str], choices: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    counts = Counter(labels)
    classes = _order(problem, counts, choices)
    if len(classes) < 2:
        raise OneClass(
            f"All {len(labels)} labelled instances are {classes[0]!r}; two different labels are needed."
        )
    smallest = min(classes, key=lambda label: counts[label])
    if counts[smallest] < problem.folds:
        raise TooFewInstances(
            f"{problem.folds} folds need {problem.folds} instances of each class; "
            f"{smallest!r} has {counts[smallest]}."
        )
    codes = {label: code for code, label in enumerate(classes)}
    return np.array([codes[label] for label in labels], dtype=np.int64), classes


def _order(problem: Classification, counts: Counter[str], choices: Sequence[str]) -> tuple[str, ...]:
    """The labels found, in declared order, undeclared ones behind; the positive one of two last."""
    known = [choice for choice in choices if choice in counts]
    classes = known + sorted(counts.keys() - set(known))
    positive = str(problem.positive)
    if len(classes) == 2 and problem.positive is not None and positive in classes:
        classes.sort(key=lambda label: label == positive)
    return tuple(classes)
