"""Confidence sequences: intervals of a mean that hold at all times at once, so that anybody may look at any time.

An interval for a fixed number of rows fails sooner or later for somebody who looks again and again. These are the
predictable plug-in empirical Bernstein confidence sequences of Waudby-Smith and Ramdas, Estimating means of bounded
random variables by betting, Journal of the Royal Statistical Society B 86 (2024), theorem 2: for values within bounds,
with their mean so far, the probability that any of the intervals of all times misses the mean is at most `alpha`.
"""

from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: The probability with which an interval misses at any time.
ALPHA = 0.05
#: The largest bet; the method allows any below 1.
MOST_BET = 0.5

Values = NDArray[np.float64]


class MeanInterval(NamedTuple):
    """The mean of values, and the interval that contains what it estimates."""

    mean: float
    low: float
    high: float


def of_mean(values: Values, low: float, high: float, alpha: float = ALPHA) -> MeanInterval:
    """Compute the interval of the mean at the end of a sequence of values.

    Args:
        values: `(n,)` in the order in which they became known, n > 0, all between `low` and `high`.
    """
    scaled = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    lower, upper = _bound(scaled, alpha)
    width = high - low
    return MeanInterval(float(np.mean(values)), low + width * lower, low + width * upper)


def of_difference(one: Values, other: Values, low: float, high: float, alpha: float = ALPHA) -> MeanInterval:
    """Compute the interval of the mean of `other` less that of `one`, of independent sequences.

    Half of `alpha` goes to each, so that it holds however the two grow beside each other.
    """
    first, second = (of_mean(values, low, high, alpha / 2) for values in (one, other))
    return MeanInterval(second.mean - first.mean, second.low - first.high, second.high - first.low)


def _bound(values: Values, alpha: float) -> tuple[float, float]:
    """Compute the ends for values between 0 and 1: the intersection of the intervals of all times so far."""
    times = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (times + 1)
    variances = (0.25 + np.cumsum((values - means) ** 2)) / (times + 1)
    # Each bet depends on what came before its value alone.
    means_before = np.concatenate([[0.5], means[:-1]])
    variances_before = np.concatenate([[0.25], variances[:-1]])
    level = log(2 / alpha)
    bets = np.minimum(np.sqrt(2 * level / (variances_before * times * np.log1p(times))), MOST_BET)
    prices = (-np.log1p(-bets) - bets) / 4
    total = np.cumsum(bets)
    centres = np.cumsum(bets * values) / total
    margins = (level + np.cumsum(4 * (values - means_before) ** 2 * prices)) / total
    lower, upper = float(np.max(centres - margins)), float(np.min(centres + margins))
    return max(0.0, min(lower, 1.0)), min(1.0, max(upper, 0.0))
