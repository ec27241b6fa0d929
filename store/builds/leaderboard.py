"""Leaderboard and score tables of a build, in few queries, for the admin and the report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Avg, F, Q, QuerySet, Sum

from ..registry.versions import ModelVersion
from .builds import Build
from .candidates import CONTEST, Candidate, Measurement, Score

#: Metrics that tables list first.
FAMILIAR_METRICS = ("roc_auc", "roc_auc_ovr", "r2", "silhouette", "accuracy", "balanced_accuracy", "f1_macro")


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """One line of the leaderboard."""

    candidate: Candidate
    #: "linear (C=1.0)".
    recipe: str
    #: Mean over the folds of the search, which selected the candidate.
    search_score: float | None
    #: Mean over the fresh folds of the final round, which is reported.
    final_score: float | None
    seconds: float | None
    #: The version that was fitted from it.
    model: ModelVersion | None
    #: "won", "registered", "champion's recipe", "out: …"; empty for all others.
    remark: str


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """Numbers by row and column; None where a number is missing."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]


def leaderboard(build: Build) -> list[Competitor]:
    """List the candidates, the best first: by the final round, then by the search."""
    candidates = _with_scores(build.candidates.all())
    models = {model.candidate_id: model for model in build.models.all()}
    competitors = [_competitor(candidate, models.get(candidate.pk), build) for candidate in candidates]
    return sorted(
        competitors, key=lambda c: (_rank(c.final_score), _rank(c.search_score), c.candidate.position)
    )


def _with_scores(candidates: QuerySet[Candidate]) -> QuerySet[Candidate]:
    return candidates.annotate(
        final_score=Avg("folds__score", filter=Q(folds__round=CONTEST)),
        total_seconds=Sum(F("folds__fit_seconds") + F("folds__predict_seconds")),
    )


def _competitor(candidate: Any, model: ModelVersion | None, build: Build) -> Competitor:
    return Competitor(
        candidate=candidate,
        recipe=str(candidate.recipe),
        search_score=candidate.score,
        final_score=candidate.final_score,
        seconds=candidate.total_seconds,
        model=model,
        remark=_remark(candidate, model, build),
    )


def _remark(candidate: Candidate, model: ModelVersion | None, build: Build) -> str:
    if model is not None:
        return "won" if model.pk == build.model_id else "registered"
    if candidate.problem_message:
        return f"out: {candidate.problem_message}"
    return "champion's recipe" if candidate.incumbent else ""


def _rank(score: float | None) -> float:
    """Get a sort key that puts the greatest score first and a missing one last."""
    return float("inf") if score is None else -score


def by_fold(model: ModelVersion) -> ResultTable:
    """Tabulate each metric's mean and its value on each fold of the final round."""
    measures = [m for m in _measures(model) if m.label is None]
    folds = sorted({m.fold for m in measures if m.fold is not None})
    values = {(m.metric, m.fold): m.value for m in measures}
    names = _ordered({m.metric for m in measures}, model.metric)
    rows = [(name, [values.get((name, fold)) for fold in (None, *folds)]) for name in names]
    return ResultTable(columns=["mean", *(f"fold {fold + 1}" for fold in folds)], rows=rows)


def by_class(model: ModelVersion) -> ResultTable | None:
    """Tabulate the metrics of each class, as means over the folds; None without classes."""
    measures = [m for m in _measures(model) if m.label is not None and m.fold is None]
    if not measures:
        return None
    names = list(dict.fromkeys(m.metric for m in measures))
    values = {(m.label, m.metric): m.value for m in measures}
    labels = list(dict.fromkeys(m.label for m in measures if m.label is not None))
    return ResultTable(
        columns=names, rows=[(label, [values.get((label, name)) for name in names]) for label in labels]
    )


def _measures(model: ModelVersion) -> list[Measurement]:
    return Score.objects.of_candidate(model.candidate_id, CONTEST)


def _ordered(names: Iterable[str], metric: str) -> list[str]:
    """Sort metrics: the problem's own first, then the familiar ones."""
    first = [metric.removeprefix("neg_"), *FAMILIAR_METRICS]
    return sorted(names, key=lambda name: (first.index(name) if name in first else len(first), name))
