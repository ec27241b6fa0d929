"""Averages of out-of-fold values: a row may have been held out more than once."""

import numpy as np
from numpy.typing import NDArray


def mean_by_row(values: NDArray[np.float32], rows: NDArray[np.intp], n: int) -> NDArray[np.float32]:
    """Average the values of each row.

    Args:
        values: shape (m,) or (m, k); one entry for each time that a row was held out.
        rows: shape (m,), the row's index in the dataset of `n` rows.

    Returns: shape (n,) or (n, k); NaN for rows without any value.
    """
    sums = np.zeros((n, *values.shape[1:]))
    np.add.at(sums, rows, values)
    counts = np.bincount(rows, minlength=n).reshape(-1, *[1] * (values.ndim - 1))
    with np.errstate(invalid="ignore"):
        return (sums / counts).astype(np.float32)
