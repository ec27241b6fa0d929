"""Two products over the same base: one with aggregates, one that can be written."""

from django.db.models import Avg, Count, F

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
