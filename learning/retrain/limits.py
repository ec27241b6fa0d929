"""The rules with a limit: quality below a floor, and features that drift."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import isfinite
from typing import Any, ClassVar

from ..exceptions import InvalidRule
from ..metrics import OF_TASK, suggest
from .rule import (
    BaseRule,
    FeatureDistance,
    RuleInputs,
    RuleResult,
    count_of,
    is_number,
)

#: Days that a window may have, at most: ten years.
MOST_DAYS = 3_653
#: Metrics that are measured for a single class.
OF_A_CLASS = ("precision", "recall", "f1", "roc_auc", "average_precision")
#: All metrics that a floor may be of.
METRICS = frozenset().union(*OF_TASK.values(), OF_A_CLASS)
#: Features whose corrected p-value is below this differ beyond chance.
BEYOND_CHANCE = 0.05
#: Digits after the point, at least and at most.
LEAST_DIGITS, MOST_DIGITS = 2, 12


@dataclass(frozen=True)
class QualityBelow(BaseRule):
    """Retrain once a metric of the serving version falls below a floor, on predictions whose truth came later.

    The measured value counts, not its interval: `least` says how many predictions make it trustworthy. These are those
    that the metric is of: for a recall of a class, those whose truth is the class. After a build it takes as many new
    truths to start another one.
    """

    needs_labels: ClassVar[bool] = True
    is_costly: ClassVar[bool] = True

    #: A metric of the task: the name of a scorer of scikit-learn's, greater is better.
    metric: str
    #: The floor.
    value: float
    #: Number of labelled predictions that are needed, at least 1.
    least: int = field(kw_only=True)
    #: The class that a recall, precision, f1, roc_auc or average_precision is of; None: the metric over all classes.
    label: str | None = field(default=None, kw_only=True)
    #: Days of predictions that count.
    days: float = field(default=30, kw_only=True)
    #: Least time between the newest build and one that the rule starts; None: none.
    pause: timedelta | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise InvalidRule(
                f"QualityBelow({self.metric!r}): there is no such metric. {suggest(str(self.metric), METRICS)}"
            )
        if not is_number(self.value) or not isfinite(self.value):
            raise InvalidRule(f"QualityBelow(value={self.value!r}): give a finite number.")
        if self.label is not None and self.metric not in OF_A_CLASS:
            raise InvalidRule(
                f"QualityBelow({self.metric!r}, label={self.label!r}): a class has {', '.join(OF_A_CLASS)}."
            )
        _check_window(self)

    def __str__(self) -> str:
        label = () if self.label is None else (f"label={self.label!r}",)
        days = () if self.days == 30 else (f"days={self.days:g}",)
        return self._write(repr(self.metric), f"{self.value:g}", f"least={self.least}", *label, *days)

    @property
    def subject(self) -> str:
        """The metric in words, with its class."""
        return self.metric if self.label is None else f"{self.metric} of {self.label}"

    def _describe(self) -> str:
        predictions = f"at least {count_of(self.least, 'labelled prediction')} of the last {self.days:g} days"
        return f"Once {self.subject} is below {self.value:g} on {predictions}"

    def evaluate(self, inputs: RuleInputs) -> RuleResult:
        """Evaluate the rule: due while the value is below the floor and there are enough new truths."""
        facts = inputs.quality
        if facts is None:
            return RuleResult(reason="Not yet: no version serves.")
        counted = f"{count_of(facts.n, 'labelled prediction')} of {inputs.version}"
        if facts.n < self.least:
            return RuleResult(
                reason=f"Not yet: {counted} count in the last {self.days:g} days; {self.least:,} are needed."
            )
        if facts.value is None:
            return RuleResult(reason=f"Not yet: {self.subject} is not defined on {counted}.")
        value, floor = write_apart(facts.value, self.value)
        sentence = f"{self.subject} is {value} on {counted}, {floor} is the floor"
        details = {
            "metric": self.metric,
            "label": self.label,
            "value": facts.value,
            "n": facts.n,
            "floor": self.value,
        }
        new = f"{count_of(facts.fresh, 'truth')} came since {inputs.since}"
        is_below = facts.value < self.value
        return _conclude(sentence, is_below, details, new if facts.fresh < self.least else "", self.least)


@dataclass(frozen=True)
class Drift(BaseRule):
    """Retrain once the served values of a feature differ from those that the serving version learned from.

    A feature counts whose Jensen–Shannon distance reaches the threshold and whose distribution differs beyond chance
    (p < 0.05, corrected for the number of features). After a build it takes `least` new predictions to start another.
    """

    is_costly: ClassVar[bool] = True

    #: Jensen–Shannon distance: 0 is the same distribution, 1 is one without anything in common.
    threshold: float
    #: Number of predictions that are needed, at least 1.
    least: int = field(default=500, kw_only=True)
    #: Days of predictions that count.
    days: float = field(default=7, kw_only=True)
    #: Least time between the newest build and one that the rule starts; None: none.
    pause: timedelta | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not is_number(self.threshold) or not 0 < self.threshold <= 1:
            raise InvalidRule(f"Drift({self.threshold!r}): give a distance of more than 0, 1 at most.")
        _check_window(self)

    def __str__(self) -> str:
        least = () if self.least == 500 else (f"least={self.least}",)
        days = () if self.days == 7 else (f"days={self.days:g}",)
        return self._write(f"{self.threshold:g}", *least, *days)

    def _describe(self) -> str:
        predictions = f"at least {count_of(self.least, 'prediction')} of the last {self.days:g} days"
        return f"Once a feature drifts by a distance of {self.threshold:g} or more on {predictions}"

    def evaluate(self, inputs: RuleInputs) -> RuleResult:
        """Evaluate the rule: due while a feature drifts and there are enough new predictions."""
        facts = inputs.drift
        if facts is None:
            return RuleResult(reason="Not yet: no version serves.")
        if facts.problem:
            return RuleResult(reason=f"Not yet: {facts.problem}")
        counted = f"{count_of(facts.n, 'prediction')} of {inputs.version}"
        if facts.n < self.least:
            return RuleResult(
                reason=f"Not yet: {counted} were stored in the last {self.days:g} days; {self.least:,} are needed."
            )
        beyond = [each for each in facts.features if _is_beyond_chance(each)]
        if not beyond:
            return RuleResult(
                reason=f"Not yet: no feature differs beyond chance in {counted}.", is_crossed=False
            )
        worst = max(beyond, key=lambda each: each.distance)
        value, threshold = write_apart(worst.distance, self.threshold)
        sentence = f"{worst.feature} has a distance of {value} in {counted}, {threshold} is the threshold"
        details = {
            "feature": worst.feature,
            "distance": worst.distance,
            "n": facts.n,
            "threshold": self.threshold,
        }
        new = f"{count_of(facts.fresh, 'prediction')} came since {inputs.since}"
        is_reached = worst.distance >= self.threshold
        return _conclude(sentence, is_reached, details, new if facts.fresh < self.least else "", self.least)


def _conclude(
    sentence: str, is_crossed: bool, details: Mapping[str, Any], new: str, least: int
) -> RuleResult:
    """Build the result of a rule whose limit was compared.

    Args:
        new: How little came since the newest build, so that another one would learn from the same facts; else empty.
    """
    if is_crossed and not new:
        return RuleResult(reason=f"{sentence}.", is_due=True, is_crossed=True, details=details)
    rest = f"; {new}, {least:,} are needed" if is_crossed else ""
    return RuleResult(reason=f"Not yet: {sentence}{rest}.", is_crossed=is_crossed, details=details)


def write_apart(value: float, limit: float) -> tuple[str, str]:
    """Write two numbers with equally many digits: so many that numbers which differ look different."""
    for digits in range(LEAST_DIGITS, MOST_DIGITS):
        written = f"{value:.{digits}f}", f"{limit:.{digits}f}"
        if value == limit or written[0] != written[1]:
            return written
    return repr(value), repr(limit)


def _is_beyond_chance(feature: FeatureDistance) -> bool:
    return feature.p_value is not None and feature.p_value < BEYOND_CHANCE


def _check_window(rule: QualityBelow | Drift) -> None:
    name = type(rule).__name__
    if not isinstance(rule.least, int) or isinstance(rule.least, bool) or rule.least < 1:
        raise InvalidRule(f"{name}(least={rule.least!r}): give 1 prediction or more.")
    if not is_number(rule.days) or not isfinite(rule.days) or not 0 < rule.days <= MOST_DAYS:
        raise InvalidRule(f"{name}(days={rule.days!r}): give more than 0 days, {MOST_DAYS:,} at most.")
    rule._check_pause()
