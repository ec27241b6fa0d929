"""Measures of live quality: the one of a metric, and how it compares with what was promised."""

from collections.abc import Iterable
from typing import TypeAlias

from learning.metrics import greatest_score

from .api import JSONObject
from .templatetags.console import measured, number
from .wording import metric_title

Measure: TypeAlias = JSONObject | None


def find_measure(measures: Iterable[JSONObject] | None, metric: str, label: str | None = None) -> Measure:
    """Find the measure of a metric, over all classes or of one; None where there is none."""
    return next(
        (each for each in measures or () if each["metric"] == metric and each["label"] == label), None
    )


def has_value(measure: Measure) -> bool:
    """Return True if a measure has a value."""
    return bool(measure) and measure is not None and measure["value"] is not None


def bounded(measure: Measure) -> Measure:
    """Cut the interval of a measure at the greatest score that is possible."""
    if measure is None or measure["high"] is None:
        return measure
    return {**measure, "high": min(measure["high"], greatest_score(measure["metric"]))}


def is_below_promised(live: Measure, promised: Measure) -> bool:
    """Return True if a live value is worse than the promised one beyond chance: their intervals are apart."""
    return (
        live is not None
        and promised is not None
        and live["high"] is not None
        and promised["low"] is not None
        and live["high"] < promised["low"]
    )


def compare_with_promised(live: Measure, promised: Measure) -> str:
    """Compare a live value with the promised one, in sentences that say whether chance explains the difference."""
    if live is None:
        return ""
    title = metric_title(live["metric"])
    if live["value"] is None:
        return f"{title} cannot be computed yet: the labels that count are too few, or of too few classes."
    begin = f"{title} is {measured(bounded(live))}"
    if promised is None or promised["value"] is None:
        return f"{begin}; nothing was promised."
    rest = f"{number(promised['value'])} was promised"
    if live["low"] is None:
        return (
            f"{begin}; {rest}. There are too few labels for an interval: wait for more before you conclude."
        )
    if is_below_promised(live, promised):
        return f"{begin}; {rest}. It is worse than promised beyond chance."
    if promised["high"] is not None and live["low"] > promised["high"]:
        return f"{begin}; {rest}. It is better than promised beyond chance."
    return f"{begin}; {rest}. The intervals overlap, so chance may explain the difference."
