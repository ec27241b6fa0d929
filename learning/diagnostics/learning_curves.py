"""Charts of how a recipe's score changes with the rows that it learns from, and with its main hyperparameter."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.model_selection import learning_curve as learn_by_size
from sklearn.model_selection import validation_curve as learn_by_value

from ..estimators.families import Candidate
from ..evaluation.folds import Fold
from . import figures, refit_folds
from .evidence import Drawn, Evidence, NothingToDraw
from .recipe import heaviest, recipe
from .shapes import Curve, Curves, floats

#: Shares of the rows to learn from.
SHARES = (0.1, 0.3, 0.6, 1.0)
LEARNED, HELD_OUT, CONTEST = "learned from", "held out", "the winner in the contest"

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
    context, candidate = evidence.context, heaviest(evidence.candidate)
    folds = refit_folds.folds(evidence, candidate)
    sizes, learned, held_out = learn_by_size(
        recipe(context, candidate, evidence.deadline),
        context.dataset.X,
        context.dataset.y,
        cv=folds,
        train_sizes=_sizes(candidate, folds, len(context.dataset.classes)),
        scoring=context.metric,
        error_score="raise",
    )
    axes = figures.axes(figure, 7.4)
    shown = _both(floats(sizes), learned, held_out)
    figures.plot(axes, shown, markers=True)
    text, sampled = _of_sizes(*shown), refit_folds.sampled(evidence, folds)
    if sampled:
        contest = _of_contest(evidence)
        _point(axes, contest)
        shown, text = (*shown, contest), text + _of_whole(contest)
    else:
        text += _of_end(shown[1])
    axes.set(xlabel="rows to learn from", ylabel=context.metric)
    figures.legend(axes)
    data = Curves(x_title="rows to learn from", y_title=context.metric, curves=shown)
    return Drawn(text + _whose(evidence, candidate) + sampled, data)


def validation_curve(evidence: Evidence, figure: Figure) -> Drawn:
    context, candidate = evidence.context, heaviest(evidence.candidate)
    name = _main(candidate)
    folds = refit_folds.folds(evidence, candidate)
    values = _values(name, candidate.hyperparameters[name], min(len(learn) for learn, _ in folds))
    learned, held_out = learn_by_value(
        recipe(context, candidate, evidence.deadline),
        context.dataset.X,
        context.dataset.y,
        param_name="candidate",
        param_range=[_with(candidate, name, value) for value in values],
        cv=folds,
        scoring=context.metric,
        error_score="raise",
    )
    shown = _both(floats(values), learned, held_out)
    axes = figures.axes(figure, 7.4)
    figures.plot(axes, shown, markers=True)
    axes.axvline(candidate.hyperparameters[name], color=figures.GREY, linewidth=1, label="the winner's")
    axes.set(xlabel=name, ylabel=context.metric, xscale="log")
    axes.set_xticks(values, [f"{value:.3g}" for value in values])
    axes.set_xticks([], minor=True)
    figures.legend(axes)
    data = Curves(x_title=name, y_title=context.metric, curves=shown)
    text = _of_values(name, values, held_out.mean(axis=1), candidate.hyperparameters[name], context.metric)
    return Drawn(text + _whose(evidence, candidate) + refit_folds.sampled(evidence, folds), data)


def _sizes(candidate: Candidate, folds: list[Fold], classes: int) -> NDArray[np.intp]:
    """Enough for a tenth of them to hold each class, and for the neighbours that are asked for."""
    most = min(len(learn) for learn, _ in folds)
    least = max(30, 12 * classes, candidate.hyperparameters.get("n_neighbors", 0))
    return np.unique([max(min(least, most), int(most * share)) for share in SHARES])


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
        for name, scores in ((LEARNED, learned), (HELD_OUT, held_out))
    )


def _of_contest(evidence: Evidence) -> Curve:
    """The winner's score on all rows of the contest's folds, for which nothing is fitted: one point."""
    assert evidence.predictions is not None
    told, held_out = evidence.predictions
    parts = np.split(told, np.cumsum([len(rows) for rows in held_out])[:-1])
    scores = np.array(
        [
            evidence.context.score_predictions(part, rows).score
            for part, rows in zip(parts, held_out, strict=True)
        ]
    )
    rows = np.mean([len(learn) for learn, _ in evidence.context.split("contest")[: len(held_out)]])
    mean, std = scores.mean(), scores.std()
    return Curve(
        name=CONTEST, x=floats([rows]), y=floats([mean]), low=floats([mean - std]), high=floats([mean + std])
    )


def _point(axes: Axes, contest: Curve) -> None:
    axes.plot(contest.x, contest.y, "*", color=figures.PALETTE[2], markersize=11, label=CONTEST)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda rows, _: f"{rows:,.0f}")
    axes.xaxis.set_minor_formatter("")


def _of_sizes(learned: Curve, held_out: Curve) -> str:
    return (
        f"Learned from {held_out.x[-1]:,.0f} rows, held-out ones score {held_out.y[-1]:.3f}, those learned from "
        f"{learned.y[-1]:.3f}."
    )


def _of_end(held_out: Curve) -> str:
    """Whether more rows might help, where the curve has all there are."""
    assert held_out.high is not None
    if len(held_out.x) < 2:
        return ""
    gain, noise = held_out.y[-1] - held_out.y[-2], held_out.high[-1] - held_out.y[-1]
    if gain > noise / 2:
        return f" The curve still rises, by {gain:.3f} from {held_out.x[-2]:,.0f} rows on: more examples would help."
    return (
        f" From {held_out.x[-2]:,.0f} rows on it changes by {gain:+.3f}, within the folds' noise: more examples "
        "alone would hardly help."
    )


def _of_whole(contest: Curve) -> str:
    return f" In the contest, learned from {contest.x[0]:,.0f} rows, the winner scored {contest.y[0]:.3f}."


def _of_values(name: str, values: list[float], mean: NDArray[np.float64], own: float, metric: str) -> str:
    best = int(np.argmax(mean))
    score = mean[values.index(own)]
    if values[best] == own:
        return f"The winner's {name} = {own:g} is the best of {len(values)} that were tried, {metric} {score:.3f}."
    return (
        f"Of {len(values)} that were tried, {name} = {values[best]:g} scores best, {metric} {mean[best]:.3f}; the "
        f"winner's {own:g} scores {score:.3f}."
    )


def _whose(evidence: Evidence, candidate: Candidate) -> str:
    return (
        "" if candidate == evidence.candidate else f" Of the ensemble's heaviest member, {candidate.family}."
    )
