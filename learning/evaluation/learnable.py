"""Learnable part of a dataset: the classes, and the number of folds, that leave each class in each fold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .. import metrics
from ..dataset import Dataset
from ..exceptions import TooFewInstances
from ..problem import Problem
from ..sentences import NAMED, list_labels, list_names
from .folds import FULL_ROUNDS, FoldPlan

#: With fewer folds nothing is held out.
FEWEST_FOLDS = 2


@dataclass(frozen=True, eq=False)
class Learnable:
    """Examples that can be learned from, and their folds."""

    dataset: Dataset
    plan: FoldPlan
    #: The declared metric, or its counterpart for two classes where fewer are left than it needs.
    metric: str
    #: What was left out or reduced, and what to do about it, one sentence each.
    remarks: tuple[str, ...]


def select_learnable(problem: Problem, dataset: Dataset) -> Learnable:
    """Leave out classes that some fold would lack; reduce the folds only if fewer than two classes would remain.

    The result depends on the rows and the problem only.

    Raises:
        TooFewInstances: Even two folds would lack all classes but one, or there are fewer than two groups.
    """
    wanted = problem.folds_for(len(dataset))
    for folds in range(min(wanted, _count_groups(dataset)), FEWEST_FOLDS - 1, -1):
        selected = _leave_out_rare(problem, dataset, folds)
        if selected is not None:
            plan, metric = FoldPlan.of(problem, selected, folds), _choose_metric(problem, selected)
            remarks = [*_remarks(dataset, selected, folds, wanted), *_metric_remarks(problem, metric)]
            return Learnable(selected, plan, metric, tuple(remarks))
    raise TooFewInstances(_describe_lack(dataset, ordered=problem.ordered))


def _leave_out_rare(problem: Problem, dataset: Dataset, folds: int) -> Dataset | None:
    """Leave out classes until each fold has all that remain; None if fewer than two would."""
    while lacking := _find_lacking(problem, dataset, folds):
        if len(dataset.classes) - len(lacking) < 2:
            return None
        dataset = dataset.without(lacking)
        if _count_groups(dataset) < folds:
            return None
    return dataset


def _find_lacking(problem: Problem, dataset: Dataset, folds: int) -> set[str]:
    """Find the classes that some fold lacks, on either side."""
    if not dataset.classes:
        return set()
    lacking = {label for label, count in _count_rows(dataset).items() if count < folds}
    plan = FoldPlan.of(problem, dataset, folds)
    # Stratified folds without groups have each class that has a row for each fold.
    if lacking or (dataset.groups is None and not plan.ordered):
        return lacking
    assert dataset.y is not None
    parts = [rows for round in FULL_ROUNDS for fold in plan.partition(dataset, round) for rows in fold]
    everywhere = set.intersection(*(set(np.unique(dataset.y[rows]).tolist()) for rows in parts))
    return {label for code, label in enumerate(dataset.classes) if code not in everywhere}


def _count_groups(dataset: Dataset) -> int:
    return len(dataset) if dataset.groups is None else len(np.unique(dataset.groups))


def _count_rows(dataset: Dataset) -> dict[str, int]:
    """Count the rows of each class."""
    assert dataset.y is not None
    return dict(
        zip(
            dataset.classes,
            np.bincount(dataset.y, minlength=len(dataset.classes)).tolist(),
            strict=True,
        )
    )


def _remarks(dataset: Dataset, selected: Dataset, folds: int, wanted: int) -> Iterator[str]:
    """Yield a sentence about each class that was left out, or one about many, and about fewer folds."""
    counts = _count_rows(dataset) if dataset.classes else {}
    rare = [label for label in dataset.classes if label not in selected.classes]
    condition = f"each of {folds} folds must have some to learn from and some held out"
    if len(rare) > NAMED:
        rows = _rows(sum(counts[label] for label in rare))
        yield (
            f"Left out of learning: {list_labels(rare)}, which have {rows} together; {condition} of each label. "
            "Label more rows with them."
        )
    else:
        for label in rare:
            yield (
                f"Left out of learning: {label!r}, which has {_rows(counts[label])}; {condition}. Label more rows with "
                "it."
            )
    if folds < wanted:
        yield f"There were {folds} folds instead of {wanted}: more would have lacked a class or a group."


def _choose_metric(problem: Problem, selected: Dataset) -> str:
    """Return the declared metric, or that for two classes if the declared one needs more and two are left."""
    if len(selected.classes) == 2 and problem.metric in metrics.SEVERAL_CLASSES:
        return replace(problem, metric=None).metric_for(2)
    return problem.metric_for(len(selected.classes) or None)


def _metric_remarks(problem: Problem, metric: str) -> Iterator[str]:
    if problem.metric not in (None, metric):
        yield f"Scored by {metric}, as {problem.metric} needs three classes or more."


def _describe_lack(dataset: Dataset, *, ordered: bool) -> str:
    if _count_groups(dataset) < FEWEST_FOLDS:
        return "All rows belong to one group: folds need two groups or more."
    frequent = sorted(_count_rows(dataset).items(), key=lambda count: -count[1])
    counts = list_names([f"{label!r} has {n}" for label, n in frequent], "labels")
    return (
        f"{FEWEST_FOLDS} folds need rows of two classes on both sides, within the partition by time or groups if there "
        f"is one; {counts}. Label more rows{', or leave out ordered=True' if ordered else ''}."
    )


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
