"""The chart of which columns a recipe's answers hang on."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance

from . import figures, refit_folds
from .evidence import Drawn, Evidence
from .recipe import recipe
from .shapes import Bars, floats

#: How often a column is shuffled; of many columns less often, so that there are about as many predictions.
REPEATS, SHUFFLES = 5, 90
#: Features that a picture has room for.
MOST = 30


def importances(evidence: Evidence, figure: Figure) -> Drawn:
    """How far the metric falls on held-out rows when one column is shuffled (Breiman, Random Forests, 2001)."""
    context = evidence.context
    X, y = context.dataset.X, context.dataset.y
    assert y is not None
    folds = refit_folds.folds(evidence, evidence.candidate)
    learn, held_out = folds[0]
    found = permutation_importance(
        recipe(context, evidence.candidate, evidence.deadline).fit(X.iloc[learn], y[learn]),
        X.iloc[held_out],
        y[held_out],
        scoring=context.metric,
        n_repeats=max(1, min(REPEATS, SHUFFLES // X.shape[1])),
        random_state=context.seed % 2**31,
    )
    names = [str(name) for name in X.columns]
    order = np.argsort(-found.importances_mean, kind="stable")
    _bars(figure, names, order[:MOST], found.importances_mean, found.importances_std, context.metric)
    mean, std = found.importances_mean[order], found.importances_std[order]
    data = Bars(
        names=tuple(names[place] for place in order),
        values=floats(mean),
        low=floats(mean - std),
        high=floats(mean + std),
    )
    return Drawn(_of_importances(data, context.metric) + refit_folds.sampled(evidence, folds[:1]), data)


def _bars(
    figure: Figure,
    names: list[str],
    order: NDArray[np.intp],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    metric: str,
) -> None:
    """Draw the features in this order, the first on top."""
    axes = figures.axes(figure, 6.8, 1.4 + 0.24 * len(order))
    axes.barh(
        figures.short([names[place] for place in order]),
        mean[order],
        color=figures.PALETTE[0],
        xerr=std[order],
        error_kw={"ecolor": figures.GREY, "elinewidth": 1},
    )
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=f"fall of {metric} when shuffled", ylim=(len(order) - 0.4, -0.6))


def _of_importances(bars: Bars, metric: str) -> str:
    values = np.array(bars.values, dtype=np.float64)
    idle = int((values <= np.array(bars.high) - values).sum())
    few = f" The {MOST} most important are drawn." if len(values) > MOST else ""
    second = f", then {bars.names[1]} ({values[1]:.3g})" if len(values) > 1 else ""
    return (
        f"{bars.names[0]} matters most: {metric} falls by {values[0]:.3g} when it is shuffled{second}. "
        f"{idle} of {len(values)} features make no difference beyond chance by themselves.{few}"
    )
