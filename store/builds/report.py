"""The report of a build: data, decision, weaknesses of the winner, and advice on what to collect next."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from learning.analysis import Analysis
from learning.dataset import Dataset
from learning.evaluation import repeats
from learning.evaluation.learnable import select_learnable
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
from ..snapshots.snapshots import Snapshot
from . import leaderboard as tables
from .builds import Build
from .candidates import FoldScore
from .diagnostics import Diagnostic
from .leaderboard import Competitor, ResultTable

#: Uncertain predictions that the report lists, at most.
MAX_UNCERTAIN = 10
#: A class with a lower recall needs more examples.
LOW_RECALL = 0.8


@dataclass(frozen=True, kw_only=True)
class Weaknesses:
    """Weaknesses of the winner, by its out-of-fold predictions."""

    slices: list[Slice] = field(default_factory=list)
    #: The rows with the largest losses, with the keys of their entities.
    worst_rows: list[tuple[str, WorstRow]] = field(default_factory=list)
    #: Why the weaknesses are not known; else empty.
    unknown: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The content of the page."""

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
    #: Unlabelled predictions of the champion, the least certain first.
    uncertain: list[Prediction]
    #: What to label or collect next, one sentence each.
    advice: list[str]


def build_report(product: DataProduct, number: int | None = None) -> Report:
    """Build the report of a build; by default of the champion's, or of the newest if no version has ever served.

    Raises: NoChampion where no model exists.
    """
    build = _find_build(product, number)
    model = build.model
    assert model is not None
    by_class = tables.by_class(model)
    diagnostics = Diagnostic.objects.of_version(model.pk)
    uncertain = _uncertain(product)
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
        uncertain=uncertain,
        advice=list(_advice(build, by_class, diagnostics, uncertain)),
    )


def _find_build(product: DataProduct, number: int | None) -> Build:
    builds = Build.objects.filter(product=product.name, status=SUCCEEDED, model__isnull=False)
    builds = builds.select_related("snapshot").prefetch_related("model__snapshot")
    if number is not None:
        build = builds.filter(number=number).first()
        subject = f"Build {number} of {product.name}"
    else:
        champion = ModelVersion.objects.champion_of(product.name)
        build = builds.filter(models=champion).first() if champion else builds.order_by("-number").first()
        subject = product.name
    if build is None:
        raise NoChampion(f"{subject} has no model to report on. Build one with ./dev build {product.name}.")
    return build


def _weaknesses(product: DataProduct, build: Build, model: ModelVersion) -> Weaknesses:
    if not product.learns_from_labels:
        return Weaknesses(unknown="A clustering has no labels to compare with.")
    if reason := model.misfit(product):
        return Weaknesses(unknown=reason)
    folds = FoldScore.objects.served(model.candidate_id)
    steps = [fold.predicted() for fold in folds]
    predictions = [step for step in steps if step is not None]
    if len(predictions) < len(steps) or not predictions:
        return Weaknesses(
            unknown="Its out-of-fold predictions were deleted, by retention or with what was erased."
        )
    snapshot = model.snapshot
    try:
        dataset, held_out = _split(product, build, snapshot)
    except LearningError as error:
        return Weaknesses(unknown=str(error))
    held_out = held_out[: len(predictions)]
    if list(map(len, held_out)) != list(map(len, predictions)):
        return Weaknesses(unknown="The problem is declared with other folds today.")
    losses, predicted = error_analysis.row_losses(dataset, np.concatenate(predictions), held_out)
    assert dataset.positions is not None
    keys = np.array(dataset_loader.load_keys(snapshot.table, snapshot.rows))[dataset.positions].tolist()
    return Weaknesses(
        slices=error_analysis.worst_slices(dataset, losses, seed=build.seed),
        worst_rows=[(keys[row.row], row) for row in error_analysis.worst_rows(dataset, losses, predicted)],
    )


def _split(product: DataProduct, build: Build, snapshot: Snapshot) -> tuple[Dataset, list[NDArray[np.intp]]]:
    """Load the examples that a build learned from, and the held-out rows of its final round's folds."""
    learnable = select_learnable(build.problem(), snapshot.dataset(product))
    dataset = repeats.restore(learnable.plan, learnable.dataset, snapshot.analysed)
    return dataset, [rows for _, rows in learnable.plan.split(dataset, "contest")]


def _uncertain(product: DataProduct) -> list[Prediction]:
    """List the champion's unlabelled predictions, the least certain first."""
    if not product.problem.has_classes:
        return []
    champion = ModelVersion.objects.champion_of(product.name)
    by_champion = {"eq": champion.pk} if champion else {}
    unlabelled = Prediction.objects.matching(product, labelled=False, model_id=by_champion)
    return list(unlabelled.order_by("confidence", "pk")[:MAX_UNCERTAIN])


def _advice(
    build: Build, by_class: ResultTable | None, diagnostics: list[Diagnostic], uncertain: list[Prediction]
) -> Iterator[str]:
    yield from _about_classes(by_class)
    if snapshot := build.snapshot:
        if snapshot.unlabelled:
            yield f"{snapshot.unlabelled:,} rows of the snapshot have no label. Each label adds an example."
        yield from map(str, snapshot.undeclared_values)
        if snapshot.incomplete:
            yield f"{snapshot.incomplete:,} rows were left out because a one-to-one row is missing. Add it."
    curve = next((d for d in diagnostics if d.kind == "LEARNING_CURVE" and not d.problem_code), None)
    if curve:
        yield curve.text
    if uncertain:
        yield f"The {len(uncertain)} least certain predictions below have no label. Label these first."


def _about_classes(by_class: ResultTable | None) -> Iterator[str]:
    for label, values in by_class.rows if by_class else ():
        scores: dict[str, float | None] = dict(zip(by_class.columns, values, strict=True)) if by_class else {}
        recall = scores.get("recall")
        if recall is not None and recall < LOW_RECALL:
            yield f"Only {recall:.0%} of {label!r} are recognised. Collect more examples of it, or better features."
