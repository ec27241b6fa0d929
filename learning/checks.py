"""Checks of a declared problem, beyond its own validation. Each check yields sentences."""

from collections.abc import Iterator, Sequence

from .estimators.families import BASELINE
from .exceptions import InvalidProblem
from .problem import Classification, Problem


def check_problem(problem: Problem, label_choices: tuple[str, ...] | None) -> Iterator[str]:
    """Yield a sentence about each mistake that a build would fail by or suffer from.

    Args:
        label_choices: The label's declared values as text; None if they are not declared.
    """
    yield from _check_folds(problem)
    yield from _check_families(problem)
    if isinstance(problem, Classification) and label_choices is not None:
        yield from _check_metric(problem, label_choices)
        yield from _check_positive(problem, label_choices)
        yield from _check_floors(problem, label_choices)


def _check_folds(problem: Problem) -> Iterator[str]:
    if problem.folds is not None and problem.folds < 3:
        yield f"folds={problem.folds} are too few to distinguish a better recipe from noise; use 3 or more."


def _check_families(problem: Problem) -> Iterator[str]:
    if problem.families == (BASELINE,):
        yield "families=('baseline',) learns nothing from the features; name another family."


def _check_metric(problem: Classification, choices: Sequence[str]) -> Iterator[str]:
    try:
        problem.metric_for(len(choices))
    except InvalidProblem as error:
        yield error.message


def _check_positive(problem: Classification, choices: Sequence[str]) -> Iterator[str]:
    if problem.positive is None:
        return
    if str(problem.positive) not in choices:
        yield f"positive={problem.positive!r} is not a choice of the label. {_list_choices(choices)}"
    elif len(choices) > 2:
        yield f"positive={problem.positive!r} needs a label with two choices; this one has {len(choices)}."


def _check_floors(problem: Classification, choices: Sequence[str]) -> Iterator[str]:
    for label in problem.floors:
        if label not in choices:
            yield f"floors names {label!r}, which is not a choice of the label. {_list_choices(choices)}"


def _list_choices(choices: Sequence[str]) -> str:
    return f"Its choices are {', '.join(choices)}."
