"""Charts for which the winner's recipe is fitted anew, on some of the rows of the contest's folds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance
from sklearn.model_selection import learning_curve as learn_by_size
from sklearn.model_selection import validation_curve as learn_by_value

from ..families import Candidate
from ..folds import Fold
from . import figures, yellow
from .evidence import Drawn, Evidence, NothingToDraw, drawn_from
from .recipe import heaviest, recipe
from .shapes import Bars, Curve, Curves, floats

#: Folds that curves are measured on.
FOLDS = 3
#: Shares of the rows to learn from.
SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
#: Rows of each class that come first, so that the smallest share has them too: as many as inner folds.
FIRST = 5
#: How often a column is shuffled; of many columns less often, so that there are about as many predictions.
REPEATS, SHUFFLES = 5, 150
#: Features that a picture has room for.
MOST_FEATURES = 30

#: A family's main hyperparameter; of several, the one that a candidate has.
MAIN: Mapping[str, tuple[str, ...]] = {
    "linear": ("C", "alpha"),
    "boosting": ("learning_rate",),
    "extra_trees": ("min_samples_leaf",),
    "forest": ("min_samples_leaf",),
    "svm": ("C",),
    "kernel_svm": ("C",),
    "naive_bayes": ("alpha", "var_smoothing"),
    "neighbours": ("n_neighbors",),
    "mlp": ("alpha",),
    "lightgbm": ("learning_rate",),
    "xgboost": ("learning_rate",),
    "catboost": ("learning_rate",),
}
#: What is tried of whole numbers, beside the candidate's own.
VALUES: Mapping[str, tuple[float, ...]] = {
    "min_samples_leaf": (1, 2, 5, 10, 20),
    "n_neighbors": (1, 3, 5, 10, 20, 40),
}
#: What is tried of all others: so many times the candidate's own, and of rates that are 1 at most.
FACTORS, RATES = (0.01, 0.1, 1.0, 10.0, 100.0), (0.1, 0.3, 1.0, 3.0)


def learning_curve(evidence: Evidence, figure: Figure) -> Drawn:
    bench, candidate = evidence.bench, heaviest(evidence.candidate)
    folds = _folds(evidence)
    sizes, learned, held_out = learn_by_size(
        recipe(bench, candidate, evidence.deadline),
        bench.dataset.X,
        bench.dataset.y,
        cv=folds,
        train_sizes=_sizes(evidence, folds),
        scoring=bench.metric,
        error_score="raise",
    )
    axes = figures.axes(figure, 7.4)
    visualizer = yellow.LearningCurve(recipe(bench, candidate, None), ax=axes, fig=figure)
    visualizer.train_sizes_ = sizes
    _draw(visualizer, learned, held_out)
    _finish(axes, "rows to learn from", bench.metric)
    data = Curves(
        x_title="rows to learn from", y_title=bench.metric, curves=_both(floats(sizes), learned, held_out)
    )
    text = _of_sizes(sizes, held_out.mean(axis=1), held_out.std(axis=1), learned.mean(axis=1))
    return Drawn(text + _whose(evidence, candidate) + _sampled(evidence, folds), data)


def validation_curve(evidence: Evidence, figure: Figure) -> Drawn:
    bench, candidate = evidence.bench, heaviest(evidence.candidate)
    name = _main(candidate)
    folds = _folds(evidence)
    values = _values(name, candidate.hyperparameters[name], min(len(learn) for learn, _ in folds))
    learned, held_out = learn_by_value(
        recipe(bench, candidate, evidence.deadline),
        bench.dataset.X,
        bench.dataset.y,
        param_name="candidate",
        param_range=[_with(candidate, name, value) for value in values],
        cv=folds,
        scoring=bench.metric,
        error_score="raise",
    )
    axes = figures.axes(figure, 7.4)
    visualizer = yellow.ValidationCurve(
        recipe(bench, candidate, None), param_name=name, param_range=values, logx=True, ax=axes, fig=figure
    )
    _draw(visualizer, learned, held_out)
    axes.axvline(candidate.hyperparameters[name], color=figures.GREY, linewidth=1, label="the winner's")
    _finish(axes, name, bench.metric)
    axes.set_xticks(values, [f"{value:.3g}" for value in values])
    axes.set_xticks([], minor=True)
    data = Curves(x_title=name, y_title=bench.metric, curves=_both(floats(values), learned, held_out))
    text = _of_values(name, values, held_out.mean(axis=1), candidate.hyperparameters[name], bench.metric)
    return Drawn(text + _whose(evidence, candidate) + _sampled(evidence, folds), data)


def importances(evidence: Evidence, figure: Figure) -> Drawn:
    """How far the metric falls on held-out rows when one column is shuffled (Breiman, Random Forests, 2001)."""
    bench = evidence.bench
    X, y = bench.dataset.X, bench.dataset.y
    assert y is not None
    folds = _folds(evidence)
    learn, held_out = folds[0]
    found = permutation_importance(
        recipe(bench, evidence.candidate, evidence.deadline).fit(X.iloc[learn], y[learn]),
        X.iloc[held_out],
        y[held_out],
        scoring=bench.metric,
        n_repeats=max(1, min(REPEATS, SHUFFLES // X.shape[1])),
        random_state=bench.seed % 2**31,
    )
    names = [str(name) for name in X.columns]
    order = np.argsort(-found.importances_mean, kind="stable")
    _bars(figure, names, order[:MOST_FEATURES], found.importances_mean, found.importances_std, bench.metric)
    mean, std = found.importances_mean[order], found.importances_std[order]
    data = Bars(
        names=tuple(names[place] for place in order),
        values=floats(mean),
        low=floats(mean - std),
        high=floats(mean + std),
    )
    return Drawn(_of_importances(data, bench.metric) + _sampled(evidence, folds[:1]), data)


def _folds(evidence: Evidence) -> list[Fold]:
    """Some rows of the contest's first folds, those to learn from in an order of which any beginning will do."""
    found = []
    for fold, (learn, held_out) in enumerate(evidence.bench.split("contest")[:FOLDS]):
        random = np.random.default_rng([evidence.bench.seed, fold])
        most = evidence.rows // 2
        held = np.sort(_ordered(evidence, random.permutation(held_out))[:most])
        found.append((_ordered(evidence, random.permutation(learn))[:most], held))
    return found


def _ordered(evidence: Evidence, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows in random order, put so that each beginning has classes in proportion, and a few of each class at least."""
    dataset = evidence.bench.dataset
    if not dataset.classes or dataset.y is None:
        return rows
    place = np.empty(len(rows))
    for code in range(len(dataset.classes)):
        mine = np.flatnonzero(dataset.y[rows] == code)
        place[mine] = (np.arange(len(mine)) + 0.5) / max(1, len(mine))
        place[mine[:FIRST]] = 0.0
    return rows[np.argsort(place, kind="stable")]


def _sizes(evidence: Evidence, folds: list[Fold]) -> NDArray[np.intp]:
    most = min(len(learn) for learn, _ in folds)
    least = min(most, max(20, FIRST * len(evidence.bench.dataset.classes)))
    return np.unique([max(least, int(most * share)) for share in SHARES])


def _main(candidate: Candidate) -> str:
    names = [name for name in MAIN.get(candidate.family, ()) if name in candidate.hyperparameters]
    if not names:
        raise NothingToDraw(f"{candidate} has no hyperparameter that a curve could be drawn of.")
    return names[0]


def _values(name: str, own: float, rows: int) -> list[float]:
    """What is tried with this many rows to learn from, in ascending order."""
    if name in VALUES:
        return sorted({own, *(value for value in VALUES[name] if value <= rows // 2)})
    factors = RATES if name == "learning_rate" else FACTORS
    tried = {float(f"{own * factor:.4g}") for factor in factors if factor != 1}
    return sorted({own, *(value for value in tried if value <= 1 or name != "learning_rate")})


def _with(candidate: Candidate, name: str, value: float) -> Candidate:
    return replace(candidate, hyperparameters=candidate.hyperparameters | {name: value})


def _draw(visualizer: Any, learned: NDArray[np.float64], held_out: NDArray[np.float64]) -> None:
    """What was measured before: by itself Yellowbrick would go on without the fits that fail."""
    for name, scores in (("train", learned), ("test", held_out)):
        setattr(visualizer, f"{name}_scores_mean_", scores.mean(axis=1))
        setattr(visualizer, f"{name}_scores_std_", scores.std(axis=1))
    visualizer.draw()


def _finish(axes: Axes, x: str, metric: str) -> None:
    for line, name, marker in zip(axes.lines, ("learned from", "held out"), "os", strict=False):
        line.set(label=name, marker=marker, markersize=5)
    figures.unlike(axes)
    figures.legend(axes)
    axes.set(xlabel=x, ylabel=metric)


def _both(
    x: tuple[float, ...], learned: NDArray[np.float64], held_out: NDArray[np.float64]
) -> tuple[Curve, ...]:
    """Means over the folds, and a standard deviation to either side."""
    return tuple(
        Curve(
            name=name,
            x=x,
            y=floats(scores.mean(axis=1)),
            low=floats(scores.mean(axis=1) - scores.std(axis=1)),
            high=floats(scores.mean(axis=1) + scores.std(axis=1)),
        )
        for name, scores in (("learned from", learned), ("held out", held_out))
    )


def _bars(
    figure: Figure,
    names: list[str],
    order: NDArray[np.intp],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    metric: str,
) -> None:
    axes = figures.axes(figure, 6.8, 1.4 + 0.24 * len(order))
    visualizer = yellow.FeatureImportances(
        yellow.Ranked(mean[order]),
        ax=axes,
        fig=figure,
        labels=figures.short([names[place] for place in order]),
        relative=False,
        colors=[figures.PALETTE[0]],
        is_fitted=True,
    )
    visualizer.fit(np.empty((0, len(order))))
    # Yellowbrick sorts them once more, the least first.
    places = np.arange(len(order)) + 0.5
    axes.errorbar(
        mean[order][::-1], places, xerr=std[order][::-1], fmt="none", ecolor=figures.GREY, linewidth=1
    )
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=f"fall of {metric} when shuffled", ylim=(0, len(order)))


def _of_sizes(
    sizes: NDArray[np.intp],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    learned: NDArray[np.float64],
) -> str:
    last = f"Learned from {sizes[-1]:,} rows, held-out ones score {mean[-1]:.3f}, those learned from {learned[-1]:.3f}."
    if len(sizes) < 2:
        return last
    gain = mean[-1] - mean[-2]
    if gain > std[-1] / 2 and gain > 0:
        return f"{last} The curve still rises, by {gain:.3f} from {sizes[-2]:,} rows on: more examples would help."
    return (
        f"{last} From {sizes[-2]:,} rows on the curve changes by {gain:+.3f}, within the folds' noise: "
        "more examples alone would hardly help."
    )


def _of_values(name: str, values: list[float], mean: NDArray[np.float64], own: float, metric: str) -> str:
    best = int(np.argmax(mean))
    score = mean[values.index(own)]
    if values[best] == own:
        return f"The winner's {name} = {own:g} is the best of {len(values)} that were tried, {metric} {score:.3f}."
    return (
        f"Of {len(values)} that were tried, {name} = {values[best]:g} scores best, {metric} {mean[best]:.3f}; the "
        f"winner's {own:g} scores {score:.3f}."
    )


def _of_importances(bars: Bars, metric: str) -> str:
    values = np.array(bars.values, dtype=np.float64)
    idle = int((values <= np.array(bars.high) - values).sum())
    few = f" The {MOST_FEATURES} most important are drawn." if len(values) > MOST_FEATURES else ""
    second = f", then {bars.names[1]} ({values[1]:.3g})" if len(values) > 1 else ""
    return (
        f"{bars.names[0]} matters most: {metric} falls by {values[0]:.3g} when it is shuffled{second}. "
        f"{idle} of {len(values)} features make no difference beyond chance by themselves.{few}"
    )


def _whose(evidence: Evidence, candidate: Candidate) -> str:
    return (
        "" if candidate == evidence.candidate else f" Of the ensemble's heaviest member, {candidate.family}."
    )


def _sampled(evidence: Evidence, folds: list[Fold]) -> str:
    rows = np.unique(np.concatenate([part for fold in folds for part in fold]))
    return drawn_from(len(rows), len(evidence.bench.dataset))
