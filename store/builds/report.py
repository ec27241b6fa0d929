"""A build as a report: what was learned from what, why this model, what it is bad at, what to collect next."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learning.analysis import Analysis
from learning.evaluation.folds import FoldPlan
from learning.exceptions import LearningError
from learning.selection import error_analysis
from learning.selection.error_analysis import Slice, WorstRow

from ..exceptions import NoChampion
from ..jobs.jobs import SUCCEEDED
from ..predictions.predictions import Prediction
from ..products.product import DataProduct
from ..registry.promotions import Promotion
from ..registry.versions import ModelVersion
from ..snapshots import dataset_loader
from . import leaderboard as tables
from .builds import Build
from .candidates import CONTEST, FoldScore
from .diagnostics import Diagnostic
from .leaderboard import Competitor, ResultTable

#: Predictions that would be worth labelling, at most; the least sure ones.
UNSURE = 10
#: A class that is found less often than this could do with more examples.
WELL_FOUND = 0.8


@dataclass(frozen=True, kw_only=True)
class Weaknesses:
    """What the winner is bad at, by what its candidate predicted out of fold."""

    segments: list[Slice] = field(default_factory=list)
    #: With the keys of what they are about.
    misses: list[tuple[str, WorstRow]] = field(default_factory=list)
    #: Why nothing is known; empty where it is.
    unknown: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page shows."""

    product: DataProduct
    build: Build
    model: ModelVersion
    promotion: Promotion | None
    analysis: Analysis | None
    leaderboard: list[Competitor]
    by_fold: ResultTable
    by_class: ResultTable | None
    diagnostics: list[Diagnostic]
    weaknesses: Weaknesses
    unsure: list[Prediction]
    #: What would be worth labelling or collecting next, as sentences.
    advice: list[str]


def build_report(product: DataProduct, number: int | None = None) -> Report:
    """The report of a build, or of the champion's. Raises NoChampion where there is no model to report of."""
    build = _build(product, number)
    model = build.model
    assert model is not None
    by_class = tables.by_class(model)
    diagnostics = Diagnostic.objects.of(model.pk)
    unsure = _unsure(product)
    return Report(
        product=product,
        build=build,
        model=ModelVersion.objects.get(pk=model.pk),
        promotion=Promotion.objects.filter(model=model).order_by("-pk").first(),
        analysis=model.snapshot.analysed,
        leaderboard=tables.leaderboard(build),
        by_fold=tables.by_fold(model),
        by_class=by_class,
        diagnostics=diagnostics,
        weaknesses=_weaknesses(product, build, model),
        unsure=unsure,
        advice=list(_advice(build, by_class, diagnostics, unsure)),
    )


def _build(product: DataProduct, number: int | None) -> Build:
    builds = Build.objects.filter(product=product.name, status=SUCCEEDED, model__isnull=False)
    builds = builds.select_related("snapshot").prefetch_related("model__snapshot")
    if number is not None:
        found = builds.filter(number=number).first()
        wanted = f"Build {number} of {product.name}"
    else:
        champion = ModelVersion.objects.champion_of(product.name)
        found = builds.filter(models=champion).first() if champion else None
        wanted = product.name
    if found is None:
        raise NoChampion(f"{wanted} has no model to report of: build one with ./dev build {product.name}.")
    return found


def _weaknesses(product: DataProduct, build: Build, model: ModelVersion) -> Weaknesses:
    if not product.learns_from_labels:
        return Weaknesses(unknown="A clustering has no truth that it could miss.")
    if why := model.misfit(product):
        return Weaknesses(unknown=why)
    folds = list(FoldScore.objects.filter(candidate=model.candidate, round=CONTEST).order_by("fold"))
    steps = [fold.as_step().predictions for fold in folds]
    told = [step for step in steps if step is not None]
    if len(told) < len(steps) or not told:
        return Weaknesses(unknown="Its out-of-fold predictions were deleted by retention.")
    snapshot = model.snapshot
    try:
        dataset = snapshot.dataset(product)
    except LearningError as error:
        return Weaknesses(unknown=str(error))
    held = [rows for _, rows in FoldPlan.of(build.problem(), dataset).split(dataset, "contest")[: len(told)]]
    lost, predicted = error_analysis.row_losses(dataset, np.concatenate(told), held)
    keys = dataset_loader.keys(snapshot.table, snapshot.rows)
    return Weaknesses(
        segments=error_analysis.worst_slices(dataset, lost),
        misses=[(keys[miss.row], miss) for miss in error_analysis.worst_rows(dataset, lost, predicted)],
    )


def _unsure(product: DataProduct) -> list[Prediction]:
    """The newest version's predictions that nobody has labelled, the least sure first."""
    if not product.problem.has_classes:
        return []
    champion = ModelVersion.objects.champion_of(product.name)
    asked = Prediction.objects.matching(product, labelled=False, model=champion.pk if champion else None)
    return list(asked.order_by("confidence", "pk")[:UNSURE])


def _advice(
    build: Build, by_class: ResultTable | None, diagnostics: list[Diagnostic], unsure: list[Prediction]
) -> Iterator[str]:
    yield from _about_classes(by_class)
    if snapshot := build.snapshot:
        if snapshot.unlabelled:
            yield f"{snapshot.unlabelled:,} rows of the snapshot have no label: each that gets one is an example more."
        if snapshot.incomplete:
            yield f"{snapshot.incomplete:,} rows were left out, because a one-to-one row is missing: fill it in."
    curve = next((d for d in diagnostics if d.kind == "LEARNING_CURVE" and not d.problem_code), None)
    if curve:
        yield curve.text
    if unsure:
        yield f"Nobody has labelled the {len(unsure)} least sure predictions below: ask for these first."


def _about_classes(by_class: ResultTable | None) -> Iterator[str]:
    for label, values in by_class.rows if by_class else ():
        of: dict[str, Any] = dict(zip(by_class.columns, values, strict=True)) if by_class else {}
        recall = of.get("recall")
        if recall is not None and recall < WELL_FOUND:
            yield f"Only {recall:.0%} of {label!r} are found: collect more examples of it, or better features."
