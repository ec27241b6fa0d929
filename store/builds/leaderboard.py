"""Leaderboard and score tables of a build, in few queries, for the admin and the report."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from django.db.models import F, QuerySet, Sum

from learning.estimators.families import Candidate as Recipe
from learning.exceptions import ExemplarError
from learning.selection.noise import ROUNDING, standard_error
from learning.selection.reasons import explain_rank

from ..registry.versions import ModelVersion
from .builds import Build
from .candidates import CONTEST, SEARCH, SERVED, Candidate, FoldScore, Measurement, Score

#: Metrics that tables list first.
FAMILIAR_METRICS = (
    "roc_auc",
    "roc_auc_ovr",
    "r2",
    "separation",
    "silhouette",
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
)


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
    #: "won", with the reason where another has a higher score; "registered", "champion's recipe", "out: …"; empty for
    #: all others.
    remark: str
    won: bool = False


@dataclass(frozen=True, kw_only=True)
class FinalResult:
    """A candidate's scores on the folds of the final round."""

    candidate: Recipe
    scores: Sequence[float]

    @property
    def score(self) -> float:
        """Mean score."""
        return fmean(self.scores)


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """Numbers by row and column; None where a number is missing."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]


def leaderboard(build: Build) -> list[Competitor]:
    """List the candidates, the best first: by the final round, then by the search."""
    candidates = list(_with_seconds(build.candidates.all()))
    models = {model.candidate_id: model for model in build.models.all()}
    results = _final_results(build, candidates)
    competitors = [
        _competitor(candidate, models.get(candidate.pk), results, build) for candidate in candidates
    ]
    return sorted(
        competitors, key=lambda c: (_rank(c.final_score), _rank(c.search_score), c.candidate.position)
    )


def standings(candidates: Sequence[Candidate]) -> dict[int, Competitor]:
    """Map the primary keys of candidates, which may be of several builds, to their lines of the leaderboard."""
    lines: dict[int, Competitor] = {}
    for build in Build.objects.filter(pk__in={candidate.build_id for candidate in candidates}):
        own = [candidate for candidate in candidates if candidate.build_id == build.pk]
        models = {model.candidate_id: model for model in build.models.filter(candidate__in=own)}
        entrants = Candidate.objects.filter(build=build, folds__round=CONTEST).distinct()
        results = _final_results(build, entrants)
        lines |= {
            candidate.pk: _competitor(candidate, models.get(candidate.pk), results, build)
            for candidate in own
        }
    return lines


def standard_errors(candidates: Sequence[Candidate]) -> dict[int, float]:
    """Map the primary keys of candidates to the standard errors of their scores in the search, by their folds."""
    errors: dict[int, float] = {}
    for build in Build.objects.filter(pk__in={candidate.build_id for candidate in candidates}):
        own = [candidate.pk for candidate in candidates if candidate.build_id == build.pk]
        ratio = _ratio(build) if build.snapshot is not None else None
        scores: dict[int, list[float]] = {}
        rows = FoldScore.objects.filter(candidate__in=own, round=SEARCH)
        for candidate, score in rows.values_list("candidate_id", "score"):
            scores.setdefault(candidate, []).append(score)
        if ratio is not None:
            errors |= {pk: standard_error(each, ratio) for pk, each in scores.items() if len(each) > 1}
    return errors


def _with_seconds(candidates: QuerySet[Candidate]) -> QuerySet[Candidate]:
    return candidates.annotate(total_seconds=Sum(F("folds__fit_seconds") + F("folds__predict_seconds")))


def _final_results(build: Build, candidates: Iterable[Candidate]) -> dict[int, FinalResult]:
    """Load the scores of the final round by the candidates' primary keys."""
    scores: dict[int, list[float]] = {}
    rows = FoldScore.objects.filter(candidate__build=build, round=CONTEST).order_by("fold")
    for candidate, score in rows.values_list("candidate_id", "score"):
        scores.setdefault(candidate, []).append(score)
    return {
        candidate.pk: FinalResult(candidate=candidate.recipe, scores=scores[candidate.pk])
        for candidate in candidates
        if candidate.pk in scores
    }


def _competitor(
    candidate: Any, model: ModelVersion | None, results: Mapping[int, FinalResult], build: Build
) -> Competitor:
    result = results.get(candidate.pk)
    won = model is not None and model.pk == build.model_id
    return Competitor(
        candidate=candidate,
        recipe=str(candidate.recipe),
        search_score=candidate.score,
        final_score=result.score if result else None,
        seconds=candidate.total_seconds if hasattr(candidate, "total_seconds") else candidate.seconds,
        model=model,
        remark=_explain_win(result, results.values(), build) if won else _remark(candidate, model),
        won=won,
    )


def _explain_win(winner: FinalResult | None, results: Collection[FinalResult], build: Build) -> str:
    """Say that a candidate won, and why where another has a higher score in the final round."""
    if winner is None:
        return "won"
    # A round that the time limit cut short has fold scores of candidates that were not compared.
    compared = [result for result in results if len(result.scores) == len(winner.scores)]
    best = max(compared, key=lambda result: result.score)
    ratio = _ratio(build)
    if best.score <= winner.score + ROUNDING or len(winner.scores) < 2 or ratio is None:
        return "won"
    return f"won: {explain_rank(winner, best, ratio)}"


def _ratio(build: Build) -> float | None:
    """Get the held-out rows per training row of a fold; None where the product's declaration is gone or another."""
    assert build.snapshot is not None, "a build with a winner has a snapshot"
    try:
        return 1 / (build.problem().folds_for(build.snapshot.rows) - 1)
    except ExemplarError:
        return None


def _remark(candidate: Candidate, model: ModelVersion | None) -> str:
    if model is not None:
        return "registered"
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
    names = sort_metrics({m.metric for m in measures}, model.metric)
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
    return Score.objects.of_candidate(model.candidate_id, SERVED)


def sort_metrics(names: Iterable[str], metric: str) -> list[str]:
    """Sort metrics: the problem's own first, then the familiar ones."""
    first = [metric, metric.removeprefix("neg_"), *FAMILIAR_METRICS]
    return sorted(set(names), key=lambda name: (first.index(name) if name in first else len(first), name))
