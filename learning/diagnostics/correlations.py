"""Chart of the correlations between features."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pandas import DataFrame

from . import figures, yellowbrick_charts
from .evidence import Chart, Evidence, NothingToDraw
from .shapes import Matrix, finite_or_none

#: Upper bound of the features in the chart.
MOST = 30
#: Colour map, and number of its shades; each is an element of the colour bar.
COLOURS, SHADES = "RdBu_r", 21


def draw_rank2d(evidence: Evidence, figure: Figure) -> Chart:
    """Draw Spearman's rho of each pair of numeric features, over the rows in which neither is missing."""
    numbers = _numbers(evidence)
    chosen = _strongest(numbers)
    rho = numbers[chosen].corr(method="spearman").to_numpy()
    size = 2.4 + 0.2 * len(chosen)
    axes = figures.add_axes(figure, max(6.4, size + 1.6), size)
    # Yellowbrick's own ranking does not support missing values.
    visualizer = yellowbrick_charts.Rank2D(
        ax=axes, fig=figure, algorithm="spearman", colormap=colormaps[COLOURS].resampled(SHADES)
    )
    visualizer.features_, visualizer.ranks_ = figures.shorten(chosen), rho
    visualizer.draw()
    axes.tick_params(length=0, labelsize=8 if len(chosen) > 12 else 10)
    axes.grid(False)
    left_out = len(numbers.columns) - len(chosen)
    limit = (
        f" Of {len(numbers.columns)} numbers, the {MOST} with the strongest correlations are shown."
        if left_out
        else ""
    )
    data = Matrix(rows=tuple(chosen), columns=tuple(chosen), values=tuple(map(finite_or_none, rho)))
    return Chart(_describe_pairs(chosen, rho) + limit + evidence.sampling, data)


def _numbers(evidence: Evidence) -> DataFrame:
    """Select the numeric columns that are not constant. Raises NothingToDraw if there are fewer than two."""
    names = [column.name for column in evidence.context.dataset.columns if column.kind.is_numeric]
    numbers = evidence.X[names]
    varied = numbers.loc[:, numbers.nunique() > 1]
    if len(varied.columns) < 2:
        raise NothingToDraw("Fewer than two features are numbers that vary.")
    return varied


def _strongest(numbers: DataFrame) -> list[str]:
    """Select the columns with the strongest correlation to any other; keeps the frame's order."""
    rho = np.abs(numbers.rank().corr().to_numpy(copy=True))
    np.fill_diagonal(rho, 0.0)
    order = np.argsort(-np.nan_to_num(rho).max(axis=0), kind="stable")
    return [str(numbers.columns[index]) for index in np.sort(order[:MOST])]


def _describe_pairs(names: list[str], rho: NDArray[np.float64]) -> str:
    lower = np.tril(np.nan_to_num(rho), -1)
    pair = np.unravel_index(np.argmax(np.abs(lower)), lower.shape)
    strong = int((np.abs(lower) >= 0.9).sum())
    return (
        f"{names[pair[1]]} and {names[pair[0]]} have the strongest correlation, Spearman's rho {lower[pair]:.2f}; "
        f"{strong or 'no'} pair{'' if strong == 1 else 's'} reach{'es' if strong == 1 else ''} 0.9."
    )
