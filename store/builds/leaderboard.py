"""What pages show of a build and of a version: rows of tables, made by few queries, for the admin and the report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Avg, F, Q, QuerySet, Sum

from ..registry.versions import ModelVersion
from .builds import Build
from .candidates import CONTEST, Candidate, Measured, Score

#: Measures of which everybody wants to see the first.
FIRST = ("roc_auc", "roc_auc_ovr", "r2", "silhouette", "accuracy", "balanced_accuracy", "f1_macro")


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """One line of the leaderboard."""

    candidate: Candidate
    #: "linear (C=1.0)".
    recipe: str
    #: Mean over the search's folds, which chose, and over the contest's, which alone is reported.
    searched: float | None
    contested: float | None
    seconds: float | None
    #: The version that came of it.
    model: ModelVersion | None
    #: "won", "registered", "champion's recipe", "out: …"; empty for all others.
    remark: str


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """Numbers by row and column; a number that is not known is None."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]


def leaderboard(build: Build) -> list[Competitor]:
    """Who took part, the best first: by the contest, then by the search."""
    candidates = _scored(build.candidates.all())
    models = {model.candidate_id: model for model in build.models.all()}
    found = [_competitor(candidate, models.get(candidate.pk), build) for candidate in candidates]
    return sorted(found, key=lambda c: (_last(c.contested), _last(c.searched), c.candidate.position))


def _scored(candidates: QuerySet[Candidate]) -> QuerySet[Candidate]:
    return candidates.annotate(
        contested=Avg("folds__score", filter=Q(folds__round=CONTEST)),
        taken=Sum(F("folds__fit_seconds") + F("folds__predict_seconds")),
    )


def _competitor(candidate: Any, model: ModelVersion | None, build: Build) -> Competitor:
    return Competitor(
        candidate=candidate,
        recipe=str(candidate.recipe),
        searched=candidate.score,
        contested=candidate.contested,
        seconds=candidate.taken,
        model=model,
        remark=_remark(candidate, model, build),
    )


def _remark(candidate: Candidate, model: ModelVersion | None, build: Build) -> str:
    if model is not None:
        return "won" if model.pk == build.model_id else "registered"
    if candidate.problem_message:
        return f"out: {candidate.problem_message}"
    return "champion's recipe" if candidate.incumbent else ""


def _last(score: float | None) -> float:
    """Sorts the greatest first, and those without a score last."""
    return float("inf") if score is None else -score


def by_fold(model: ModelVersion) -> ResultTable:
    """Each measure's mean, and what it was on each of the contest's folds."""
    measures = [m for m in _measures(model) if m.label is None]
    folds = sorted({m.fold for m in measures if m.fold is not None})
    known = {(m.metric, m.fold): m.value for m in measures}
    names = _ordered({m.metric for m in measures}, model.metric)
    rows = [(name, [known.get((name, fold)) for fold in (None, *folds)]) for name in names]
    return ResultTable(columns=["mean", *(f"fold {fold + 1}" for fold in folds)], rows=rows)


def by_class(model: ModelVersion) -> ResultTable | None:
    """Each class's measures, means over the folds; None where there are no classes."""
    measures = [m for m in _measures(model) if m.label is not None and m.fold is None]
    if not measures:
        return None
    names = list(dict.fromkeys(m.metric for m in measures))
    known = {(m.label, m.metric): m.value for m in measures}
    labels = list(dict.fromkeys(m.label for m in measures if m.label is not None))
    return ResultTable(
        columns=names, rows=[(label, [known.get((label, name)) for name in names]) for label in labels]
    )


def _measures(model: ModelVersion) -> list[Measured]:
    return Score.objects.of(model.candidate_id, CONTEST)


def _ordered(names: Iterable[str], metric: str) -> list[str]:
    """The problem's own metric first, then those that are known best."""
    first = [metric.removeprefix("neg_"), *FIRST]
    return sorted(names, key=lambda name: (first.index(name) if name in first else len(first), name))
