"""Charts of how well probabilities rank rows, and of what they promise."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from . import figures
from .evidence import Drawn, Evidence, spread
from .out_of_fold import HeldClasses
from .shapes import Curve, Curves, floats

#: Points that a curve keeps; more would not be seen.
MOST_POINTS = 300
#: Curves that a picture has room for.
MOST_CURVES = len(figures.PALETTE)
BINS = 10


def roc(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    areas, curves = {}, {}
    for code in held.shown:
        false, true, _ = roc_curve(held.y == code, held.probabilities[:, code])
        areas[code] = float(auc(false, true))
        curves[code] = _curve(held.classes[code], false, true)
    axes = figures.axes(figure, 7.2)
    axes.plot([0, 1], [0, 1], color=figures.GREY, linewidth=1, linestyle=":")
    _draw(axes, held, curves, areas)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))
    figures.legend(axes, "class (area)")
    text = _of_areas(held, areas, "the area under the curve", "0.5 would be chance")
    return Drawn(text, _curves("false positive rate", "true positive rate", curves))


def precision_recall(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    areas, curves = {}, {}
    for code in held.shown:
        mine, told = held.y == code, held.probabilities[:, code]
        precision, recall, _ = precision_recall_curve(mine, told)
        areas[code] = float(average_precision_score(mine, told))
        curves[code] = _curve(held.classes[code], recall, precision)
    axes = figures.axes(figure, 7.2)
    _draw(axes, held, curves, areas, drawstyle="steps-post")
    if len(curves) == 1:
        (curve,) = curves.values()
        axes.fill_between(curve.x, curve.y, step="post", alpha=0.2, linewidth=0)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(0, 1.02))
    figures.legend(axes, "class (average precision)")
    share = min(float((held.y == code).mean()) for code in held.shown)
    chance = (
        f"its share of the rows, {share:.3f}, would be chance" if len(areas) == 1 else "1 would be perfect"
    )
    text = _of_areas(held, areas, "average precision", chance)
    return Drawn(text, _curves("recall", "precision", curves))


def calibration(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    told = {code: _reliability(held, code) for code in held.shown}
    off = {code: _off(held, code) for code in held.shown}
    curves = {code: Curve(name=held.classes[code], x=floats(x), y=floats(y)) for code, (x, y) in told.items()}
    axes = figures.axes(figure, 7.2)
    axes.plot([0, 1], [0, 1], color=figures.GREY, linewidth=1)
    _draw(axes, held, curves, {code: -gap for code, gap in off.items()}, markers=True)
    axes.set(xlabel="predicted probability", ylabel="share of rows of the class")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    figures.legend(axes, "class (mean gap)")
    return Drawn(_of_gaps(held, told, off), _curves("predicted probability", "share of rows", curves))


def threshold(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    at, measured = _by_threshold(held.y == 1, held.probabilities[:, 1])
    curves = [Curve(name=name, x=floats(at), y=floats(values)) for name, values in measured.items()]
    axes = figures.axes(figure, 7.2)
    figures.plot(axes, curves)
    best = int(np.argmax(measured["F1"]))
    axes.axvline(at[best], color=figures.GREY, linewidth=1, label="_best")
    axes.set(
        xlabel=f"threshold of {figures.short(held.classes)[1]}", ylabel="score", xlim=(0, 1), ylim=(0, 1.02)
    )
    figures.legend(axes)
    half = len(at) // 2
    text = (
        f"F1 of {held.classes[1]} is best, {measured['F1'][best]:.3f}, where rows from a probability of "
        f"{at[best]:.2f} on are called so; at {at[half]:.2f} it is {measured['F1'][half]:.3f}. There "
        f"{measured['recall'][best]:.1%} of them are found, and {measured['precision'][best]:.1%} of the rows called "
        "so are."
    )
    return Drawn(text, Curves(x_title="threshold", y_title="score", curves=tuple(curves)))


def _by_threshold(
    mine: NDArray[np.bool_], told: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Thresholds, and the scores of calling those rows positive that reach them."""
    at = np.linspace(0, 1, 101)
    all_, positive = np.sort(told), np.sort(told[mine])
    called = len(all_) - np.searchsorted(all_, at)
    right = len(positive) - np.searchsorted(positive, at)
    # Where nothing is called positive, nothing is called so wrongly.
    precision = np.where(called, right / np.maximum(called, 1), 1.0)
    recall = right / len(positive)
    f1 = 2 * right / (called + len(positive))
    return at, {"precision": precision, "recall": recall, "F1": f1, "share called so": called / len(all_)}


def _reliability(held: HeldClasses, code: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """In bins of as many rows each: what was told on average, and how often it was true."""
    told = np.clip(held.probabilities[:, code], 0, 1)
    true, predicted = calibration_curve(held.y == code, told, n_bins=BINS, strategy="quantile")
    return predicted, true


def _off(held: HeldClasses, code: int) -> float:
    """The mean distance between what was told and how often it was true, each bin by its rows (Naeini, Cooper and
    Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015).
    """
    told = held.probabilities[:, code]
    bins = np.array_split(np.argsort(told, kind="stable"), BINS)
    mine = held.y == code
    gaps = [abs(told[rows].mean() - mine[rows].mean()) * len(rows) for rows in bins if len(rows)]
    return float(sum(gaps) / len(told))


def _of_gaps(held: HeldClasses, told: dict[int, Any], off: dict[int, float]) -> str:
    worst = max(off, key=lambda code: off[code])
    predicted, true = told[worst]
    place = int(np.argmax(np.abs(predicted - true)))
    whose = f"of {held.classes[worst]}" if len(off) == 1 else f"of {held.classes[worst]}, the least exact,"
    return (
        f"Probabilities {whose} are off by {off[worst]:.3f} on average. The furthest is a bin where "
        f"{predicted[place]:.1%} were told and {true[place]:.1%} were true." + held.gathered
    )


def _of_areas(held: HeldClasses, areas: dict[int, float], what: str, chance: str) -> str:
    worst, best = (pick(areas, key=lambda code: areas[code]) for pick in (min, max))
    if len(areas) == 1:
        return f"{what[0].upper()}{what[1:]} for {held.classes[best]} is {areas[best]:.3f}; {chance}."
    few = f" Of {len(areas)} classes, the {MOST_CURVES} worst are drawn." if len(areas) > MOST_CURVES else ""
    return (
        f"Each class is told from all others: {held.classes[best]} best, {what} {areas[best]:.3f}, and "
        f"{held.classes[worst]} worst, {areas[worst]:.3f}; {chance}.{few}{held.gathered}"
    )


def _draw(
    axes: Axes, held: HeldClasses, curves: Mapping[int, Curve], numbers: Mapping[int, float], **style: Any
) -> None:
    """Plot as many classes' curves as there is room for, those with the lowest numbers first."""
    names = figures.short(held.classes)
    worst = sorted(curves, key=lambda code: numbers[code])[:MOST_CURVES]
    labels = [f"{names[code]} ({abs(numbers[code]):.3f})" for code in worst]
    figures.plot(axes, [curves[code] for code in worst], labels, **style)


def _curve(name: str, x: NDArray[Any], y: NDArray[Any]) -> Curve:
    kept = spread(len(x), MOST_POINTS)
    return Curve(name=name, x=floats(x[kept]), y=floats(y[kept]))


def _curves(x_title: str, y_title: str, curves: Mapping[int, Curve]) -> Curves:
    return Curves(x_title=x_title, y_title=y_title, curves=tuple(curves.values()))
