"""Charts of predicted classes against true classes."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from . import figures
from .evidence import Chart, Evidence
from .out_of_fold import OutOfFoldClasses
from .shapes import Matrix, finite_or_none, floats

SCORES = ("precision", "recall", "f1", "support")


def draw_report(evidence: Evidence, figure: Figure) -> Chart:
    """Draw precision, recall, F1 and rows of each class."""
    gathered = evidence.classes
    scores = np.array(
        precision_recall_fscore_support(
            gathered.y, gathered.predicted, labels=range(len(gathered.classes)), zero_division=np.nan
        )
    )
    axes = figures.add_axes(figure, 6.4, 1.2 + 0.36 * len(gathered.classes))
    shades = np.nan_to_num([*scores[:3], scores[3] / scores[3].sum()]).T
    texts = np.array(
        [[*map(_format, class_scores[:3]), f"{class_scores[3]:,.0f}"] for class_scores in scores.T]
    )
    figures.draw_matrix(
        axes, shades, texts, figures.shorten(gathered.classes), ["precision", "recall", "F1", "rows"]
    )
    values = tuple(finite_or_none(class_scores) for class_scores in scores.T)
    return Chart(
        _describe_scores(gathered, scores) + gathered.merging,
        Matrix(rows=gathered.classes, columns=SCORES, values=values),
    )


def draw_confusion(evidence: Evidence, figure: Figure) -> Chart:
    """Draw the confusion matrix."""
    gathered = evidence.classes
    names, counts = figures.shorten(gathered.classes), gathered.counts
    size = 2.8 + 0.42 * len(names)
    axes = figures.add_axes(figure, max(6.4, size + 1.4), size)
    figures.draw_matrix(axes, counts / counts.max(), np.vectorize("{:,}".format)(counts), names, names)
    axes.tick_params(axis="x", rotation=_label_rotation(names))
    axes.set(xlabel="predicted", ylabel="actual")
    return Chart(_describe_confusion(gathered, counts) + gathered.merging, _matrix(gathered, counts))


def draw_prediction_error(evidence: Evidence, figure: Figure) -> Chart:
    """Draw bars of the true classes, stacked by predicted classes; repeated colours are hatched."""
    gathered = evidence.classes
    names, counts = figures.shorten(gathered.classes), gathered.counts
    axes = figures.add_axes(figure, 6.4 + 0.12 * len(names), 4.4 + _label_rotation(names) / 60)
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
    axes.set_xticks(range(len(names)), names, rotation=_label_rotation(names))
    axes.set(xlabel="actual", ylabel="rows", ylim=(0, 1.05 * counts.sum(axis=1).max()))
    axes.grid(False, axis="x")
    figures.add_legend(axes, "predicted")
    return Chart(_describe_counts(gathered, counts) + gathered.merging, _matrix(gathered, counts))


def _format(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _matrix(gathered: OutOfFoldClasses, counts: NDArray[np.int64]) -> Matrix:
    return Matrix(rows=gathered.classes, columns=gathered.classes, values=tuple(map(floats, counts)))


def _label_rotation(names: list[str]) -> int:
    """Return the rotation in degrees that keeps labels below an axis apart."""
    return 0 if sum(map(len, names)) < 40 else 90


def _describe_scores(gathered: OutOfFoldClasses, scores: NDArray[np.float64]) -> str:
    precision, recall, _, support = scores
    right = (gathered.y == gathered.predicted).mean()
    worst = int(np.nanargmin(recall))
    hardest = (
        f"The hardest class is {gathered.classes[worst]}: {recall[worst]:.1%} of its {support[worst]:,.0f} rows "
        "are predicted as such"
    )
    if np.isnan(precision[worst]):
        hardest += ", and no row is predicted as such"
    else:
        hardest += f", and {precision[worst]:.1%} of the rows predicted as such are"
    return f"{right:.1%} of {len(gathered.y):,} held-out rows are predicted correctly. {hardest}."


def _describe_confusion(gathered: OutOfFoldClasses, counts: NDArray[np.int64]) -> str:
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return f"None of the {len(gathered.y):,} held-out rows is predicted as another class."
    pairs = []
    for index in np.argsort(-wrong, axis=None, kind="stable")[:2]:
        actual, predicted = np.unravel_index(index, wrong.shape)
        if n := int(wrong[actual, predicted]):
            total = int(counts[actual].sum())
            pair = f"{gathered.classes[actual]} is predicted as {gathered.classes[predicted]}"
            pairs.append(f"{pair} in {n:,} of {total:,} rows ({n / total:.1%})")
    return (
        f"{wrong.sum():,} of {len(gathered.y):,} held-out rows are predicted as another class. "
        f"{', '.join(pairs)}."
    )


def _describe_counts(gathered: OutOfFoldClasses, counts: NDArray[np.int64]) -> str:
    actual, predicted = counts.sum(axis=1), counts.sum(axis=0)
    excess = predicted - actual
    if not excess.any():
        return "Each class is predicted as often as it occurs."
    most, least = int(excess.argmax()), int(excess.argmin())
    return (
        f"{gathered.classes[most]} is predicted too often, {predicted[most]:,} times for "
        f"{actual[most]:,} rows; {gathered.classes[least]} too rarely, {predicted[least]:,} times for "
        f"{actual[least]:,} rows."
    )
