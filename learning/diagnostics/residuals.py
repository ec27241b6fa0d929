"""Charts of numbers that were told beside those that were true."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from . import figures, yellowbrick_charts
from .evidence import Drawn, Evidence, drawn_from, some
from .out_of_fold import HeldValues
from .shapes import Points, floats

#: Points that a picture, and its data, keep.
MOST_POINTS = 1_000
#: From this rank correlation on between values and the size of errors, errors grow, or shrink, with the value.
GROWS = 0.2
#: As near to 1, predictions rise as the truth does.
STRAIGHT = 0.03


def residuals(evidence: Evidence, figure: Figure) -> Drawn:
    held, some_ = evidence.values, _some(evidence)
    axes = figures.axes(figure, 7.2)
    visualizer = yellowbrick_charts.ResidualsPlot(
        yellowbrick_charts.StoredValues(held.values),
        ax=axes,
        fig=figure,
        is_fitted=True,
        force_model=True,
        test_color=figures.PALETTE[0],
    )
    visualizer.test_score_ = r2_score(held.y, held.values)
    # Not by `score`, which takes values less truth: that a model says too much would lie above the line.
    visualizer.draw(held.values[some_], held.residuals[some_])
    for each in (axes, visualizer.hax):
        each.axhline(0, color=figures.GREY, linewidth=1)
    axes.collections[0].set(sizes=[14], linewidths=0, alpha=0.5)
    axes.set(xlabel="predicted", ylabel="actual less predicted")
    visualizer.hax.set_xlabel("points")
    data = Points(
        x_title="predicted",
        y_title="actual less predicted",
        x=floats(held.values[some_]),
        y=floats(held.residuals[some_]),
    )
    return Drawn(_of_residuals(held) + _shown(held, some_), data)


def prediction_error(evidence: Evidence, figure: Figure) -> Drawn:
    held, some_ = evidence.values, _some(evidence)
    axes = figures.axes(figure, 6.8, 4.8)
    visualizer = yellowbrick_charts.PredictionError(
        yellowbrick_charts.StoredValues(held.values),
        ax=axes,
        fig=figure,
        is_fitted=True,
        force_model=True,
        bestfit=False,
    )
    visualizer.score_ = r2_score(held.y, held.values)
    visualizer.draw(held.y[some_], held.values[some_])
    slope, start = np.polyfit(held.y, held.values, 1)
    ends = np.array(axes.get_xlim()) + np.array([-0.03, 0.03]) * np.ptp(axes.get_xlim())
    axes.plot(ends, ends, color=figures.GREY, label="as it should be")
    axes.plot(
        ends, start + slope * ends, color=figures.PALETTE[1], linestyle="--", label="as it is on average"
    )
    axes.collections[0].set(sizes=[14], linewidths=0, alpha=0.5, label="_points", color=figures.PALETTE[0])
    axes.set(xlabel="actual", ylabel="predicted", aspect="equal", xlim=ends, ylim=ends)
    figures.legend(axes)
    data = Points(
        x_title="actual", y_title="predicted", x=floats(held.y[some_]), y=floats(held.values[some_])
    )
    return Drawn(_of_slope(held, float(slope)) + _shown(held, some_), data)


def _some(evidence: Evidence) -> NDArray[np.intp]:
    return some(len(evidence.values.y), MOST_POINTS, evidence.bench.seed)


def _of_residuals(held: HeldValues) -> str:
    errors = held.residuals
    mean, typical = float(errors.mean()), mean_absolute_error(held.y, held.values)
    rho = float(spearmanr(held.values, np.abs(errors))[0])
    grows = "grow" if rho >= GROWS else "shrink" if rho <= -GROWS else "hardly change"
    return (
        f"Held-out values are off by {typical:.4g} on average, and {abs(mean):.3g} too "
        f"{'low' if mean > 0 else 'high'} taken together. Errors {grows} with the predicted value (rank correlation "
        f"{rho:.2f})."
    )


def _of_slope(held: HeldValues, slope: float) -> str:
    explained = r2_score(held.y, held.values)
    if abs(slope - 1) < STRAIGHT:
        pulled = "Predictions rise as the truth does"
    elif slope < 1:
        pulled = "High values are predicted too low and low ones too high"
    else:
        pulled = "High values are predicted too high and low ones too low"
    return f"R² of the held-out values is {explained:.3f}. {pulled}: by {slope:.2f} for each 1 of the truth."


def _shown(held: HeldValues, some_: NDArray[np.intp]) -> str:
    return drawn_from(len(some_), len(held.y))
