"""Classes and metric of a new model compared with the champion's: scores of another scale are not comparable."""

from collections.abc import Iterator, Sequence

from ..problem import Classification, Problem
from ..sentences import list_labels


def class_objections(
    problem: Problem, champion_classes: Sequence[str], classes: Sequence[str]
) -> Iterator[str]:
    """Yield why a model of these classes may not serve before a person has promoted it.

    Args:
        champion_classes: Classes that the champion can predict.
        classes: Those that were learned; empty unless the task is classification.
    """
    if not classes:
        return
    lost = [label for label in champion_classes if label not in classes]
    if lost:
        yield (
            f"The champion predicts {list_labels(lost)} and this model never would: too few rows have that label now. "
            "Label such rows and build again, or promote this version if the class is gone for good."
        )
    floors = problem.floors if isinstance(problem, Classification) else ()
    for label in floors:
        if label not in classes and label not in lost:
            yield (
                f"The floor of {label!r} cannot be checked, as too few rows have that label: label more of them, or "
                "promote the version."
            )


def are_comparable(champion_classes: Sequence[str], classes: Sequence[str]) -> bool:
    """Return whether the champion's recorded score is over the same classes; true if one of both is unknown."""
    return not champion_classes or not classes or set(champion_classes) == set(classes)


def describe_other_scale(
    champion_metric: str, champion_classes: Sequence[str], metric: str, classes: Sequence[str]
) -> str:
    """Say that the champion's recorded score was not compared, where it means something else; else nothing."""
    if not are_comparable(champion_classes, classes):
        before, now = f"over the classes {list_labels(champion_classes)}", f"over {list_labels(classes)}"
    elif champion_metric != metric:
        before, now = champion_metric, metric
    else:
        return ""
    return f" The champion's recorded score is {before}, this one {now}: they were not compared."
