"""Ranking of rows by the score of one class, from which areas and what each row adds to them are counted.

The rows are sorted once for all of it. Values are those of scikit-learn to the last digit.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ClassRanking:
    """Rows by their score, the greatest first; those of one score are one step."""

    def __init__(self, scores: Floats, positive: NDArray[np.bool_], order: NDArray[np.intp] | None = None):
        """Sort the rows.

        Args:
            scores: `(n,)`, finite.
            positive: `(n,)`: whether a row is of the class.
            order: `(n,)`: rows in an order that may be that of the scores, such as another class's from behind.
        """
        self.positive = positive
        if order is None or not _is_descending(scores[order]):
            order = np.argsort(scores)[::-1]
        self.order = order
        ordered = scores[order]
        #: Places of the last row of each step.
        self.ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)

    @cached_property
    def above(self) -> Floats:
        """Rows of the class in each step and before it: `(steps,)`."""
        return self._ranked.cumsum(dtype=np.float64)[self.ends]

    @cached_property
    def others_above(self) -> Floats:
        """Other rows in each step and before it: `(steps,)`."""
        return self.ends + 1.0 - self.above

    def roc_auc(self) -> float:
        """Compute the area under the ROC curve, of rows of both kinds."""
        true, false = self.above, self.others_above
        if len(true) > 2:  # points on a line between others are left out, as scikit-learn does
            corners = np.ones(len(true), dtype=np.bool_)
            corners[1:-1] = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
            true, false = true[corners], false[corners]
        true, false = np.append(0.0, true), np.append(0.0, false)
        return float(np.trapezoid(true / true[-1], false / false[-1]))

    def average_precision(self) -> float:
        """Compute the average precision, where there are rows of the class."""
        precision = np.append(self._precision[::-1], 1.0)
        recall = np.append((self.above / self.above[-1])[::-1], 0.0)
        return float(max(0.0, -np.sum(np.diff(recall) * precision[:-1])))

    def area_shares(self) -> Floats:
        """Compute the share of rows of the other kind that a row is on the right side of: `(n,)`; ties count half."""
        of_class, of_others = self.above, self.others_above
        before, others_before = (np.append(0.0, each[:-1]) for each in (of_class, of_others))
        below = 2 * of_others[-1] - of_others - others_before
        others_below = 2 * of_class[-1] - of_class - before
        shares = np.where(
            self._ranked,
            self._spread(below / (2.0 * of_others[-1])),
            self._spread(others_below / (2.0 * of_class[-1])),
        )
        return self._unsort(shares)

    def precision_gains(self) -> Floats:
        """Compute what each row adds to the average precision: its own, and its part in that of lower ones."""
        ranked, above = self._ranked, self._spread(self.ends + 1)
        precision = self._spread(self._precision)
        starts = self._spread(np.append(0, self.ends[:-1] + 1))
        lower = [
            np.where(ranked, each, 0.0)[::-1].cumsum()[::-1][starts]
            for each in (1 / above, precision / above)
        ]
        gains = ranked * (precision - precision[ranked].mean() + lower[0]) - lower[1]
        return self._unsort(gains / self.positive.mean())

    @cached_property
    def _ranked(self) -> NDArray[np.bool_]:
        return self.positive[self.order]

    @property
    def _precision(self) -> Floats:
        return self.above / (self.ends + 1.0)

    def _spread(self, of_steps: NDArray[Any]) -> NDArray[Any]:
        """Give each row in order the value of its step."""
        return np.repeat(of_steps, self._sizes)

    @cached_property
    def _sizes(self) -> NDArray[np.intp]:
        return np.diff(self.ends, prepend=-1)

    def _unsort(self, ordered: Floats) -> Floats:
        values = np.empty(len(ordered))
        values[self.order] = ordered
        return values


def _is_descending(values: Floats) -> bool:
    return bool((values[1:] <= values[:-1]).all())
