"""Promises, and whether they were kept: an estimate with its interval beside the range that was promised.

A promise is broken if the interval of what came true lies outside of the promised range. The level of the intervals is
Bonferroni's: all promises of an honest product together fail by chance in at most FAMILY of the runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np
from scipy import stats

#: Probability that any promise of an honest product seems broken.
FAMILY = 0.01


@dataclass(frozen=True)
class Share:
    """Share of the cases in which something happened."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        return self.hits / self.n

    def interval(self, error: float) -> tuple[float, float]:
        """Compute the exact interval whose ends are each passed with this probability (Clopper and Pearson, 1934)."""
        low = stats.beta.ppf(error, self.hits, self.n - self.hits + 1) if self.hits else 0.0
        high = stats.beta.isf(error, self.hits + 1, self.n - self.hits) if self.hits < self.n else 1.0
        return float(low), float(high)


@dataclass(frozen=True)
class Mean:
    """Mean of independent repeats, or another estimate with a known standard error."""

    value: float
    error: float
    n: int
    #: Degrees of freedom of the error; infinite if it is known.
    freedom: float = inf

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        """Estimate a mean from at least two values."""
        n = len(values)
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)) / sqrt(n), n, n - 1)

    @classmethod
    def of_coverage(cls, inside: int, fresh: int, learned: int, builds: int) -> "Mean":
        """Estimate the mean coverage of the intervals of several builds.

        The coverage of one build is itself random, because its intervals come from a sample: its variance is about that
        of a share of as many rows (Vovk, Conditional validity of inductive conformal predictors, 2012).

        Args:
            inside: Fresh rows of all builds whose truth was inside.
            fresh: Fresh rows of all builds.
            learned: Rows of this kind that the intervals of one build were fitted to.
        """
        share = inside / fresh
        spread = max(share * (1 - share), 0.5 / fresh)
        return cls(share, sqrt(spread * (1 / fresh + 1 / (learned * builds))), fresh)

    def interval(self, error: float) -> tuple[float, float]:
        """Compute the interval whose ends are each passed with this probability."""
        quantile = stats.t.isf(error, self.freedom) if isfinite(self.freedom) else stats.norm.isf(error)
        return self.value - float(quantile) * self.error, self.value + float(quantile) * self.error


@dataclass(frozen=True, kw_only=True)
class Promise:
    """Promised range of a quantity, and its value that came true."""

    #: What the number is.
    quantity: str
    came_true: Share | Mean
    #: Range that was promised.
    least: float = -inf
    most: float = inf

    def is_kept(self, error: float) -> bool:
        """Return whether what came true may be within the promised range."""
        low, high = self.came_true.interval(error)
        return low <= self.most and high >= self.least

    def verdict(self, error: float) -> str:
        """Return "yes", "no", or "open" if it did not come true here, but may by chance have missed."""
        if self.least <= self.came_true.value <= self.most:
            return "yes"
        return "open" if self.is_kept(error) else "no"

    @property
    def promised(self) -> str:
        """The promised range as text."""
        if self.least == -inf:
            return f"≤ {self.most:g}"
        return f"≥ {self.least:g}" if self.most == inf else f"{self.least:g} … {self.most:g}"


def level(count: int) -> float:
    """Compute the error probability of each end of an interval, for this many promises."""
    return FAMILY / max(1, count)
