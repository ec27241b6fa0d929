"""Promotion on evidence: whether real instances show that a new version is not worse than the champion."""

from dataclasses import dataclass
from enum import StrEnum

from .exceptions import InvalidRule


class Outcome(StrEnum):
    """A decision about a new version."""

    PROMOTE = "PROMOTE"
    WORSE = "WORSE"
    WAIT = "WAIT"


@dataclass(frozen=True, kw_only=True)
class ComparedScores:
    """The result of a comparison of a new version with the champion, by the product's metric."""

    #: Labels that neither version can have learned from.
    counted: int
    metric: str
    #: The new version's value less the champion's, and the 95 % interval around it; None where they are not known.
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    """A decision, and its reason as a sentence."""

    outcome: Outcome
    reason: str
    #: How many more labels are needed before it is worth comparing again; 0 unless the outcome is WAIT.
    lacking: int = 0


@dataclass(frozen=True, kw_only=True)
class OnEvidence:
    """Promote the winner of a build only once real instances show that it is not worse than the champion.

    It is worse beyond noise where the whole 95 % interval around the paired difference lies below 0.
    """

    #: Number of labels, at least 1, that came after both versions had learned.
    least: int

    def __post_init__(self) -> None:
        if isinstance(self.least, bool) or not isinstance(self.least, int) or self.least < 1:
            raise InvalidRule(f"OnEvidence(least={self.least!r}) is no evidence: use 1 or more.")

    def __str__(self) -> str:
        return f"OnEvidence(least={self.least})"

    def describe(self) -> str:
        """Describe in a sentence when the winner of a build serves."""
        labels = "1 label" if self.least == 1 else f"{self.least:,} labels"
        return (
            f"The winner of a build serves once {labels} that neither version has learned from show that it is not "
            "worse than the champion beyond noise."
        )

    def judge(self, evidence: ComparedScores) -> Verdict:
        """Judge a new version."""
        counted, metric = evidence.counted, evidence.metric
        if counted < self.least:
            lacking = self.least - counted
            return Verdict(
                Outcome.WAIT,
                f"{_count(counted)} that neither version has learned from; {self.least:,} are needed, so "
                f"{lacking:,} {'is' if lacking == 1 else 'are'} lacking.",
                lacking,
            )
        if evidence.difference is None or evidence.low is None or evidence.high is None:
            return Verdict(
                Outcome.WAIT,
                f"{_count(counted)}, but too few of some class to know the error of {metric}.",
                max(1, counted // 10),
            )
        interval = f"{evidence.difference:+.4f} ({evidence.low:+.4f} to {evidence.high:+.4f})"
        by = f"By {counted:,} labels that neither version has learned from, {metric} differs by {interval}"
        if evidence.high < 0:
            return Verdict(Outcome.WORSE, f"{by}: worse beyond noise.")
        return Verdict(Outcome.PROMOTE, f"{by}: not worse beyond noise.")


def _count(labels: int) -> str:
    return "There is 1 label" if labels == 1 else f"There are {labels:,} labels"
