"""Noise of the folds: how far a mean score, or the difference of two, may be from the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance
from typing import TYPE_CHECKING

from ..lazy_imports import LazyModule

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = LazyModule("scipy.stats")

#: Significance level of "better beyond the folds' noise".
SIGNIFICANT = 0.05
#: Scores closer than this are equal but for rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Advantage of the best of several rivals over a defender, and the noise that it must exceed."""

    advantage: float
    #: Largest advantage that chance alone gives the best of so many equal rivals, but for `SIGNIFICANT` of all cases.
    margin: float
    #: Candidates that the challenger was chosen from, itself included.
    rivals: int = 1

    @property
    def is_beyond_noise(self) -> bool:
        """Return whether chance alone hardly explains the advantage."""
        return self.advantage > self.margin + ROUNDING

    @classmethod
    def of(
        cls, challenger: Sequence[float], defender: Sequence[float], ratio: float, rivals: int = 1
    ) -> "Lead":
        """Measure the lead of the best of so many rivals by the scores on the same folds.

        Sidak, Rectangular Confidence Regions for the Means of Multivariate Normal Distributions, 1967, for the number
        of rivals.

        Args:
            ratio: Held-out rows per training row of a fold.
        """
        advantages = differences(challenger, defender)
        level = 1 - (1 - SIGNIFICANT) ** (1 / max(1, rivals))
        return cls(
            advantage=fmean(advantages), margin=margin(advantages, ratio, level), rivals=max(1, rivals)
        )


def is_beyond_noise(challenger: Sequence[float], defender: Sequence[float], ratio: float) -> bool:
    """Return whether the challenger's scores on the same folds are significantly better."""
    return p_value(challenger, defender, ratio) < SIGNIFICANT


def p_value(challenger: Sequence[float], defender: Sequence[float], ratio: float) -> float:
    """Compute the one-sided p-value of the challenger's mean advantage over the folds.

    The corrected resampled t-test (Nadeau and Bengio, Inference for the Generalization Error, 2003).

    Args:
        ratio: Held-out rows per training row of a fold.
    """
    advantages = differences(challenger, defender)
    mean, error = fmean(advantages), standard_error(advantages, ratio)
    if error < ROUNDING:
        return 0.0 if mean > ROUNDING else 1.0
    return float(stats.t.sf(mean / error, df=len(advantages) - 1))


def margin(values: Sequence[float], ratio: float, level: float = SIGNIFICANT) -> float:
    """Compute the noise of a mean: an advantage is beyond noise (`is_beyond_noise`) if it is larger than its margin.

    Args:
        values: A value of each fold: scores, or differences of two candidates' scores.
        ratio: Held-out rows per training row of a fold.
        level: Probability that chance alone exceeds the margin.
    """
    return float(stats.t.isf(level, df=len(values) - 1)) * standard_error(values, ratio)


def differences(challenger: Sequence[float], defender: Sequence[float]) -> list[float]:
    """Compute the challenger's advantage on each fold."""
    return [a - b for a, b in zip(challenger, defender, strict=True)]


def standard_error(scores: Sequence[float], ratio: float) -> float:
    """Compute the standard error of the mean score, corrected as in `p_value` for folds that share training rows."""
    return sqrt((1 / len(scores) + ratio) * variance(scores))
