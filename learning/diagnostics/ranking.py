"""Charts of how well probabilities rank rows, and of what they promise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, precision_recall_curve

from . import figures, yellowbrick_charts
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
    axes = figures.axes(figure, 7.2)
    visualizer = yellowbrick_charts.fed(
        yellowbrick_charts.ROCAUC, held, figure, axes, binary=len(held.classes) == 2, micro=False, macro=False
    )
    visualizer.score(held.places, held.y)
    keys = ["binary"] if len(held.classes) == 2 else range(len(held.classes))
    areas = {code: float(visualizer.roc_auc[key]) for code, key in zip(held.shown, keys, strict=True)}
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))
    curves = [
        _curve(held.classes[code], visualizer.fpr[key], visualizer.tpr[key])
        for code, key in zip(held.shown, keys, strict=True)
    ]
    _thin(axes, curves)
    _name(axes, held, areas)
    figures.legend(axes, "class (area)")
    text = _of_areas(held, areas, "the area under the curve", "0.5 would be chance")
    return Drawn(text, _curves("false positive rate", "true positive rate", curves))


def precision_recall(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    axes = figures.axes(figure, 7.2)
    areas, curves = {}, []
    # Of several classes Yellowbrick draws only models that it fits itself, one for each: it is lent one at a time.
    visualizer = yellowbrick_charts.PrecisionRecallCurve(
        yellowbrick_charts.StoredClasses(held.probabilities, held.predicted),
        ax=axes,
        fig=figure,
        is_fitted=True,
        force_model=True,
        fill_area=len(held.shown) == 1,
    )
    for code in held.shown:
        mine, told = held.y == code, held.probabilities[:, code]
        precision, recall, _ = precision_recall_curve(mine, told)
        areas[code] = float(average_precision_score(mine, told))
        curves.append(_curve(held.classes[code], recall, precision))
        visualizer._draw_pr_curve(curves[-1].x, curves[-1].y, label=held.classes[code])
    _name(axes, held, areas)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(0, 1.02))
    figures.legend(axes, "class (average precision)")
    share = min(float((held.y == code).mean()) for code in held.shown)
    chance = (
        f"its share of the rows, {share:.3f}, would be chance" if len(areas) == 1 else "1 would be perfect"
    )
    text = _of_areas(held, areas, "average precision", chance)
    return Drawn(text, _curves("recall", "precision", curves))


def calibration(evidence: Evidence, figure: Figure) -> Drawn:
    """Yellowbrick has no such chart."""
    held = evidence.classes
    axes = figures.axes(figure, 7.2)
    axes.plot([0, 1], [0, 1], color=figures.GREY, linewidth=1, label="_as it says")
    told = {code: _reliability(held, code) for code in held.shown}
    off = {code: _off(held, code) for code in held.shown}
    for place, code in enumerate(sorted(off, key=lambda c: -off[c])[:MOST_CURVES]):
        axes.plot(*told[code], marker=figures.MARKERS[place], markersize=5, label=_label(held, code, off))
    axes.lines[0].set_zorder(0)
    figures.unlike(axes)
    axes.set(xlabel="predicted probability", ylabel="share of rows of the class", xlim=(-0.02, 1.02))
    axes.set_ylim(-0.02, 1.02)
    figures.legend(axes, "class (mean gap)")
    curves = [Curve(name=held.classes[c], x=floats(x), y=floats(y)) for c, (x, y) in told.items()]
    return Drawn(_of_gaps(held, told, off), _curves("predicted probability", "share of rows", curves))


def threshold(evidence: Evidence, figure: Figure) -> Drawn:
    """Of the winner's predictions; Yellowbrick's chart would fit the model fifty times."""
    held = evidence.classes
    axes = figures.axes(figure, 7.2)
    at, measured = _by_threshold(held.y == 1, held.probabilities[:, 1])
    for name, values in measured.items():
        axes.plot(at, values, label=name)
    figures.unlike(axes)
    best = int(np.argmax(measured["F1"]))
    axes.axvline(at[best], color=figures.GREY, linewidth=1, label="_best")
    axes.set(
        xlabel=f"threshold of {figures.short(held.classes)[1]}", ylabel="score", xlim=(0, 1), ylim=(0, 1.02)
    )
    figures.legend(axes)
    curves = [Curve(name=name, x=floats(at), y=floats(values)) for name, values in measured.items()]
    half = len(at) // 2
    text = (
        f"F1 of {held.classes[1]} is best, {measured['F1'][best]:.3f}, where rows from a probability of "
        f"{at[best]:.2f} on are called so; at {at[half]:.2f} it is {measured['F1'][half]:.3f}. There "
        f"{measured['recall'][best]:.1%} of them are found, and {measured['precision'][best]:.1%} of the rows called "
        "so are."
    )
    return Drawn(text, _curves("threshold", "score", curves))


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


def _name(axes: Axes, held: HeldClasses, areas: dict[int, float]) -> None:
    """Name the classes' lines, which come first, and leave out those that there is no room for."""
    worst = sorted(areas, key=lambda code: areas[code])[:MOST_CURVES]
    for code, line in zip(areas, list(axes.lines), strict=False):
        if code not in worst:
            line.remove()
            continue
        line.set(label=_label(held, code, areas), color=figures.PALETTE[worst.index(code)])
    for line in axes.lines[len(worst) :]:
        line.set(label="_chance", color=figures.GREY, linewidth=1)
    figures.unlike(axes)


def _label(held: HeldClasses, code: int, numbers: dict[int, float]) -> str:
    return f"{figures.short([held.classes[code]])[0]} ({numbers[code]:.3f})"


def _curve(name: str, x: NDArray[Any], y: NDArray[Any]) -> Curve:
    kept = spread(len(x), MOST_POINTS)
    return Curve(name=name, x=floats(x[kept]), y=floats(y[kept]))


def _thin(axes: Axes, curves: Sequence[Curve]) -> None:
    """Leave out what would not be seen of the lines, which come first."""
    for line, curve in zip(axes.lines, curves, strict=False):
        line.set_data(curve.x, curve.y)


def _curves(x_title: str, y_title: str, curves: Sequence[Curve]) -> Curves:
    return Curves(x_title=x_title, y_title=y_title, curves=tuple(curves))
