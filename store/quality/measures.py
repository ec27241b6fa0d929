"""Measures of counted predictions: every metric of the task, and of each class, with its interval."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from learning import metrics as scorers
from learning.lazy_imports import LazyModule

from ..exceptions import BadInput
from ..products.product import DataProduct
from .counted import CountedPredictions

if TYPE_CHECKING:
    from learning.evaluation import live_measures
    from learning.evaluation.live_measures import LiveMeasure, ServedClasses, ServedValues
else:
    live_measures = LazyModule("learning.evaluation.live_measures")


def measure(
    product: DataProduct, counted: CountedPredictions, metrics: Sequence[str] | None = None
) -> "list[LiveMeasure]":
    """Measure counted predictions by metrics of the task, then each class.

    Args:
        metrics: names of scorers; None: the problem's own metric and the usual further ones.

    Raises: BadInput where the task has no such metric.
    """
    names = list_metrics(product, counted.classes, metrics)
    return served(product, counted).measure(names)


def measure_one(
    product: DataProduct, counted: CountedPredictions, metric: str, label: str | None = None
) -> "LiveMeasure":
    """Measure by one metric: of all classes, or of one that `label` names.

    Raises: BadInput where the task or a class has no such metric, or the label is none of the product.
    """
    rows = served(product, counted)
    if label is None:
        [name] = list_metrics(product, counted.classes, [metric])
        return rows.measure_all(name)
    if label not in product.label_by_text:
        raise BadInput(f"{label!r} is no label of {product}.", argument=("label",))
    if metric not in live_measures.OF_CLASS:
        names = ", ".join(live_measures.OF_CLASS)
        raise BadInput(f"{metric!r} does not measure one class: {names} do.", argument=("metric",))
    if label not in counted.classes:
        return live_measures.LiveMeasure(metric, label, None, 0)
    return rows.measure_class(metric, counted.classes.index(label))  # type: ignore[union-attr]


def list_metrics(
    product: DataProduct, classes: Sequence[str], metrics: Sequence[str] | None = None
) -> list[str]:
    """List the metrics to measure by. Raises BadInput where the task has no such metric."""
    if metrics is None:
        return live_measures.usual_metrics(product.task, product.metric, len(classes))
    names = scorers.OF_TASK[product.task]
    for name in metrics:
        if name not in names:
            raise BadInput(
                f"{name[:100]!r} does not score a {product.task.lower()}. {scorers.suggest(name, names)}",
                argument=("metrics",),
            )
    return list(dict.fromkeys(metrics))


def served(product: DataProduct, counted: CountedPredictions) -> "ServedClasses | ServedValues":
    """Get truths and answers in the form that is measured."""
    if product.problem.has_classes:
        return live_measures.ServedClasses(
            counted.truth, counted.answer, counted.probabilities, counted.classes
        )
    return live_measures.ServedValues(counted.truth, counted.value)
