"""Tables of model versions: recipes by what differs, scores by fold and by class, and their differences."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from store.builds.leaderboard import sort_metrics

from .api import JSONObject
from .templatetags.registry import SUPPORT, family, is_loss, metric_title, parameter


@dataclass(frozen=True)
class ModelRow:
    """One line of a table: a title, and a value of each column."""

    title: str
    values: Sequence[Any]
    #: True where the values of versions differ.
    differs: bool = False


@dataclass(frozen=True)
class ScoreRow:
    """One metric of two or three versions: the means, and how the others differ from the first, fold by fold."""

    title: str
    values: Sequence[float | None]
    differences: Sequence["Difference | None"] = ()


@dataclass(frozen=True)
class Difference:
    """The mean difference of two versions over the same folds: of the second less the first."""

    mean: float
    #: The folds on which the second is better.
    better: int
    folds: int


def by_fold(model: JSONObject) -> tuple[list[str], list[ModelRow]]:
    """Return the columns and the rows of the scores of a version by fold: each metric with its mean."""
    folds = sorted({each["fold"] for each in model["folds"]})
    values = {(each["metric"], each["fold"]): each["value"] for each in (*model["means"], *model["folds"])}
    names = sort_metrics((each["metric"] for each in model["means"]), model["metric"])
    rows = [
        ModelRow(metric_title(name), [values.get((name, fold)) for fold in (None, *folds)]) for name in names
    ]
    return ["Mean", *(f"Fold {fold + 1}" for fold in folds)], rows


def by_class(model: JSONObject, titles: dict[str, str]) -> tuple[list[str], list[ModelRow]]:
    """Return the columns and the rows of the scores of a version by class, as means over the folds."""
    names = list(dict.fromkeys(each["metric"] for each in model["classes"]))
    values = {(each["label"], each["metric"]): each["value"] for each in model["classes"]}
    labels = list(dict.fromkeys(each["label"] for each in model["classes"]))
    rows = [
        ModelRow(titles.get(label, label), [values.get((label, name)) for name in names]) for label in labels
    ]
    return [metric_title(name) for name in names], rows


def compare_recipes(models: Sequence[JSONObject]) -> list[ModelRow]:
    """List what versions were made from and by, what differs first."""
    sides = [dict(_describe(model)) for model in models]
    names = list(dict.fromkeys(name for side in sides for name in side))
    rows = []
    for name in names:
        values = [side.get(name) for side in sides]
        rows.append(ModelRow(name, values, any(value != values[0] for value in values)))
    return sorted(rows, key=lambda row: not row.differs)


def _describe(model: JSONObject) -> Iterable[tuple[str, str]]:
    yield "Family", family(model["family"])
    for each in model["hyperparameters"]:
        yield each["name"].replace("_", " "), parameter(each["value"])
    snapshot, build, calibration = model["snapshot"], model["build"], model["calibration"]
    yield "Snapshot", f"{snapshot['number']}" if snapshot else "–"
    yield "Examples", f"{snapshot['rows'] - snapshot['unlabelled']:,}" if snapshot else "–"
    yield "Build", f"{build['number']}" if build else "–"
    yield "Seed", f"{build['seed']}" if build else "–"
    yield "Calibration", f"temperature {parameter(calibration['temperature'])}" if calibration else "none"
    yield "Runtime", model["runtime"]
    yield "Early", "yes" if model["early"] else "no"


def share_rows(models: Sequence[JSONObject]) -> bool:
    """Return whether versions were scored on folds of the same examples, so that scores can be paired."""
    prints = {model["snapshot"]["fingerprint"] if model["snapshot"] else None for model in models}
    counts = {len({each["fold"] for each in model["folds"]}) for model in models}
    return len(prints) == 1 and None not in prints and len(counts) == 1


def compare_scores(models: Sequence[JSONObject], metric: str) -> list[ScoreRow]:
    """List the means of each metric that all versions have, with paired differences where folds are shared."""
    means = [{each["metric"]: each["value"] for each in model["means"]} for model in models]
    names = sort_metrics((name for name in means[0] if all(name in each for each in means)), metric)
    paired = share_rows(models)
    return [
        ScoreRow(
            metric_title(name),
            [each[name] for each in means],
            [_difference(models[0], other, name) if paired else None for other in models[1:]],
        )
        for name in names
    ]


def compare_classes(models: Sequence[JSONObject], titles: dict[str, str]) -> list[ScoreRow]:
    """List the means of each class and metric of versions."""
    sides = [
        {(each["label"], each["metric"]): each["value"] for each in model["classes"]} for model in models
    ]
    keys = [key for key in sides[0] if key[1] != SUPPORT and all(key in side for side in sides)]
    return [
        ScoreRow(f"{titles.get(label, label)}: {metric_title(name)}", [side[label, name] for side in sides])
        for label, name in sorted(
            keys, key=lambda key: list(titles).index(key[0]) if key[0] in titles else len(titles)
        )
    ]


def _difference(first: JSONObject, second: JSONObject, metric: str) -> Difference | None:
    sides = [
        {each["fold"]: each["value"] for each in model["folds"] if each["metric"] == metric}
        for model in (first, second)
    ]
    pairs = [(sides[0][fold], sides[1].get(fold)) for fold in sides[0]]
    values = [b - a for a, b in pairs if a is not None and b is not None]
    if not values:
        return None
    better = sum(value < 0 if is_loss(metric) else value > 0 for value in values)
    return Difference(fmean(values), better, len(values))


def pair_pictures(models: Sequence[JSONObject]) -> list[tuple[str, list[JSONObject | None]]]:
    """List the titles of pictures with those of each version; None where a version has no such picture."""
    sides = [{each["kind"]: each for each in model["diagnostics"] or ()} for model in models]
    kinds = dict.fromkeys(kind for side in sides for kind in side)
    return [
        (next(side[kind]["title"] for side in sides if kind in side), [side.get(kind) for side in sides])
        for kind in kinds
    ]


def titles_of(labels: Sequence[JSONObject] | None) -> dict[str, str]:
    """Map the values of labels, as texts, to their titles."""
    return {
        each["value"] if isinstance(each["value"], str) else json.dumps(each["value"]): each["title"]
        for each in labels or ()
    }
