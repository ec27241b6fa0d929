"""Chart of the permutation importance of the features."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance

from . import figures, refit_folds
from .evidence import Chart, Evidence
from .recipe import build_recipe
from .shapes import Bars, floats

#: Permutations per column, and of all columns together, which bounds the time.
REPEATS, SHUFFLES = 5, 90
#: Upper bound of the features in the chart.
MOST = 30


def draw_importances(evidence: Evidence, figure: Figure) -> Chart:
    """Draw the decrease of the metric on held-out rows when one column is permuted (Breiman, Random Forests, 2001)."""
    context = evidence.context
    X, y = context.dataset.X, context.dataset.y
    assert y is not None
    folds = refit_folds.split(evidence, evidence.candidate)
    learn, held_out = folds[0]
    result = permutation_importance(
        build_recipe(context, evidence.candidate, evidence.deadline).fit(X.iloc[learn], y[learn]),
        X.iloc[held_out],
        y[held_out],
        scoring=context.metric,
        n_repeats=max(1, min(REPEATS, SHUFFLES // X.shape[1])),
        random_state=context.seed % 2**31,
    )
    names = [str(name) for name in X.columns]
    order = np.argsort(-result.importances_mean, kind="stable")
    _draw_bars(figure, names, order[:MOST], result.importances_mean, result.importances_std, context.metric)
    mean, std = result.importances_mean[order], result.importances_std[order]
    data = Bars(
        names=tuple(names[index] for index in order),
        values=floats(mean),
        low=floats(mean - std),
        high=floats(mean + std),
    )
    return Chart(_describe(data, context.metric) + refit_folds.describe(evidence, folds[:1]), data)


def _draw_bars(
    figure: Figure,
    names: list[str],
    order: NDArray[np.intp],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    metric: str,
) -> None:
    """Draw the features in this order, the first on top."""
    axes = figures.add_axes(figure, 6.8, 1.4 + 0.24 * len(order))
    axes.barh(
        figures.shorten([names[index] for index in order]),
        mean[order],
        color=figures.PALETTE[0],
        xerr=std[order],
        error_kw={"ecolor": figures.GREY, "elinewidth": 1},
    )
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=f"decrease of {metric} when permuted", ylim=(len(order) - 0.4, -0.6))


def _describe(bars: Bars, metric: str) -> str:
    values = np.array(bars.values, dtype=np.float64)
    idle = int((values <= np.array(bars.high) - values).sum())
    limit = f" The {MOST} most important are drawn." if len(values) > MOST else ""
    second = f", then {bars.names[1]} ({values[1]:.3g})" if len(values) > 1 else ""
    return (
        f"{bars.names[0]} matters most: {metric} decreases by {values[0]:.3g} when it is permuted{second}. "
        f"{idle} of {len(values)} features make no difference beyond chance by themselves.{limit}"
    )
