"""Charts of how well probabilities rank rows, and how well they are calibrated."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from . import figures
from .evidence import Chart, Evidence, spread
from .out_of_fold import OutOfFoldClasses
from .shapes import Curve, Curves, floats

Floats = NDArray[np.float64]

#: Upper bound of the points of a curve.
MOST_POINTS = 300
#: Upper bound of the curves in a chart.
MOST_CURVES = len(figures.PALETTE)
BINS = 10


def draw_roc(evidence: Evidence, figure: Figure) -> Chart:
    """Draw ROC curves, each class against all others."""
    gathered = evidence.classes
    areas, curves = {}, {}
    for code in gathered.charted:
        false, true, _ = roc_curve(gathered.y == code, gathered.probabilities[:, code])
        areas[code] = float(auc(false, true))
        curves[code] = _to_curve(gathered.classes[code], false, true)
    axes = figures.add_axes(figure, 7.2)
    axes.plot([0, 1], [0, 1], color=figures.GREY, linewidth=1, linestyle=":")
    _plot_worst(axes, gathered, curves, areas)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))
    figures.add_legend(axes, "class (area)")
    text = _describe_areas(gathered, areas, "the area under the curve", "0.5 would be chance")
    return Chart(text, _to_data("false positive rate", "true positive rate", curves))


def draw_precision_recall(evidence: Evidence, figure: Figure) -> Chart:
    """Draw precision-recall curves, each class against all others."""
    gathered = evidence.classes
    areas, curves = {}, {}
    for code in gathered.charted:
        positive, probabilities = gathered.y == code, gathered.probabilities[:, code]
        precision, recall, _ = precision_recall_curve(positive, probabilities)
        areas[code] = float(average_precision_score(positive, probabilities))
        curves[code] = _to_curve(gathered.classes[code], recall, precision)
    axes = figures.add_axes(figure, 7.2)
    _plot_worst(axes, gathered, curves, areas, drawstyle="steps-post")
    if len(curves) == 1:
        (curve,) = curves.values()
        axes.fill_between(curve.x, curve.y, step="post", alpha=0.2, linewidth=0)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(0, 1.02))
    figures.add_legend(axes, "class (average precision)")
    share = min(float((gathered.y == code).mean()) for code in gathered.charted)
    chance = (
        f"its share of the rows, {share:.3f}, would be chance" if len(areas) == 1 else "1 would be perfect"
    )
    text = _describe_areas(gathered, areas, "average precision", chance)
    return Chart(text, _to_data("recall", "precision", curves))


def draw_calibration(evidence: Evidence, figure: Figure) -> Chart:
    """Draw predicted probabilities against observed frequencies, in bins of equally many rows."""
    gathered = evidence.classes
    bins = {code: _calibration_bins(gathered, code) for code in gathered.charted}
    errors = {code: _calibration_error(gathered, code) for code in gathered.charted}
    curves = {
        code: Curve(name=gathered.classes[code], x=floats(x), y=floats(y)) for code, (x, y) in bins.items()
    }
    axes = figures.add_axes(figure, 7.2)
    axes.plot([0, 1], [0, 1], color=figures.GREY, linewidth=1)
    _plot_worst(axes, gathered, curves, {code: -error for code, error in errors.items()}, markers=True)
    axes.set(xlabel="predicted probability", ylabel="share of rows of the class")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    figures.add_legend(axes, "class (mean gap)")
    return Chart(
        _describe_calibration(gathered, bins, errors),
        _to_data("predicted probability", "share of rows", curves),
    )


def draw_threshold(evidence: Evidence, figure: Figure) -> Chart:
    """Draw precision, recall and F1 of the positive class by the threshold of its probability."""
    gathered = evidence.classes
    thresholds, scores = _score_thresholds(gathered.y == 1, gathered.probabilities[:, 1])
    curves = [Curve(name=name, x=floats(thresholds), y=floats(values)) for name, values in scores.items()]
    axes = figures.add_axes(figure, 7.2)
    figures.plot(axes, curves)
    best, half = int(np.argmax(scores["F1"])), len(thresholds) // 2
    axes.axvline(thresholds[best], color=figures.GREY, linewidth=1, label="_best")
    name = figures.shorten(gathered.classes)[1]
    axes.set(xlabel=f"threshold of {name}", ylabel="score", xlim=(0, 1), ylim=(0, 1.02))
    figures.add_legend(axes)
    text = (
        f"The F1 of {gathered.classes[1]} is best, {scores['F1'][best]:.3f}, with a threshold of "
        f"{thresholds[best]:.2f}; with {thresholds[half]:.2f} it is {scores['F1'][half]:.3f}. At the best threshold "
        f"the recall is {scores['recall'][best]:.1%}, and the precision {scores['precision'][best]:.1%}."
    )
    return Chart(text, Curves(x_title="threshold", y_title="score", curves=tuple(curves)))


def _score_thresholds(positive: NDArray[np.bool_], probabilities: Floats) -> tuple[Floats, dict[str, Floats]]:
    """Compute the scores at each threshold, from which on rows are predicted positive."""
    thresholds = np.linspace(0, 1, 101)
    all_rows, positive_rows = np.sort(probabilities), np.sort(probabilities[positive])
    predicted = len(all_rows) - np.searchsorted(all_rows, thresholds)
    hits = len(positive_rows) - np.searchsorted(positive_rows, thresholds)
    # Precision is 1 by convention if no row is predicted positive.
    precision = np.where(predicted, hits / np.maximum(predicted, 1), 1.0)
    return thresholds, {
        "precision": precision,
        "recall": hits / len(positive_rows),
        "F1": 2 * hits / (predicted + len(positive_rows)),
        "share predicted positive": predicted / len(all_rows),
    }


def _calibration_bins(gathered: OutOfFoldClasses, code: int) -> tuple[Floats, Floats]:
    """Compute the mean probability and the class's frequency in each bin."""
    probabilities = np.clip(gathered.probabilities[:, code], 0, 1)
    frequency, predicted = calibration_curve(
        gathered.y == code, probabilities, n_bins=BINS, strategy="quantile"
    )
    return predicted, frequency


def _calibration_error(gathered: OutOfFoldClasses, code: int) -> float:
    """Compute the expected calibration error: the mean gap between probability and frequency, weighted by rows.

    Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015.
    """
    probabilities = gathered.probabilities[:, code]
    bins = np.array_split(np.argsort(probabilities, kind="stable"), BINS)
    positive = gathered.y == code
    gaps = [abs(probabilities[rows].mean() - positive[rows].mean()) * len(rows) for rows in bins if len(rows)]
    return float(sum(gaps) / len(probabilities))


def _describe_calibration(
    gathered: OutOfFoldClasses, bins: Mapping[int, tuple[Floats, Floats]], errors: Mapping[int, float]
) -> str:
    worst = max(errors, key=lambda code: errors[code])
    predicted, frequency = bins[worst]
    index = int(np.argmax(np.abs(predicted - frequency)))
    name = gathered.classes[worst]
    subject = f"of {name}" if len(errors) == 1 else f"of {name}, the least calibrated class,"
    return (
        f"Probabilities {subject} are off by {errors[worst]:.3f} on average. The worst bin has a mean probability of "
        f"{predicted[index]:.1%}, and a frequency of {frequency[index]:.1%}." + gathered.merging
    )


def _describe_areas(gathered: OutOfFoldClasses, areas: Mapping[int, float], measure: str, chance: str) -> str:
    worst, best = (pick(areas, key=lambda code: areas[code]) for pick in (min, max))
    if len(areas) == 1:
        return (
            f"{measure[0].upper()}{measure[1:]} for {gathered.classes[best]} is {areas[best]:.3f}; {chance}."
        )
    limit = (
        f" Of {len(areas)} classes, the {MOST_CURVES} worst are drawn." if len(areas) > MOST_CURVES else ""
    )
    return (
        f"Each class is compared with all others: {gathered.classes[best]} is best, {measure} {areas[best]:.3f}, and "
        f"{gathered.classes[worst]} worst, {areas[worst]:.3f}; {chance}.{limit}{gathered.merging}"
    )


def _plot_worst(
    axes: Axes,
    gathered: OutOfFoldClasses,
    curves: Mapping[int, Curve],
    numbers: Mapping[int, float],
    *,
    markers: bool = False,
    drawstyle: str = "default",
) -> None:
    """Plot up to MOST_CURVES classes, those with the lowest numbers first; the legend shows the numbers."""
    names = figures.shorten(gathered.classes)
    worst = sorted(curves, key=lambda code: numbers[code])[:MOST_CURVES]
    labels = [f"{names[code]} ({abs(numbers[code]):.3f})" for code in worst]
    figures.plot(axes, [curves[code] for code in worst], labels, markers=markers, drawstyle=drawstyle)


def _to_curve(name: str, x: Floats, y: Floats) -> Curve:
    sample = spread(len(x), MOST_POINTS)
    return Curve(name=name, x=floats(x[sample]), y=floats(y[sample]))


def _to_data(x_title: str, y_title: str, curves: Mapping[int, Curve]) -> Curves:
    return Curves(x_title=x_title, y_title=y_title, curves=tuple(curves.values()))
