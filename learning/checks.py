"""What is wrong with a declared problem beyond what it refuses by itself; plain functions yield sentences."""

from collections.abc import Iterator, Sequence

from .exceptions import InvalidProblem
from .problem import Classification, Problem


def problems(problem: Problem, label_choices: tuple[str, ...] | None) -> Iterator[str]:
    """Each thing that would go wrong in a build; `label_choices` are the label's values as text, None if
    not declared.
    """
    yield from _folds(problem)
    yield from _unused(problem)
    if isinstance(problem, Classification) and label_choices is not None:
        yield from _metric(problem, label_choices)
        yield from _positive(problem, label_choices)
        yield from _floors(problem, label_choices)


def _folds(problem: Problem) -> Iterator[str]:
    if problem.folds is not None and problem.folds < 3:
        yield f"folds={problem.folds} are too few to tell a better recipe from noise; use 3 or more."


def _unused(problem: Problem) -> Iterator[str]:
    if problem.families == ("baseline",):
        yield "families=('baseline',) learns nothing from the features; name another family."


def _metric(problem: Classification, choices: Sequence[str]) -> Iterator[str]:
    try:
        problem.metric_for(len(choices))
    except InvalidProblem as error:
        yield error.message


def _positive(problem: Classification, choices: Sequence[str]) -> Iterator[str]:
    if problem.positive is None:
        return
    if str(problem.positive) not in choices:
        yield f"positive={problem.positive!r} is not a choice of the label. {_known(choices)}"
    elif len(choices) > 2:
        yield f"positive={problem.positive!r} means something for two choices; the label has {len(choices)}."


def _floors(problem: Classification, choices: Sequence[str]) -> Iterator[str]:
    for label in problem.floors:
        if label not in choices:
            yield f"floors names {label!r}, which is not a choice of the label. {_known(choices)}"


def _known(choices: Sequence[str]) -> str:
    return f"Its choices are {', '.join(choices)}."
