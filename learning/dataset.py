"""Dataset: a snapshot in memory, as features and labels."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .columns import Column, Kind, Row, frame
from .encoding import MISSING
from .encoding import times as encode_times
from .exceptions import NoRows, OneClass, TooFewInstances
from .lazy_imports import LazyModule
from .problem import Classification, Problem

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse
    from scipy.sparse import csgraph
else:
    pd = LazyModule("pandas")
    sparse = LazyModule("scipy.sparse")
    csgraph = LazyModule("scipy.sparse.csgraph")

__all__ = ["Column", "Dataset", "Kind", "dataset", "frame"]

#: `(n,)`: codes of classes, or numbers; which of both depends on the problem.
Labels = NDArray[Any]

NO_LABEL = "No row has a label yet: there is nothing to learn from."


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Labelled examples, in the snapshot's row order."""

    columns: tuple[Column, ...]
    #: `(n, len(columns))`, encoded by `columns.frame`.
    X: "pd.DataFrame"
    #: `(n,)`: codes into `classes` (classification), numbers (regression), None (clustering).
    y: Labels | None
    #: Labels that occur in the data, in declared order; the positive one of two is the last.
    classes: tuple[str, ...]
    #: Hash of the snapshot's content.
    fingerprint: str
    #: `(n,)`: time of each instance, in days since 1970-01-01 (UTC); None if the product has no event time.
    times: NDArray[np.float64] | None = None
    #: `(n,)`: number of each row's group, from 0 in order of appearance; a row without a group has its own. None if the
    #: product has no groups.
    groups: NDArray[np.int64] | None = None
    #: `(n,)`: position of each example among the rows that it was selected from.
    positions: NDArray[np.intp] | None = None
    #: `(n,)`: index of the first row with equal features, if folds must keep equal rows together; else None. Never the
    #: index of a later row.
    repeated: NDArray[np.intp] | None = None
    #: The smallest and the largest number that a label may be, as declared; None: no limit.
    limits: tuple[float | None, float | None] = (None, None)

    def __len__(self) -> int:
        return len(self.X)

    @classmethod
    def of(
        cls,
        problem: Problem,
        columns: Sequence[Column],
        X: "pd.DataFrame",
        labels: Labels | None,
        choices: Sequence[str] = (),
        fingerprint: str = "",
        times: NDArray[np.float64] | None = None,
        groups: NDArray[np.int64] | None = None,
        limits: tuple[float | None, float | None] = (None, None),
    ) -> Self:
        """Select the labelled rows of a frame, and decide which texts are learned as open categories.

        Args:
            X: Encoded by `columns.frame`.
            labels: `(n,)`: codes into `choices`, `MISSING` for none (classification); numbers, NaN for none
                (regression); None (clustering). A number that is too large counts as none.
            groups: `(n,)`: any numbers; negative for none.
            limits: The smallest and the largest number that a label may be; None: no limit.

        Raises:
            NoRows: No row has a label.
            OneClass: All labels are equal.
            TooFewInstances: A fold could not have two examples (regression) or four (clustering).
        """
        labelled = _find_labelled(problem, len(X), labels)
        positions = np.flatnonzero(labelled)
        if not len(positions):
            raise NoRows(NO_LABEL if len(X) else None)
        if not labelled.all():
            X = X.loc[labelled].reset_index(drop=True)
            labels = None if labels is None else labels[labelled]
            times = None if times is None else times[labelled]
            groups = None if groups is None else groups[labelled]
        y, classes = _target(problem, len(X), labels, choices)
        columns, X = _decide_kinds(columns, X)
        return cls(
            columns=columns,
            X=X,
            y=y,
            classes=classes,
            fingerprint=fingerprint,
            times=times,
            groups=None if groups is None else _number_groups(groups),
            positions=positions,
            limits=limits,
        )

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Select rows, ascending. Whether one repeats another is not kept."""
        return replace(
            self,
            X=self.X.iloc[rows].reset_index(drop=True),
            y=None if self.y is None else self.y[rows],
            times=None if self.times is None else self.times[rows],
            groups=None if self.groups is None else _number_groups(self.groups[rows]),
            positions=None if self.positions is None else self.positions[rows],
            repeated=None,
        )

    def take_with_repeats(self, rows: NDArray[np.intp]) -> Self:
        """Select rows, ascending, and keep whether one repeats another of them."""
        if self.repeated is None:
            return self.take(rows)
        _, first, inverse = np.unique(self.repeated[rows], return_index=True, return_inverse=True)
        return replace(self.take(rows), repeated=first[inverse])

    def with_groups(self, groups: NDArray[np.int64]) -> Self:
        """Replace the groups by others: any numbers, negative for none."""
        return replace(self, groups=_number_groups(groups))

    def rows_together(self) -> NDArray[np.int64] | None:
        """Number the sets of rows that are not independent, `(n,)`; None if each row is.

        Those are groups and equal rows; groups that have equal rows become one.
        """
        if self.repeated is None or self.groups is None:
            return self.repeated if self.groups is None else self.groups
        links = np.ones(len(self)), (self.groups, self.groups[self.repeated])
        size = int(self.groups.max()) + 1
        components = csgraph.connected_components(
            sparse.coo_array(links, shape=(size, size)), directed=False
        )[1]
        return np.asarray(components, dtype=np.int64)[self.groups]

    def distinct_rows(self) -> NDArray[np.intp]:
        """List the rows that repeat no earlier one, ascending."""
        rows = np.arange(len(self))
        return rows if self.repeated is None else rows[self.repeated == rows]

    def without(self, left_out: Collection[str]) -> Self:
        """Leave out the examples of some classes."""
        assert self.y is not None
        classes = tuple(label for label in self.classes if label not in left_out)
        code = np.array([classes.index(c) if c in classes else MISSING for c in self.classes])
        rows = np.flatnonzero(code[self.y] != MISSING)
        return replace(self.take(rows), y=code[self.y[rows]], classes=classes)


def dataset(
    problem: Problem,
    columns: Sequence[Column],
    rows: Sequence[Row],
    labels: Sequence[object] | None,
    choices: Sequence[str] = (),
    fingerprint: str = "",
    times: Sequence[datetime] | None = None,
    groups: Sequence[Hashable] | None = None,
) -> Dataset:
    """Build a dataset from rows of Python values; raises as `Dataset.of` does.

    Args:
        choices: Declared labels as text; undeclared labels follow them.
        groups: None for a row without a group.
    """
    if labels is not None and problem.has_classes:
        present = {str(label) for label in labels if label is not None}
        choices = [*choices, *sorted(present - set(choices))]
    number: dict[Hashable, int] = {None: MISSING}
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


def _decide_kinds(columns: Sequence[Column], X: "pd.DataFrame") -> tuple[tuple[Column, ...], "pd.DataFrame"]:
    """Decide once for all folds as which kinds the columns are learned, and encode those that become others."""
    learned = tuple(replace(each, kind=each.kind.learned_from(X[each.name])) for each in columns)
    encoded = {
        new.name: new.kind.series(new.choices, X[new.name].to_numpy(dtype=object))
        for old, new in zip(columns, learned, strict=True)
        if new.kind != old.kind
    }
    return learned, X.assign(**encoded) if encoded else X


def _find_labelled(problem: Problem, n: int, labels: Labels | None) -> NDArray[np.bool_]:
    """Mark the rows with a valid label: `(n,)`; all rows of a clustering."""
    if not problem.learns_from_labels:
        return np.ones(n, dtype=np.bool_)
    return np.zeros(n, dtype=np.bool_) if labels is None else problem.find_labelled(labels)


def _number_groups(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the groups from 0 in order of appearance; each negative number is a group of its own."""
    alone = groups < 0
    if alone.any():
        _, groups = np.unique(groups, return_inverse=True)
        groups = np.where(alone, len(groups) + np.arange(len(groups)), groups)
    return np.asarray(pd.factorize(groups)[0], dtype=np.int64)


def _target(
    problem: Problem, n: int, labels: Labels | None, choices: Sequence[str]
) -> tuple[Labels | None, tuple[str, ...]]:
    """Validate the labels; returns `y` and the classes."""
    if isinstance(problem, Classification):
        assert labels is not None
        return _class_target(problem, labels, choices)
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


def _class_target(
    problem: Classification, labels: Labels, choices: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    counts = dict(zip(choices, np.bincount(labels, minlength=len(choices)).tolist(), strict=True))
    classes = _order_classes(problem, counts)
    if len(classes) < 2:
        raise OneClass(
            f"All {len(labels)} labelled instances are {classes[0]!r}; two different labels are needed."
        )
    code = np.array([classes.index(choice) if choice in classes else MISSING for choice in choices])
    return code[labels], classes


def _order_classes(problem: Classification, counts: Mapping[str, int]) -> tuple[str, ...]:
    """List the labels that occur, in declared order; the positive one of two is last."""
    classes = [choice for choice, n in counts.items() if n]
    positive = str(problem.positive)
    if len(classes) == 2 and problem.positive is not None and positive in classes:
        classes.sort(key=lambda label: label == positive)
    return tuple(classes)
