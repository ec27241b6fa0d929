"""Charts of which class was told where another was true."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from . import figures
from .evidence import Drawn, Evidence
from .out_of_fold import HeldClasses
from .shapes import Matrix, floats, known

SCORES = ("precision", "recall", "f1", "support")


def report(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    scores = np.array(
        precision_recall_fscore_support(
            held.y, held.predicted, labels=range(len(held.classes)), zero_division=np.nan
        )
    )
    axes = figures.axes(figure, 6.4, 1.2 + 0.36 * len(held.classes))
    shades = np.nan_to_num([*scores[:3], scores[3] / scores[3].sum()]).T
    texts = np.array([[*map(_score, of_class[:3]), f"{of_class[3]:,.0f}"] for of_class in scores.T])
    figures.heat_map(axes, shades, texts, figures.short(held.classes), ["precision", "recall", "F1", "rows"])
    values = tuple(known(of_class) for of_class in scores.T)
    return Drawn(
        _of_scores(held, scores) + held.gathered, Matrix(rows=held.classes, columns=SCORES, values=values)
    )


def confusion(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    names, counts = figures.short(held.classes), held.counts
    size = 2.8 + 0.42 * len(names)
    axes = figures.axes(figure, max(6.4, size + 1.4), size)
    figures.heat_map(axes, counts / counts.max(), np.vectorize("{:,}".format)(counts), names, names)
    axes.tick_params(axis="x", rotation=_turn(names))
    axes.set(xlabel="predicted", ylabel="actual")
    return Drawn(_of_confusion(held, counts) + held.gathered, _matrix(held, counts))


def prediction_error(evidence: Evidence, figure: Figure) -> Drawn:
    """Bars of the actual classes, stacked by the predicted ones; colours that come again are hatched."""
    held = evidence.classes
    names, counts = figures.short(held.classes), held.counts
    axes = figures.axes(figure, 6.4 + 0.12 * len(names), 4.4 + _turn(names) / 60)
    bottoms = np.cumsum(counts, axis=1) - counts
    for code, name in enumerate(names):
        axes.bar(
            range(len(names)),
            counts[:, code],
            bottom=bottoms[:, code],
            hatch="//" if code >= len(figures.PALETTE) else None,
            edgecolor="white",
            linewidth=0.5,
            label=name,
        )
    axes.set_xticks(range(len(names)), names, rotation=_turn(names))
    axes.set(xlabel="actual", ylabel="rows", ylim=(0, 1.05 * counts.sum(axis=1).max()))
    axes.grid(False, axis="x")
    figures.legend(axes, "predicted")
    return Drawn(_of_counts(held, counts) + held.gathered, _matrix(held, counts))


def _score(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _matrix(held: HeldClasses, counts: NDArray[Any]) -> Matrix:
    return Matrix(rows=held.classes, columns=held.classes, values=tuple(map(floats, counts)))


def _turn(names: list[str]) -> int:
    """Degrees by which names below an axis are turned so that they do not meet."""
    return 0 if sum(map(len, names)) < 40 else 90


def _of_scores(held: HeldClasses, scores: NDArray[np.float64]) -> str:
    precision, recall, _, support = scores
    right = (held.y == held.predicted).mean()
    worst = int(np.nanargmin(recall))
    hardest = (
        f"Hardest is {held.classes[worst]}: {recall[worst]:.1%} of its {support[worst]:,.0f} rows are found"
    )
    if np.isnan(precision[worst]):
        hardest += ", and no row is called so"
    else:
        hardest += f", and {precision[worst]:.1%} of the rows called so are"
    return f"{right:.1%} of {len(held.y):,} held-out rows are predicted right. {hardest}."


def _of_confusion(held: HeldClasses, counts: NDArray[Any]) -> str:
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return f"None of the {len(held.y):,} held-out rows is taken for another class."
    said = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:2]:
        actual, predicted = np.unravel_index(place, wrong.shape)
        if n := int(wrong[actual, predicted]):
            of = int(counts[actual].sum())
            pair = f"{held.classes[actual]} is taken for {held.classes[predicted]}"
            said.append(f"{pair} in {n:,} of {of:,} rows ({n / of:.1%})")
    return f"{wrong.sum():,} of {len(held.y):,} held-out rows are taken for another class. {', '.join(said)}."


def _of_counts(held: HeldClasses, counts: NDArray[Any]) -> str:
    actual, predicted = counts.sum(axis=1), counts.sum(axis=0)
    more = predicted - actual
    if not more.any():
        return "Each class is predicted as often as it comes."
    most, least = int(more.argmax()), int(more.argmin())
    return (
        f"{held.classes[most]} is predicted too often, {predicted[most]:,} times where it is true of "
        f"{actual[most]:,} rows; {held.classes[least]} too rarely, {predicted[least]:,} times where it is true of "
        f"{actual[least]:,}."
    )
