"""A snapshot in memory: the frame that models see, and the labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .columns import Column, Kind, frame
from .encoding import MISSING
from .encoding import times as encode_times
from .exceptions import NoRows, OneClass, TooFewInstances
from .lazy_imports import LazyModule
from .problem import Classification, Problem

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = LazyModule("pandas")

__all__ = ["Column", "Dataset", "Kind", "dataset", "frame"]

NO_LABEL = "No row has a label yet: there is nothing to learn from."


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Examples to learn from; rows in the snapshot's order."""

    columns: tuple[Column, ...]
    #: `(n, len(columns))`, as `frame` makes it.
    X: "pd.DataFrame"
    #: `(n,)`: codes into `classes` (classification), numbers (regression), None (clustering).
    y: NDArray[Any] | None
    #: The labels present in the data, in declared order; of two, the positive one is the last.
    classes: tuple[str, ...]
    #: The hash of the snapshot's content.
    fingerprint: str
    #: `(n,)`: when each instance happened, in days since 1970-01-01 (UTC) as float64; None where the product has no
    #: event time.
    times: NDArray[np.float64] | None = None
    #: `(n,)`: the number of the group that each row belongs to, from 0 in the order in which they appear; a row
    #: without a group is one by itself. None where the product has no groups.
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.X)

    @classmethod
    def of(
        cls,
        problem: Problem,
        columns: Sequence[Column],
        X: "pd.DataFrame",
        labels: NDArray[Any] | None,
        choices: Sequence[str] = (),
        fingerprint: str = "",
        times: NDArray[np.float64] | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """The labelled rows of a frame that is as `frame` makes it.

        `labels`, `(n,)`, are codes into `choices` with `MISSING` for none (classification), numbers with NaN for
        none (regression) or None (clustering); `groups`, `(n,)`, any numbers, negative for none. A regression's
        label that is too large to compute with is as good as none.

        Raises NoRows, OneClass, and TooFewInstances where the problem's folds could not each hold an example of
        each class (classification), two examples (regression) or four (clustering).
        """
        known = _known(problem, len(X), labels)
        if not known.any():
            raise NoRows(NO_LABEL if len(X) else None)
        if not known.all():
            X = X.loc[known].reset_index(drop=True)
            labels = None if labels is None else labels[known]
            times = None if times is None else times[known]
            groups = None if groups is None else groups[known]
        y, classes = _target(problem, len(X), labels, choices)
        return cls(
            columns=tuple(columns),
            X=X,
            y=y,
            classes=classes,
            fingerprint=fingerprint,
            times=times,
            groups=None if groups is None else _numbered(groups),
        )


def dataset(
    problem: Problem,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    labels: Sequence[Any] | None,
    choices: Sequence[str] = (),
    fingerprint: str = "",
    times: Sequence[datetime] | None = None,
    groups: Sequence[Any] | None = None,
) -> Dataset:
    """The labelled rows of Python values as a dataset; `choices` are the declared label values as text.

    Labels that were not declared follow the declared ones. Rows without a group (None) are one by themselves.
    Raises as `Dataset.of` does.
    """
    if labels is not None and problem.has_classes:
        found = {str(label) for label in labels if label is not None}
        choices = [*choices, *sorted(found - set(choices))]
    number: dict[Any, int] = {None: MISSING}
    return Dataset.of(
        problem,
        columns,
        frame(columns, rows),
        None if labels is None else problem.encode_labels(labels, choices),
        choices,
        fingerprint,
        None if times is None else encode_times(times),
        None
        if groups is None
        else np.array([number.setdefault(group, len(number)) for group in groups], dtype=np.int64),
    )


def _known(problem: Problem, n: int, labels: NDArray[Any] | None) -> NDArray[np.bool_]:
    """The rows to learn from: all of them for clustering, else those with a label that says something."""
    if not problem.learns_from_labels:
        return np.ones(n, dtype=np.bool_)
    return np.zeros(n, dtype=np.bool_) if labels is None else problem.find_labelled(labels)


def _numbered(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers from 0 in the order in which the groups appear; each negative one is a group by itself."""
    alone = groups < 0
    if alone.any():
        _, groups = np.unique(groups, return_inverse=True)
        groups = np.where(alone, len(groups) + np.arange(len(groups)), groups)
    return np.asarray(pd.factorize(groups)[0], dtype=np.int64)


def _target(
    problem: Problem, n: int, labels: NDArray[Any] | None, choices: Sequence[str]
) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    if isinstance(problem, Classification):
        assert labels is not None
        return _codes(problem, labels, choices)
    per_fold = 2 if problem.has_values else 4
    folds = problem.folds_for(n)
    if n < per_fold * folds:
        raise TooFewInstances(f"{folds} folds need {per_fold * folds} instances; there are {n}.")
    if not problem.learns_from_labels:
        return None, ()
    assert labels is not None
    if (labels == labels[0]).all():
        raise OneClass(f"All {n} labelled instances are {labels[0]:g}; two different numbers are needed.")
    return labels, ()


def _codes(
    problem: Classification, labels: NDArray[Any], choices: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    counts = dict(zip(choices, np.bincount(labels, minlength=len(choices)).tolist(), strict=True))
    classes = _order(problem, counts)
    if len(classes) < 2:
        raise OneClass(
            f"All {len(labels)} labelled instances are {classes[0]!r}; two different labels are needed."
        )
    smallest = min(classes, key=lambda label: counts[label])
    folds = problem.folds_for(len(labels))
    if counts[smallest] < folds:
        raise TooFewInstances(
            f"{folds} folds need {folds} instances of each class; {smallest!r} has {counts[smallest]}."
        )
    place = np.array([classes.index(choice) if choice in classes else MISSING for choice in choices])
    return place[labels], classes


def _order(problem: Classification, counts: Mapping[str, int]) -> tuple[str, ...]:
    """The labels found, in declared order; the positive one of two last."""
    classes = [choice for choice, n in counts.items() if n]
    positive = str(problem.positive)
    if len(classes) == 2 and problem.positive is not None and positive in classes:
        classes.sort(key=lambda label: label == positive)
    return tuple(classes)
