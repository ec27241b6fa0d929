"""Charts of predicted values against true values."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from . import figures
from .evidence import Chart, Evidence, describe_sample, sample_rows
from .out_of_fold import OutOfFoldValues
from .shapes import Points, floats

#: Upper bound of the points in a chart and its data.
MOST_POINTS = 1_000
#: Bars of the residuals' histogram.
BINS = 50
#: Least rank correlation between values and absolute errors that the text mentions.
GROWS = 0.2
#: Largest difference of the slope from 1 that counts as none.
STRAIGHT = 0.03


def draw_residuals(evidence: Evidence, figure: Figure) -> Chart:
    """Draw residuals over predicted values, with a histogram."""
    gathered, sample = evidence.values, _sample(evidence)
    predicted, residual = gathered.values[sample], gathered.residuals[sample]
    figure.set_size_inches(7.2, 4.4)
    axes, histogram = figure.subplots(1, 2, sharey=True, width_ratios=(6, 1))
    _scatter(axes, predicted, residual)
    histogram.hist(residual, bins=BINS, orientation="horizontal", color=figures.PALETTE[0])
    for each in (axes, histogram):
        each.axhline(0, color=figures.GREY, linewidth=1)
    axes.set(xlabel="predicted", ylabel="actual minus predicted")
    histogram.set(xlabel="points")
    data = Points(
        x_title="predicted", y_title="actual minus predicted", x=floats(predicted), y=floats(residual)
    )
    return Chart(_describe_residuals(gathered) + _describe_sample(gathered, sample), data)


def draw_prediction_error(evidence: Evidence, figure: Figure) -> Chart:
    """Draw predicted over true values, with the identity and the fitted line."""
    gathered, sample = evidence.values, _sample(evidence)
    actual, predicted = gathered.y[sample], gathered.values[sample]
    slope, start = np.polyfit(gathered.y, gathered.values, 1)
    axes = figures.add_axes(figure, 6.8, 4.8)
    _scatter(axes, actual, predicted)
    ends = np.array([min(actual.min(), predicted.min()), max(actual.max(), predicted.max())])
    ends += np.array([-0.03, 0.03]) * np.ptp(ends)
    axes.plot(ends, ends, color=figures.GREY, label="identity")
    axes.plot(ends, start + slope * ends, color=figures.PALETTE[1], linestyle="--", label="fitted line")
    axes.set(xlabel="actual", ylabel="predicted", aspect="equal", xlim=ends, ylim=ends)
    figures.add_legend(axes)
    data = Points(x_title="actual", y_title="predicted", x=floats(actual), y=floats(predicted))
    return Chart(_describe_slope(gathered, float(slope)) + _describe_sample(gathered, sample), data)


def _scatter(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    axes.scatter(x, y, s=14, linewidths=0, alpha=0.5, color=figures.PALETTE[0])


def _sample(evidence: Evidence) -> NDArray[np.intp]:
    return sample_rows(len(evidence.values.y), MOST_POINTS, evidence.context.seed)


def _describe_residuals(gathered: OutOfFoldValues) -> str:
    errors = gathered.residuals
    mean, typical = float(errors.mean()), mean_absolute_error(gathered.y, gathered.values)
    rho = float(spearmanr(gathered.values, np.abs(errors))[0])
    trend = "grow" if rho >= GROWS else "shrink" if rho <= -GROWS else "hardly change"
    return (
        f"Held-out values are off by {typical:.4g} on average, and their mean is {abs(mean):.3g} too "
        f"{'low' if mean > 0 else 'high'}. Errors {trend} with the predicted value (rank correlation "
        f"{rho:.2f})."
    )


def _describe_slope(gathered: OutOfFoldValues, slope: float) -> str:
    explained = r2_score(gathered.y, gathered.values)
    if abs(slope - 1) < STRAIGHT:
        tendency = "Predictions increase as the truth does"
    elif slope < 1:
        tendency = "High values are predicted too low and low ones too high"
    else:
        tendency = "High values are predicted too high and low ones too low"
    return (
        f"R² of the held-out values is {explained:.3f}. {tendency}: by {slope:.2f} for each 1 of the truth."
    )


def _describe_sample(gathered: OutOfFoldValues, sample: NDArray[np.intp]) -> str:
    return describe_sample(len(sample), len(gathered.y))
