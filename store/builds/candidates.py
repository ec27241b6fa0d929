"""Candidates and their scores: each scored fold is a row, so that no attempt fits it again."""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from functools import partial
from io import BytesIO
from math import fsum
from typing import Any, NamedTuple

import numpy as np
import orjson
from django.db import connection, models
from django.db.models import Q
from numpy.typing import NDArray

from learning import metrics
from learning.estimators import families
from learning.evaluation.folds import ROUNDS, Round
from learning.evaluation.measures import Measure
from learning.fits.running import FitStage
from learning.selection.served import Served, ServedFold
from learning.selection.steps import FoldScored

from ..db import pagination
from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.row_cache import RowCache
from ..db.writes import NOTHING
from ..exceptions import BadInput
from ..jobs.jobs import RUNNING, UNFINISHED
from ..products import catalogue
from ..registry import served_choices
from .builds import Build

#: The rounds: the search selects candidates, the final round scores the best again on fresh folds.
SEARCH, CONTEST = "search", "contest"
#: Not a round: what serves, on the folds of the final round. Only calibrated versions have such scores, for others they
#: are the final round's own.
SERVED = "served"


class CandidateManager(models.Manager["Candidate"]):
    """Stores and lists the candidates of builds."""

    def of_build(self, build: Build) -> models.QuerySet["Candidate"]:
        """List a build's candidates with their folds, and `scored` to be filtered by."""
        scored = models.ExpressionWrapper(Q(score__isnull=False), output_field=models.BooleanField())
        return self._with_folds().filter(build=build).alias(scored=scored)

    def _with_folds(self) -> models.QuerySet["Candidate"]:
        return self.prefetch_related(
            models.Prefetch("folds", FoldScore.objects.defer("predictions", "warnings"))
        )

    def running_of(self, builds: "Sequence[Build]") -> "dict[int, list[CandidateFit]]":
        """List the fits that each running build works on, by its primary key, with their candidates."""
        fits = {build.pk: build.running_fits or [] for build in builds if build.status == RUNNING}
        wanted = Q(pk__in=[])
        for pk, running in fits.items():
            wanted |= Q(build=pk, key__in=[fit["key"] for fit in running])
        rows = {
            (row.build_id, row.key): row
            for row in pagination.share_lookups(list(self._with_folds().filter(wanted)))
        }
        return {
            pk: [CandidateFit.from_json(fit, rows.get((pk, fit["key"]))) for fit in running]
            for pk, running in fits.items()
        }

    def ended(self, candidates: Iterable[int]) -> set[int]:
        """Find which of these candidates belong to builds that have ended, so that their scores are final."""
        rows = self.filter(pk__in=candidates).exclude(build__status__in=UNFINISHED)
        return set(rows.values_list("pk", flat=True))

    def draw(self, build: Build, candidates: tuple[families.Candidate, ...]) -> None:
        """Store drawn candidates after the ones drawn before; those of an earlier attempt stay unchanged."""
        start = self.filter(build=build).count()
        self.bulk_create(
            [
                Candidate(
                    build=build,
                    key=candidate.key,
                    position=position,
                    family=candidate.family,
                    hyperparameters=candidate.hyperparameters,
                    incumbent=candidate.incumbent,
                )
                for position, candidate in enumerate(candidates, start=start)
            ],
            ignore_conflicts=True,
        )


class Candidate(BaseModel):
    """A recipe in one build: a family with hyperparameters."""

    web_writes = NOTHING

    build = models.ForeignKey(Build, models.CASCADE, related_name="candidates")
    key = models.CharField(max_length=64)
    position = models.PositiveIntegerField()
    family = models.CharField(max_length=40)
    hyperparameters = JSONField()
    #: True for the champion's recipe.
    incumbent = models.BooleanField(default=False)
    #: Mean over the folds of the search. It selected the candidate, so the registry does not report it.
    score = models.FloatField(null=True)
    problem_code = models.CharField(max_length=40, blank=True)
    problem_message = models.TextField(blank=True)

    objects = CandidateManager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["build", "key"], name="one_candidate_per_recipe_and_build")
        ]

    def __str__(self) -> str:
        return str(self.recipe)

    @property
    def recipe(self) -> families.Candidate:
        """The recipe as an object of the learning package."""
        return families.Candidate(self.family, self.hyperparameters, self.incumbent)

    @property
    def complete(self) -> bool:
        """True where all its folds were scored; otherwise it cannot win."""
        return self.score is not None

    @property
    def seconds(self) -> float | None:
        """Seconds that fitting and predicting its folds took; None before the first one."""
        folds = self.folds.all()
        return sum(fold.fit_seconds + fold.predict_seconds for fold in folds) if folds else None


class CandidateFit(NamedTuple):
    """A fit that runs."""

    family: str
    hyperparameters: dict[str, Any]
    #: None: its wave has not begun, and an idle process works ahead.
    candidate: Candidate | None
    stage: FitStage
    #: None: all examples at once.
    fold: int | None
    seconds: float

    @classmethod
    def from_json(cls, fit: dict[str, Any], candidate: Candidate | None) -> "CandidateFit":
        """Make it of what the running process has noted, and the row of its candidate."""
        stage = FitStage(fit["stage"])
        return cls(fit["family"], fit["hyperparameters"], candidate, stage, fit["fold"], fit["seconds"])


#: Inserts a fold's score with all its measures in one statement: a build has hundreds, and the next fit waits for each.
RECORD = """
WITH fold AS (
    INSERT INTO store_foldscore
        (candidate_id, round, fold, score, fit_seconds, predict_seconds, predictions, warnings, microseconds)
    VALUES ((SELECT id FROM store_candidate WHERE build_id = %(build)s AND key = %(key)s), %(round)s, %(fold)s,
        %(score)s, %(fit_seconds)s, %(predict_seconds)s, %(predictions)s, %(warnings)s, %(microseconds)s)
    ON CONFLICT (candidate_id, round, fold) DO NOTHING
    RETURNING id
)
INSERT INTO store_score (fold_id, metric, label, value)
SELECT fold.id, measure.*
FROM fold, unnest(%(metrics)s::text[], %(labels)s::text[], %(values)s::float8[]) AS measure
"""


class FoldScoreManager(models.Manager["FoldScore"]):
    """Stores and loads the scores of folds."""

    def record(self, build: Build, step: FoldScored) -> None:
        """Store the scores of one fold, unless they are stored already."""
        _record(
            build,
            step.candidate,
            step,
            round=step.round,
            fold=step.fold,
            fit_seconds=step.fit_seconds,
            predict_seconds=step.predict_seconds,
            warnings=orjson.dumps(step.warnings).decode(),
            microseconds=step.microseconds,
        )

    def record_served(self, build: Build, candidate: families.Candidate, served: Served) -> None:
        """Store the scores of what serves, unless they are stored already."""
        for fold, scores in enumerate(served.folds):
            _record(
                build,
                candidate,
                scores,
                round=SERVED,
                fold=fold,
                fit_seconds=0.0,
                predict_seconds=0.0,
                warnings="[]",
                microseconds=None,
            )

    def served(self, candidate: int) -> list["FoldScore"]:
        """List the folds of what serves, in their order, of a candidate that a version was fitted from."""
        rows = list(self.filter(candidate=candidate, round__in=(SERVED, CONTEST)).order_by("fold"))
        return [row for row in rows if row.round == SERVED] or rows

    def served_scores(self, candidate: int) -> list[float]:
        """List the scores of the same folds, without the predictions that their rows have."""
        rows = self.filter(candidate=candidate, round__in=(SERVED, CONTEST)).order_by("fold")
        scores = list(rows.values_list("round", "score"))
        return [score for round, score in scores if round == SERVED] or [score for _, score in scores]

    def load(self, build: Build) -> dict[tuple[str, str, int], FoldScored]:
        """Load the folds that earlier attempts have scored, by candidate key, round and fold."""
        rows = self.filter(candidate__build=build).exclude(round=SERVED)
        rows = rows.select_related("candidate").prefetch_related("scores")
        return {(row.candidate.key, row.round, row.fold): row.as_step() for row in rows}


def _record(
    build: Build, candidate: families.Candidate, scores: FoldScored | ServedFold, **columns: Any
) -> None:
    measures = scores.measures
    parameters = columns | {
        "build": build.pk,
        "key": candidate.key,
        "score": scores.score,
        "predictions": _bytes(scores.predictions),
        "metrics": [measure.metric for measure in measures],
        "labels": [measure.label or "" for measure in measures],
        "values": [measure.value for measure in measures],
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, parameters)


class FoldScore(BaseModel):
    """The score of one candidate on one fold."""

    web_writes = NOTHING

    candidate = models.ForeignKey(Candidate, models.CASCADE, related_name="folds")
    round = models.CharField(max_length=10)
    fold = models.PositiveIntegerField()
    score = models.FloatField()
    fit_seconds = models.FloatField()
    predict_seconds = models.FloatField()
    #: Predictions for the held-out rows in their order, in NumPy's file format: float32, shape (held out, classes) or
    #: (held out,). Null once retention has deleted them.
    predictions = models.BinaryField(null=True)
    #: Warnings of the libraries, one sentence each.
    warnings = JSONField(default=list)
    #: Microseconds to predict a row in a batch of a thousand; null where not measured.
    microseconds = models.FloatField(null=True)

    objects = FoldScoreManager()

    class Meta:
        ordering = ["round", "fold"]
        constraints = [
            models.UniqueConstraint(
                fields=["candidate", "round", "fold"], name="one_score_per_fold_and_round"
            )
        ]

    def predicted(self) -> NDArray[np.float32] | None:
        """Get the predictions for the held-out rows; None once retention has deleted them."""
        return _array(self.predictions)

    def as_step(self) -> FoldScored:
        """Build the step that reported this score."""
        return FoldScored(
            percent=0.0,
            candidate=self.candidate.recipe,
            round=_round(self.round),
            fold=self.fold,
            score=self.score,
            measures=tuple(Measure(s.metric, s.label or None, s.value) for s in self.scores.all()),
            fit_seconds=self.fit_seconds,
            predict_seconds=self.predict_seconds,
            predictions=_array(self.predictions),
            warnings=tuple(self.warnings),
            microseconds=self.microseconds,
        )


def _round(name: str) -> Round:
    return next(round for round in ROUNDS if round == name)


def _bytes(array: NDArray[np.float32] | None) -> bytes | None:
    if array is None:
        return None
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _array(stored: bytes | memoryview | None) -> NDArray[np.float32] | None:
    return None if stored is None else np.load(BytesIO(stored), allow_pickle=False)


class Measurement(NamedTuple):
    """One value of a metric, of a fold or of all folds."""

    metric: str
    #: None: over all classes.
    label: str | None
    #: None: the mean over the folds.
    fold: int | None
    value: float | None

    def matches(self, metric: str | None, fold: int | None, label: str | None) -> bool:
        """Return True where each condition that is not None holds; an empty label is that over all classes."""
        return (
            (metric is None or self.metric == metric)
            and (fold is None or self.fold == fold)
            and (label is None or (self.label or "") == label)
        )


def _check_metric(metric: str, measured: set[str]) -> None:
    """Raise BadInput unless the metric was measured, or is one that could have been.

    Losses and errors are stored as they are, and by names without the `neg_` of the scorers that negate them.
    """
    possible = {name.removeprefix("neg_") for name in set().union(*metrics.OF_TASK.values())}
    if metric not in measured | possible:
        names = ", ".join(sorted(measured or possible))
        raise BadInput(f"No metric is called {metric!r}. Known: {names}.", argument=("metric",))


def _find_label(version: Any, label: str) -> str:
    """Find the text of a label of a version by its value, or by its name in the enum. Raises BadInput."""
    product = catalogue.find(version.product)
    if label in version.signature["classes"] or product is None:
        return label
    if not version.signature["classes"]:
        raise BadInput(f"{version} has no labels.", argument=("label",))
    return served_choices.find_label(product, label, ("label",))


class ScorePart(Enum):
    """A part of the scores of a round: which of them are over folds, and which of them over classes."""

    MEANS = "means"
    FOLDS = "folds"
    CLASSES = "classes"

    def has(self, measurement: Measurement) -> bool:
        """Check if a measurement belongs to this part."""
        match self:
            case ScorePart.MEANS:
                return measurement.fold is None and measurement.label is None
            case ScorePart.FOLDS:
                return measurement.fold is not None and measurement.label is None
            case ScorePart.CLASSES:
                return measurement.fold is None and measurement.label is not None


class ScoreManager(models.Manager["Score"]):
    """Lists measurements of candidates and versions."""

    def of_candidate(self, candidate: int, round: str, metric: str | None = None) -> list[Measurement]:
        """List the measurements of one candidate, as `of_candidates` does."""
        return self.of_candidates([candidate], round, metric)[candidate]

    def of_candidates(
        self,
        candidates: Iterable[int],
        round: str,
        metric: str | None = None,
        part: ScorePart | None = None,
    ) -> dict[int, list[Measurement]]:
        """List the candidates' measurements in one query. SERVED lists those of the final round where it has none.

        Each list holds the means over the folds first (`fold` is None), then the single folds; both over all classes
        (`label` is None) and by label.
        """
        by_candidate: dict[int, list[Measurement]] = {candidate: [] for candidate in candidates}
        instead = _instead_of(round)
        parameters: dict[str, list[int] | str | None] = {
            "candidates": list(by_candidate),
            "round": round,
            "instead": instead,
            "metric": metric,
        }
        with connection.cursor() as cursor:
            cursor.execute(MEASURES, parameters)
            for candidate, *columns in cursor.fetchall():
                by_candidate[candidate].append(Measurement._make(columns))
        if metric is not None and not any(by_candidate.values()):
            rows = self.filter(fold__candidate__in=by_candidate, fold__round__in=(round, instead))
            _check_metric(metric, set(rows.values_list("metric", flat=True).distinct()))
        return {
            candidate: [each for each in (*_means(folds), *folds) if part is None or part.has(each)]
            for candidate, folds in by_candidate.items()
        }

    def of_versions(
        self,
        versions: Iterable[Any],
        metric: str | None = None,
        fold: int | None = None,
        label: str | None = None,
        part: ScorePart | None = None,
    ) -> dict[int, list[Measurement]]:
        """List the measurements of what the versions serve that match, by the versions' primary keys.

        Raises: BadInput where the metric or the label, which is a value or its enum's name, is unknown.
        """
        versions = list(versions)
        load = partial(self.of_candidates, round=SERVED)
        candidates = [version.candidate_id for version in versions]
        measurements = _final_scores.find(candidates, load, select_final=Candidate.objects.ended)
        if metric is not None:
            _check_metric(metric, {each.metric for rows in measurements.values() for each in rows})
        result: dict[int, list[Measurement]] = {}
        for version in versions:
            text = label and _find_label(version, label)
            own = measurements[version.candidate_id]
            result[version.pk] = [
                each for each in own if each.matches(metric, fold, text) and (part is None or part.has(each))
            ]
        return result


def _instead_of(round: str) -> str:
    """Return the round whose scores count where a candidate has none of `round`."""
    return CONTEST if round == SERVED else round


#: Measurements of what serves, of ended builds, by the candidates' primary keys.
_final_scores: RowCache[int, list[Measurement]] = RowCache(200)

#: The query of `of_candidates`; a page reads hundreds of rows.
MEASURES = """
SELECT fold.candidate_id, score.metric, nullif(score.label, ''), fold.fold, score.value
FROM store_foldscore AS fold JOIN store_score AS score ON score.fold_id = fold.id
WHERE fold.candidate_id = ANY(%(candidates)s)
    AND (fold.round = %(round)s OR fold.round = %(instead)s AND fold.candidate_id NOT IN (
        SELECT candidate_id FROM store_foldscore WHERE candidate_id = ANY(%(candidates)s) AND round = %(round)s
    ))
    AND (%(metric)s IS NULL OR score.metric = %(metric)s)
ORDER BY score.metric, score.label, fold.fold
"""


def _means(folds: Iterable[Measurement]) -> Iterator[Measurement]:
    """Compute means over the folds that have a value; None where none has."""
    values: dict[tuple[str, str | None], list[float]] = {}
    for fold in folds:
        present = values.setdefault((fold.metric, fold.label), [])
        present += [fold.value] if fold.value is not None else []
    for (metric, label), present in values.items():
        yield Measurement(metric, label, None, fsum(present) / len(present) if present else None)


class Score(BaseModel):
    """The value of one metric on one fold, over all classes or for one label."""

    web_writes = NOTHING

    fold = models.ForeignKey(FoldScore, models.CASCADE, related_name="scores")
    metric = models.CharField(max_length=60)
    #: Empty: over all classes.
    label = models.CharField(max_length=200, blank=True)
    #: Null where it cannot be computed on this fold.
    value = models.FloatField(null=True)

    objects = ScoreManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fold", "metric", "label"], name="one_value_per_metric_label_and_fold"
            )
        ]
