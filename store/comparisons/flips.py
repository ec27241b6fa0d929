"""Flips: the instances on which the versions of a comparison differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

from ..access import acting
from ..db.base import BaseModel
from ..db.writes import NOTHING, Writes
from ..predictions.predictions import Prediction
from ..products import catalogue
from .comparisons import Comparison

#: Differing answers that are stored, at most: of labels, those with a truth that counts first; of numbers, the greatest
#: differences.
MOST_FLIPS = 10_000

#: Stores flips, without those whose predictions were deleted in the meantime.
INSERT = """
INSERT INTO store_comparisonflip (comparison_id, prediction_id, place, first_answer, second_answer, first_confidence,
    second_confidence, truth, counted)
SELECT %s, p.id, place, first_answer, second_answer, first_confidence, second_confidence, truth, counted
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::text[], %s::bool[])
    AS row (id, place, first_answer, second_answer, first_confidence, second_confidence, truth, counted)
JOIN store_prediction p ON p.id = row.id
FOR KEY SHARE OF p
"""


@dataclass(frozen=True)
class Flip:
    """An instance on which the versions differ. Answers are stored text."""

    prediction: str
    answers: tuple[str, str]
    #: Probabilities of these labels; None of numbers and clusters.
    confidences: tuple[float | None, float | None]
    truth: str | None
    #: True if the truth counts for both versions.
    counted: bool
    #: Difference of numbers; 0 of labels and clusters.
    distance: float = 0.0


class ComparisonFlipManager(models.Manager["ComparisonFlip"]):
    """Lists the instances on which versions differ."""

    def store(self, comparison: Comparison, flips: Sequence[Flip]) -> None:
        """Store what a comparison has found, in this order."""
        columns: list[list[Any]] = [
            [flip.prediction for flip in flips],
            list(range(len(flips))),
            *([flip.answers[side] for flip in flips] for side in (0, 1)),
            *([flip.confidences[side] for flip in flips] for side in (0, 1)),
            [flip.truth for flip in flips],
            [flip.counted for flip in flips],
        ]
        with connection.cursor() as cursor:
            cursor.execute(INSERT, [comparison.pk, *columns])

    def of_comparison(self, comparison: Comparison) -> models.QuerySet["ComparisonFlip"]:
        """List those of a comparison whose predictions the actor of this thread may see."""
        rows = self.filter(comparison=comparison)
        product = catalogue.find(comparison.product)
        if product is None or product.join.sees_all(acting.current()):
            return rows
        visible = Prediction.objects.filter(product=comparison.product)
        return rows.filter(models.Exists(visible.filter(pk=models.OuterRef("prediction"))))


class ComparisonFlip(BaseModel):
    """An instance on which two versions differ. It goes with its prediction."""

    web_writes = NOTHING
    worker_writes = Writes(insert=True)

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="flips")
    #: The row goes with its prediction, by the constraint of the table.
    prediction = models.ForeignKey(Prediction, models.DO_NOTHING, related_name="+", db_constraint=False)
    #: Its place in the list, from 0.
    place = models.PositiveIntegerField()
    first_answer = models.TextField()
    second_answer = models.TextField()
    first_confidence = models.FloatField(null=True)
    second_confidence = models.FloatField(null=True)
    #: The truth when they were compared; null: there was none.
    truth = models.TextField(null=True)
    #: True if the truth counts for both versions.
    counted = models.BooleanField()

    objects = ComparisonFlipManager()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["comparison", "place"], name="one_flip_per_place")]

    def __str__(self) -> str:
        return f"{self.first_answer} or {self.second_answer}"
