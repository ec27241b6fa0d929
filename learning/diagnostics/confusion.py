"""Charts of which class was told where another was true."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from . import figures, yellowbrick_charts
from .evidence import Drawn, Evidence
from .out_of_fold import HeldClasses
from .shapes import Matrix, floats, known

SCORES = ("precision", "recall", "f1", "support")


def report(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    axes = figures.axes(figure, 6.4, 1.2 + 0.36 * len(held.classes))
    visualizer = yellowbrick_charts.fed(
        yellowbrick_charts.ClassificationReport,
        held,
        figure,
        axes,
        support="count",
        colorbar=False,
        cmap=figures.SEQUENCE,
    )
    visualizer.score(held.places, held.y)
    _rows(axes, held.classes)
    axes.invert_yaxis()
    axes.set_xticklabels(["precision", "recall", "F1", "rows"], rotation=0)
    scores = np.array(
        precision_recall_fscore_support(
            held.y, held.predicted, labels=range(len(held.classes)), zero_division=np.nan
        )
    )
    values = tuple(known(of_class) for of_class in scores.T)
    return Drawn(
        _of_scores(held, scores) + held.gathered, Matrix(rows=held.classes, columns=SCORES, values=values)
    )


def confusion(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    size = 2.8 + 0.42 * len(held.classes)
    axes = figures.axes(figure, max(6.4, size + 1.4), size)
    visualizer = yellowbrick_charts.fed(
        yellowbrick_charts.ConfusionMatrix, held, figure, axes, cmap=figures.SEQUENCE, fontsize=9
    )
    visualizer.score(held.places, held.y)
    names = figures.short(held.classes)
    axes.set_xticklabels(names, rotation=_turn(names), ha="center")
    axes.set_yticklabels(names[::-1])
    axes.set(xlabel="predicted", ylabel="actual")
    axes.grid(False)
    counts = np.asarray(visualizer.confusion_matrix_)
    return Drawn(_of_confusion(held, counts) + held.gathered, _matrix(held, counts))


def prediction_error(evidence: Evidence, figure: Figure) -> Drawn:
    held = evidence.classes
    names = figures.short(held.classes)
    axes = figures.axes(figure, 6.4 + 0.12 * len(names), 4.4 + _turn(names) / 60)
    counts = np.zeros((len(held.classes),) * 2, dtype=np.int64)
    np.add.at(counts, (held.y, held.predicted), 1)
    visualizer = yellowbrick_charts.fed(yellowbrick_charts.ClassPredictionError, held, figure, axes)
    # Counted here and turned: Yellowbrick fails to count since scikit-learn checks targets in another way, and stacks
    # each bar of the class that was predicted, but titles it the actual one.
    visualizer.predictions_ = counts.T
    visualizer.draw()
    axes.set_xticklabels(names, rotation=_turn(names))
    axes.set(xlabel="actual", ylabel="rows")
    axes.grid(False, axis="x")
    _hatched(axes, names)
    return Drawn(_of_counts(held, counts) + held.gathered, _matrix(held, counts))


def _matrix(held: HeldClasses, counts: NDArray[Any]) -> Matrix:
    return Matrix(rows=held.classes, columns=held.classes, values=tuple(map(floats, counts)))


def _rows(axes: Axes, classes: tuple[str, ...]) -> None:
    axes.set_yticks(np.arange(len(classes)) + 0.5, figures.short(classes))
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _turn(names: list[str]) -> int:
    """Degrees by which names below an axis are turned so that they do not meet."""
    return 0 if sum(map(len, names)) < 40 else 90


def _hatched(axes: Axes, names: list[str]) -> None:
    """Where colours come again, the second time with stripes."""
    for place, bars in enumerate(axes.containers):
        for bar in bars:
            bar.set(edgecolor="white", linewidth=0.5, hatch="//" if place >= len(figures.PALETTE) else None)
    handles = [bars[0] for bars in axes.containers]
    axes.legend(
        handles, names, title="predicted", loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0
    )


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
