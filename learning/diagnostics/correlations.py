"""The chart of which features rise and fall together."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pandas import DataFrame

from . import figures, yellowbrick_charts
from .evidence import Drawn, Evidence, NothingToDraw
from .shapes import Matrix, known

#: Features that a picture has room for.
MOST = 30
#: From one end to the other; a shade more is a shape more in the colours' bar.
COLOURS, SHADES = "RdBu_r", 21


def rank2d(evidence: Evidence, figure: Figure) -> Drawn:
    """Spearman's rho of each pair of numbers, over the rows in which neither is missing."""
    numbers = _numbers(evidence)
    chosen = _strongest(numbers)
    rho = numbers[chosen].corr(method="spearman").to_numpy()
    size = 2.4 + 0.2 * len(chosen)
    axes = figures.axes(figure, max(6.4, size + 1.6), size)
    # Yellowbrick's own ranking would take one missing value for the end of the column.
    visualizer = yellowbrick_charts.Rank2D(
        ax=axes, fig=figure, algorithm="spearman", colormap=colormaps[COLOURS].resampled(SHADES)
    )
    visualizer.features_, visualizer.ranks_ = figures.short(chosen), rho
    visualizer.draw()
    axes.tick_params(length=0, labelsize=8 if len(chosen) > 12 else 10)
    axes.grid(False)
    left_out = len(numbers.columns) - len(chosen)
    few = (
        f" Of {len(numbers.columns)} numbers, the {MOST} that hang together most are shown."
        if left_out
        else ""
    )
    data = Matrix(rows=tuple(chosen), columns=tuple(chosen), values=tuple(map(known, rho)))
    return Drawn(_of_pairs(chosen, rho) + few + evidence.sampled, data)


def _numbers(evidence: Evidence) -> DataFrame:
    """The columns that are numbers, and are not all alike."""
    names = [column.name for column in evidence.context.dataset.columns if column.kind.is_numeric]
    numbers = evidence.X[names]
    varied = numbers.loc[:, numbers.nunique() > 1]
    if len(varied.columns) < 2:
        raise NothingToDraw("Fewer than two features are numbers that vary.")
    return varied


def _strongest(numbers: DataFrame) -> list[str]:
    """The columns with the strongest relation to any other, in the frame's order."""
    rho = np.abs(numbers.rank().corr().to_numpy(copy=True))
    np.fill_diagonal(rho, 0.0)
    order = np.argsort(-np.nan_to_num(rho).max(axis=0), kind="stable")
    return [str(numbers.columns[place]) for place in np.sort(order[:MOST])]


def _of_pairs(names: list[str], rho: NDArray[np.float64]) -> str:
    lower = np.tril(np.nan_to_num(rho), -1)
    place = np.unravel_index(np.argmax(np.abs(lower)), lower.shape)
    strong = int((np.abs(lower) >= 0.9).sum())
    return (
        f"{names[place[1]]} and {names[place[0]]} go together most, Spearman's rho {lower[place]:.2f}; "
        f"{strong or 'no'} pair{'' if strong == 1 else 's'} reach{'es' if strong == 1 else ''} 0.9."
    )
