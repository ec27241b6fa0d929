"""Charts of a recipe's score by the number of training rows, and by its main hyperparameter."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.model_selection import learning_curve as learn_by_size
from sklearn.model_selection import validation_curve as learn_by_value

from ..estimators.families import Candidate
from ..estimators.families.catalogue import FAMILIES
from ..evaluation.folds import Fold
from . import figures, refit_folds
from .evidence import Chart, Evidence, NothingToDraw
from .recipe import build_recipe, heaviest_member
from .shapes import Curve, Curves, floats

#: Shares of the training rows.
SHARES = (0.1, 0.3, 0.6, 1.0)
#: Names of the curves.
TRAINING, HELD_OUT, FINAL_ROUND = "learned from", "held out", "the winner in the final round"

#: Values of integer hyperparameters, in addition to the candidate's own.
VALUES: Mapping[str, tuple[float, ...]] = {
    "min_samples_leaf": (1, 2, 5, 10, 20),
    "n_neighbors": (1, 3, 5, 10, 20, 40),
}
#: Multiples of the candidate's own value of other hyperparameters; of rates, which are at most 1.
FACTORS, RATES = (0.01, 0.1, 1.0, 10.0, 100.0), (0.1, 0.3, 1.0, 3.0)


def draw_learning_curve(evidence: Evidence, figure: Figure) -> Chart:
    """Draw the score on training and held-out rows by the number of training rows."""
    context, candidate = evidence.context, heaviest_member(evidence.candidate)
    folds = refit_folds.split(evidence, candidate)
    sizes, learned, held_out = learn_by_size(
        build_recipe(context, candidate, evidence.deadline),
        context.dataset.X,
        context.dataset.y,
        cv=folds,
        train_sizes=_sizes(candidate, folds, len(context.dataset.classes)),
        scoring=context.metric,
        error_score="raise",
    )
    axes = figures.add_axes(figure, 7.4)
    curves = _to_curves(floats(sizes), learned, held_out)
    figures.plot(axes, curves, markers=True)
    text, sampling = _describe_sizes(*curves), refit_folds.describe(evidence, folds)
    if sampling:
        final = _final_round_point(evidence)
        _draw_point(axes, final)
        curves, text = (*curves, final), text + _describe_final_round(final)
    else:
        text += _describe_slope(curves[1])
    axes.set(xlabel="training rows", ylabel=context.metric)
    figures.add_legend(axes)
    data = Curves(x_title="training rows", y_title=context.metric, curves=curves)
    return Chart(text + _describe_member(evidence, candidate) + sampling, data)


def draw_validation_curve(evidence: Evidence, figure: Figure) -> Chart:
    """Draw the score on training and held-out rows by the value of the main hyperparameter."""
    context, candidate = evidence.context, heaviest_member(evidence.candidate)
    name = _main(context.task, candidate)
    folds = refit_folds.split(evidence, candidate)
    values = _values(name, candidate.hyperparameters[name], min(len(learn) for learn, _ in folds))
    learned, held_out = learn_by_value(
        build_recipe(context, candidate, evidence.deadline),
        context.dataset.X,
        context.dataset.y,
        param_name="candidate",
        param_range=[_with(candidate, name, value) for value in values],
        cv=folds,
        scoring=context.metric,
        error_score="raise",
    )
    curves = _to_curves(floats(values), learned, held_out)
    axes = figures.add_axes(figure, 7.4)
    figures.plot(axes, curves, markers=True)
    axes.axvline(candidate.hyperparameters[name], color=figures.GREY, linewidth=1, label="the winner's")
    axes.set(xlabel=name, ylabel=context.metric, xscale="log")
    axes.set_xticks(values, [f"{value:.3g}" for value in values])
    axes.set_xticks([], minor=True)
    figures.add_legend(axes)
    data = Curves(x_title=name, y_title=context.metric, curves=curves)
    text = _describe_values(
        name, values, held_out.mean(axis=1), candidate.hyperparameters[name], context.metric
    )
    return Chart(text + _describe_member(evidence, candidate) + refit_folds.describe(evidence, folds), data)


def _sizes(candidate: Candidate, folds: list[Fold], classes: int) -> NDArray[np.intp]:
    """Compute the training sizes; the smallest has rows of each class, and enough neighbours."""
    most = min(len(learn) for learn, _ in folds)
    least = max(30, 12 * classes, candidate.hyperparameters.get("n_neighbors", 0))
    return np.unique([max(min(least, most), int(most * share)) for share in SHARES])


def _main(task: str, candidate: Candidate) -> str:
    main = FAMILIES[task][candidate.family].main
    names = [name for name in main if name in candidate.hyperparameters]
    if not names:
        raise NothingToDraw(f"{candidate} has no main hyperparameter.")
    return names[0]


def _values(name: str, own: float, rows: int) -> list[float]:
    """List the values to fit, ascending, including the candidate's own."""
    if name in VALUES:
        return sorted({own, *(value for value in VALUES[name] if value <= rows // 2)})
    factors = RATES if name == "learning_rate" else FACTORS
    values = {float(f"{own * factor:.4g}") for factor in factors if factor != 1}
    return sorted({own, *(value for value in values if value <= 1 or name != "learning_rate")})


def _with(candidate: Candidate, name: str, value: float) -> Candidate:
    return replace(candidate, hyperparameters=candidate.hyperparameters | {name: value})


def _to_curves(
    x: tuple[float, ...], learned: NDArray[np.float64], held_out: NDArray[np.float64]
) -> tuple[Curve, ...]:
    """Convert scores, `(points, folds)`, to curves of the mean with a band of one standard deviation."""
    return tuple(
        Curve(
            name=name,
            x=x,
            y=floats(scores.mean(axis=1)),
            low=floats(scores.mean(axis=1) - scores.std(axis=1)),
            high=floats(scores.mean(axis=1) + scores.std(axis=1)),
        )
        for name, scores in ((TRAINING, learned), (HELD_OUT, held_out))
    )


def _final_round_point(evidence: Evidence) -> Curve:
    """Compute the winner's score in the final round, on all rows, as one point; fits nothing."""
    assert evidence.predictions is not None
    predictions, held_out = evidence.predictions
    parts = np.split(predictions, np.cumsum([len(rows) for rows in held_out])[:-1])
    scores = np.array(
        [
            evidence.context.score_predictions(part, rows).score
            for part, rows in zip(parts, held_out, strict=True)
        ]
    )
    rows = np.mean([len(learn) for learn, _ in evidence.context.split("contest")[: len(held_out)]])
    mean, std = scores.mean(), scores.std()
    return Curve(
        name=FINAL_ROUND,
        x=floats([rows]),
        y=floats([mean]),
        low=floats([mean - std]),
        high=floats([mean + std]),
    )


def _draw_point(axes: Axes, final: Curve) -> None:
    axes.plot(final.x, final.y, "*", color=figures.PALETTE[2], markersize=11, label=FINAL_ROUND)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda rows, _: f"{rows:,.0f}")
    axes.xaxis.set_minor_formatter("")


def _describe_sizes(learned: Curve, held_out: Curve) -> str:
    return (
        f"With {held_out.x[-1]:,.0f} training rows, the score is {held_out.y[-1]:.3f} on held-out rows and "
        f"{learned.y[-1]:.3f} on the training rows."
    )


def _describe_slope(held_out: Curve) -> str:
    """Describe the end of a curve over all rows, and whether more rows may help."""
    assert held_out.high is not None
    if len(held_out.x) < 2:
        return ""
    gain, noise = held_out.y[-1] - held_out.y[-2], held_out.high[-1] - held_out.y[-1]
    if gain > noise / 2:
        return f" The curve still rises, by {gain:.3f} from {held_out.x[-2]:,.0f} rows on: more examples may help."
    return (
        f" From {held_out.x[-2]:,.0f} rows on it changes by {gain:+.3f}, within the folds' noise: more examples "
        "alone will hardly help."
    )


def _describe_final_round(final: Curve) -> str:
    return f" In the final round, with {final.x[0]:,.0f} training rows, the winner scored {final.y[0]:.3f}."


def _describe_values(
    name: str, values: list[float], mean: NDArray[np.float64], own: float, metric: str
) -> str:
    best = int(np.argmax(mean))
    score = mean[values.index(own)]
    if values[best] == own:
        return f"The winner's {name} = {own:g} is the best of {len(values)} values, {metric} {score:.3f}."
    return (
        f"Of {len(values)} values, {name} = {values[best]:g} scores best, {metric} {mean[best]:.3f}; the "
        f"winner's {own:g} scores {score:.3f}."
    )


def _describe_member(evidence: Evidence, candidate: Candidate) -> str:
    return (
        ""
        if candidate == evidence.candidate
        else f" The chart is of the ensemble's heaviest member, {candidate.family}."
    )
