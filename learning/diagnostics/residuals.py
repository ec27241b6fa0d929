"""Charts of numbers that were told beside those that were true."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from . import figures
from .evidence import Drawn, Evidence, drawn_from, some
from .out_of_fold import HeldValues
from .shapes import Points, floats

#: Points that a picture, and its data, keep.
MOST_POINTS = 1_000
#: Bars of the residuals' histogram.
BINS = 50
#: From this rank correlation on between values and the size of errors, errors grow, or shrink, with the value.
GROWS = 0.2
#: As near to 1, predictions rise as the truth does.
STRAIGHT = 0.03


def residuals(evidence: Evidence, figure: Figure) -> Drawn:
    """Residuals over the predicted values, with their histogram beside them."""
    held, some_ = evidence.values, _some(evidence)
    predicted, residual = held.values[some_], held.residuals[some_]
    figure.set_size_inches(7.2, 4.4)
    axes, beside = figure.subplots(1, 2, sharey=True, width_ratios=(6, 1))
    _scatter(axes, predicted, residual)
    beside.hist(residual, bins=BINS, orientation="horizontal", color=figures.PALETTE[0])
    for each in (axes, beside):
        each.axhline(0, color=figures.GREY, linewidth=1)
    axes.set(xlabel="predicted", ylabel="actual less predicted")
    beside.set(xlabel="points")
    data = Points(
        x_title="predicted", y_title="actual less predicted", x=floats(predicted), y=floats(residual)
    )
    return Drawn(_of_residuals(held) + _shown(held, some_), data)


def prediction_error(evidence: Evidence, figure: Figure) -> Drawn:
    """Predicted over actual values, with the line on which they are equal and the line fitted to them."""
    held, some_ = evidence.values, _some(evidence)
    actual, predicted = held.y[some_], held.values[some_]
    slope, start = np.polyfit(held.y, held.values, 1)
    axes = figures.axes(figure, 6.8, 4.8)
    _scatter(axes, actual, predicted)
    ends = np.array([min(actual.min(), predicted.min()), max(actual.max(), predicted.max())])
    ends += np.array([-0.03, 0.03]) * np.ptp(ends)
    axes.plot(ends, ends, color=figures.GREY, label="as it should be")
    axes.plot(
        ends, start + slope * ends, color=figures.PALETTE[1], linestyle="--", label="as it is on average"
    )
    axes.set(xlabel="actual", ylabel="predicted", aspect="equal", xlim=ends, ylim=ends)
    figures.legend(axes)
    data = Points(x_title="actual", y_title="predicted", x=floats(actual), y=floats(predicted))
    return Drawn(_of_slope(held, float(slope)) + _shown(held, some_), data)


def _scatter(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    axes.scatter(x, y, s=14, linewidths=0, alpha=0.5, color=figures.PALETTE[0])


def _some(evidence: Evidence) -> NDArray[np.intp]:
    return some(len(evidence.values.y), MOST_POINTS, evidence.context.seed)


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
