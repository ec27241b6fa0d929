"""Facts that rules are evaluated with, their results, and what all rules share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from ..exceptions import InvalidRule

#: Format of moments in sentences.
MOMENT = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, kw_only=True)
class QualityFacts:
    """A metric of the version that serves, on its predictions whose truth came later."""

    #: None if the metric is not defined on these predictions.
    value: float | None
    #: Number of labelled predictions that count.
    n: int
    #: Number of those whose truth came after the newest build was requested.
    fresh: int


@dataclass(frozen=True, kw_only=True)
class FeatureDistance:
    """Distance of a feature's distribution in served predictions from the one that the version learned from."""

    feature: str
    #: Jensen–Shannon distance, 0 to 1.
    distance: float
    #: Corrected for the number of features; None if there are too few values for a test.
    p_value: float | None


@dataclass(frozen=True, kw_only=True)
class DriftFacts:
    """Distances of all features that have a reference, of the predictions of the version that serves."""

    #: Number of predictions.
    n: int
    #: Number of those that were stored after the newest build was requested.
    fresh: int
    features: tuple[FeatureDistance, ...]
    #: Reason why there is no reference, as a sentence; empty if there is one.
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class RuleInputs:
    """Facts that a rule is evaluated with."""

    now: datetime
    #: Whether the rule's last due moment has been handled.
    handled: bool = False
    #: Feedback items about labels since the newest snapshot, without those taken back.
    feedback: int = 0
    #: Start of the count of `feedback`, such as "build 7".
    since: str = ""
    #: The version that serves, such as "version 3"; empty without one.
    version: str = ""
    #: When the newest rows that a build has learned from were joined; None without a version that serves.
    learned_at: datetime | None = None
    #: When the newest build was requested, if it came to nothing; None otherwise.
    failed_at: datetime | None = None
    #: Facts of a QualityBelow; None without a version that serves.
    quality: QualityFacts | None = None
    #: Facts of a Drift; None without a version that serves.
    drift: DriftFacts | None = None


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """Result of a rule, and its reason as a sentence."""

    reason: str
    #: The due moment, which one build handles; None for rules without a schedule.
    due: datetime | None = None
    #: Whether to build now.
    is_due: bool = False
    #: Whether the rule's limit is crossed; None if the rule has none, and if too little is known.
    is_crossed: bool | None = None
    #: What the limit was compared with, for programs; empty unless `is_crossed` is true or false.
    details: Mapping[str, Any] = field(default_factory=dict)


class BaseRule:
    """Base of the rules: no labels needed, cheap to evaluate, no schedule."""

    #: Whether the rule needs labels, which a clustering does not have.
    needs_labels: ClassVar[bool] = False
    #: Whether its facts take long to compute, so that it is evaluated by one process now and then.
    is_costly: ClassVar[bool] = False

    pause: timedelta | None

    def due(self, now: datetime) -> datetime | None:
        """Compute the last due moment that is not later than `now`; None for rules without a schedule."""
        return None

    def next(self, now: datetime) -> datetime | None:
        """Compute the first due moment that is later than `now`; None for rules without a schedule."""
        return None

    def pause_until(self, newest: datetime | None) -> datetime | None:
        """Compute when the rule may request a build again.

        Args:
            newest: When the product's newest build was requested; None before the first one.
        """
        return None if self.pause is None or newest is None else newest + self.pause

    def describe(self) -> str:
        """Describe in a sentence when the rule requests a build."""
        pause = "" if self.pause is None else f", at least {describe_time(self.pause)} after the newest build"
        return f"{self._describe()}{pause}."

    def _describe(self) -> str:
        """Describe the rule without its pause, and without the point."""
        raise NotImplementedError

    def _check_pause(self) -> None:
        if self.pause is not None and (not isinstance(self.pause, timedelta) or self.pause < timedelta(0)):
            raise InvalidRule(
                f"{type(self).__name__}(pause={self.pause!r}): give a timedelta that is not negative."
            )

    def _write(self, *arguments: str) -> str:
        """Write the rule as it is declared."""
        pause = () if self.pause is None else (f"pause={describe_time(self.pause)}",)
        return f"{type(self).__name__}({', '.join([*arguments, *pause])})"


def describe_time(time: timedelta) -> str:
    """Describe a time in the largest unit that it is whole in: 2 days, 90 minutes."""
    seconds = time.total_seconds()
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit and seconds % unit == 0:
            return count_of(int(seconds // unit), name)
    return f"{seconds:g} s"


def count_of(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def is_number(value: object) -> bool:
    """Return whether a declared value is a number, which a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
