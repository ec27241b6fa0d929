"""A model whose pipeline was made a plan by hand: what a compiled one costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.model import Answer, Model


@dataclass(frozen=True, kw_only=True)
class Plan(Model):
    """A logistic regression over numbers."""

    #: `(columns,)`, in the features' own units.
    weights: NDArray[np.float64]
    bias: float = 0.0

    def predict(self, rows: Sequence[Sequence[Any]]) -> list[Answer]:
        positive = 1 / (1 + np.exp(-(np.array(rows, dtype=np.float64) @ self.weights + self.bias)))
        return self._classes(np.column_stack([1 - positive, positive]))
