"""Products over the same base: with aggregates, with rows that can be written, and with computed features."""

from django.db import models
from django.db.models import Avg, Case, Count, F, Value, When
from django.db.models.functions import Coalesce, Concat, ExtractYear, NullIf

from learning.problem import Classification
from store.products import Before, DataProduct, Join, Latest

from .models import Operation

relapse = DataProduct(
    name="relapse",
    join=Join(
        Operation.objects.all(),
        features={
            "age": "anamnesis__age",
            "urgency": "urgency",
            "beds": "ward__beds",
            "cost_per_year": F("cost") / F("anamnesis__age"),
            "visits": Before(Count("visits"), at="visits__on"),
            "minutes": Before(Avg("visits__minutes"), at="visits__on"),
            "labs": Before(Count("labs"), at="labs__taken_at"),
            "last_marker": Latest("labs__marker", at="labs__taken_at"),
        },
        label="relapsed",
        at="done_at",
    ),
    problem=Classification(families=("baseline", "linear"), candidates=2, folds=3, pictures=0.0),
    retired_features={
        "admitted": models.DateField(),
        "shift": models.CharField(max_length=5, choices=[("day", "by day"), ("night", "by night")]),
        "weight": models.FloatField(help_text="Weight in kg"),
    },
)

stay = DataProduct(
    name="stay",
    join=Join(
        Operation.objects.all(),
        features={
            "age": "anamnesis__age",
            "smokes": "anamnesis__smokes",
            "born": "anamnesis__born",
            "note": "anamnesis__note",
            "urgency": "urgency",
            "cost": "cost",
            "woken": "anamnesis__woken",
        },
        label="relapsed",
        at="done_at",
    ),
    problem=Classification(
        families=("baseline", "linear"), candidates=2, folds=3, floors={"True": 0.0}, pictures=0.0
    ),
)

bill = DataProduct(
    name="bill",
    join=Join(
        Operation.objects.all(),
        features={
            "age": "anamnesis__age",
            "born": "anamnesis__born",
            "note": "anamnesis__note",
            "smokes": "anamnesis__smokes",
            "urgency": "urgency",
            "cost": "cost",
            "cost_per_year": F("cost") / F("anamnesis__age"),
            "per_year_over_40": F("cost") / NullIf(F("anamnesis__age") - 40, 0),
            "year_born": Coalesce(ExtractYear("anamnesis__born"), 1900),
            "story": Concat("urgency", Value(": "), "anamnesis__note"),
            "risk": Case(
                When(anamnesis__smokes=True, anamnesis__age__gte=60, then=2.5),
                When(anamnesis__smokes=True, then=1.5),
                default=1.0,
            ),
        },
        label="relapsed",
        at="done_at",
    ),
    problem=Classification(families=("baseline", "linear"), candidates=2, folds=3, pictures=0.0),
)
