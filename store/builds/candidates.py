"""Candidates and their scores: each finished fold is a row, so that nothing is fitted twice."""

from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from math import fsum
from typing import Any, NamedTuple

import numpy as np
import orjson
from django.db import connection, models
from numpy.typing import NDArray

from learning.estimators import families
from learning.evaluation.folds import ROUNDS, Round
from learning.evaluation.measures import Measure
from learning.selection.steps import FoldScored

from ..db import base
from ..db.fields import JSONField
from ..db.row_cache import RowCache
from ..jobs.jobs import UNFINISHED

#: Candidates are chosen in the search and scored again on fresh folds in the contest.
SEARCH, CONTEST = "search", "contest"


class CandidateManager(models.Manager["Candidate"]):
    def ended(self, candidates: Iterable[int]) -> set[int]:
        """The keys of those whose builds have ended: nothing is scored any more."""
        rows = self.filter(pk__in=candidates).exclude(build__status__in=UNFINISHED)
        return set(rows.values_list("pk", flat=True))

    def draw(self, build: Any, candidates: tuple[families.Candidate, ...]) -> None:
        """Keep the drawn candidates behind those drawn before; those that an earlier attempt kept stay as they
        are.
        """
        before = self.filter(build=build).count()
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
                for position, candidate in enumerate(candidates, start=before)
            ],
            ignore_conflicts=True,
        )


class Candidate(base.BaseModel):
    """An estimator with its hyperparameters set, in the contest of one build."""

    build = models.ForeignKey("store.Build", models.CASCADE, related_name="candidates")
    key = models.CharField(max_length=64)
    position = models.PositiveIntegerField()
    family = models.CharField(max_length=40)
    hyperparameters = JSONField()
    #: Whether it is the champion's recipe, back in the contest.
    incumbent = models.BooleanField(default=False)
    #: The search's mean over its folds: it chose, so it is not what the registry reports.
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
        """As the learning package knows it."""
        return families.Candidate(self.family, self.hyperparameters, self.incumbent)

    @property
    def complete(self) -> bool:
        """Whether all its folds were scored; without that it cannot win."""
        return self.score is not None

    @property
    def seconds(self) -> float | None:
        """What fitting and predicting its folds took, in seconds; None before the first."""
        folds = self.folds.all()
        return sum(fold.fit_seconds + fold.predict_seconds for fold in folds) if folds else None


#: Keeps a fold's score and all its measures: there are hundreds a build, each in the way of the next fit.
RECORD = """
WITH kept AS (
    INSERT INTO store_foldscore
        (candidate_id, round, fold, score, fit_seconds, predict_seconds, predictions, warnings, microseconds)
    VALUES ((SELECT id FROM store_candidate WHERE build_id = %(build)s AND key = %(key)s), %(round)s, %(fold)s,
        %(score)s, %(fit_seconds)s, %(predict_seconds)s, %(predictions)s, %(warnings)s, %(microseconds)s)
    ON CONFLICT (candidate_id, round, fold) DO NOTHING
    RETURNING id
)
INSERT INTO store_score (fold_id, metric, label, value)
SELECT kept.id, measure.*
FROM kept, unnest(%(metrics)s::text[], %(labels)s::text[], %(values)s::float8[]) AS measure
"""


class FoldScoreManager(models.Manager["FoldScore"]):
    def record(self, build: Any, step: FoldScored) -> None:
        """Keep the scores of one fold; a fold that was kept before stays as it is."""
        with connection.cursor() as cursor:
            cursor.execute(
                RECORD,
                {
                    "build": build.pk,
                    "key": step.candidate.key,
                    "round": step.round,
                    "fold": step.fold,
                    "score": step.score,
                    "fit_seconds": step.fit_seconds,
                    "predict_seconds": step.predict_seconds,
                    "predictions": _bytes(step.predictions),
                    "warnings": orjson.dumps(step.warnings).decode(),
                    "microseconds": step.microseconds,
                    "metrics": [measure.metric for measure in step.measures],
                    "labels": [measure.label or "" for measure in step.measures],
                    "values": [measure.value for measure in step.measures],
                },
            )

    def scored(self, build: Any) -> dict[tuple[str, str, int], FoldScored]:
        """What earlier attempts of the build have scored, as the learning package takes it."""
        rows = self.filter(candidate__build=build).select_related("candidate").prefetch_related("scores")
        return {(row.candidate.key, row.round, row.fold): row.as_step() for row in rows}


class FoldScore(base.BaseModel):
    """One fold of one candidate: fitted on the other parts, scored on this one."""

    candidate = models.ForeignKey(Candidate, models.CASCADE, related_name="folds")
    round = models.CharField(max_length=10)
    fold = models.PositiveIntegerField()
    score = models.FloatField()
    fit_seconds = models.FloatField()
    predict_seconds = models.FloatField()
    #: What was predicted for the held-out rows, in their order, as an array in NumPy's own format: float32,
    #: `(held out, classes)` or `(held out,)`.
    predictions = models.BinaryField(null=True)
    #: What the libraries warned of, as sentences.
    warnings = JSONField(default=list)
    #: To predict one row, of a thousand at once; null where nobody asked.
    microseconds = models.FloatField(null=True)

    objects = FoldScoreManager()

    class Meta:
        ordering = ["round", "fold"]
        constraints = [
            models.UniqueConstraint(
                fields=["candidate", "round", "fold"], name="one_score_per_fold_and_round"
            )
        ]

    def as_step(self) -> FoldScored:
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
    return next(known for known in ROUNDS if known == name)


def _bytes(array: NDArray[np.float32] | None) -> bytes | None:
    if array is None:
        return None
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _array(stored: bytes | memoryview | None) -> NDArray[np.float32] | None:
    return None if stored is None else np.load(BytesIO(stored), allow_pickle=False)


class Measured(NamedTuple):
    """What is measured, as pages show it."""

    metric: str
    #: Null: over all classes.
    label: str | None
    #: Null: the mean over the folds.
    fold: int | None
    value: float | None


class ScoreManager(models.Manager["Score"]):
    def of(self, candidate: int, round: str, **narrowed: Any) -> list[Measured]:
        """As `of_each`, of one candidate."""
        return self.of_each([candidate], round, **narrowed)[candidate]

    def of_each(
        self, candidates: Iterable[int], round: str, metric: str | None = None
    ) -> dict[int, list[Measured]]:
        """The candidates' measures, in one query, or one metric's: of all labels and of the whole (label null), the
        means over the folds (fold null), then each fold's.
        """
        found: dict[int, list[Measured]] = {candidate: [] for candidate in candidates}
        wanted: dict[str, Any] = {"candidates": list(found), "round": round, "metric": metric}
        with connection.cursor() as cursor:
            cursor.execute(MEASURES, wanted)
            for candidate, *measured in cursor.fetchall():
                found[candidate].append(Measured._make(measured))
        return {candidate: [*_means(folds), *folds] for candidate, folds in found.items()}

    def of_versions(
        self,
        versions: Iterable[Any],
        metric: str | None = None,
        fold: int | None = None,
        label: str | None = None,
    ) -> dict[int, list[Measured]]:
        """As `of_each` of the versions' contests, by the versions' keys; what is given narrows them."""

        def fits(measured: Measured) -> bool:
            return (
                (metric is None or measured.metric == metric)
                and (fold is None or measured.fold == fold)
                and (label is None or (measured.label or "") == label)
            )

        candidates = {version.pk: version.candidate_id for version in versions}
        look = partial(self.of_each, round=CONTEST)
        found = _of_contests.find(candidates.values(), look, select_final=Candidate.objects.ended)
        return {pk: list(filter(fits, found[candidate])) for pk, candidate in candidates.items()}


#: Measures of the contests of builds that have ended, by the candidates' keys; of so many candidates.
_of_contests: RowCache[int, list[Measured]] = RowCache(200)

#: What `of_each` asks, of hundreds of rows a page.
MEASURES = """
SELECT fold.candidate_id, score.metric, nullif(score.label, ''), fold.fold, score.value
FROM store_foldscore AS fold JOIN store_score AS score ON score.fold_id = fold.id
WHERE fold.candidate_id = ANY(%(candidates)s) AND fold.round = %(round)s
    AND (%(metric)s IS NULL OR score.metric = %(metric)s)
ORDER BY score.metric, score.label, fold.fold
"""


def _means(folds: Iterable[Measured]) -> Iterator[Measured]:
    """Over the folds that know the measure, in the folds' order; null where none does."""
    values: dict[tuple[str, str | None], list[float]] = {}
    for measured in folds:
        known = values.setdefault((measured.metric, measured.label), [])
        known += [measured.value] if measured.value is not None else []
    for (metric, label), known in values.items():
        yield Measured(metric, label, None, fsum(known) / len(known) if known else None)


class Score(base.BaseModel):
    """One measure of one fold, over all classes or for one label."""

    fold = models.ForeignKey(FoldScore, models.CASCADE, related_name="scores")
    metric = models.CharField(max_length=60)
    #: Empty: over all of them.
    label = models.CharField(max_length=200, blank=True)
    #: Null where the fold does not allow to compute it.
    value = models.FloatField(null=True)

    objects = ScoreManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fold", "metric", "label"], name="one_value_per_metric_label_and_fold"
            )
        ]
