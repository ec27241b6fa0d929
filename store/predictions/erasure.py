"""Erasure: deletes predictions on request, with the feedback that refers to nothing else."""

from dataclasses import dataclass

from django.db import transaction

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from .feedback import Feedback
from .predictions import Prediction, PredictionQuerySet

#: Deleted predictions that are listed, at most.
MOST_LISTED = 1_000


@dataclass(frozen=True)
class Removed:
    """The rows that a deletion removed, or would remove."""

    predictions: list[Prediction]
    #: The number of feedback rows that were deleted with them.
    feedback: int

    @property
    def ids(self) -> list[str]:
        return [prediction.pk for prediction in self.predictions]

    @property
    def given_back(self) -> list[Prediction] | None:
        """The deleted predictions, if they are few enough to be listed."""
        return self.predictions if len(self.predictions) <= MOST_LISTED else None


@transaction.atomic
def remove_predictions(which: PredictionQuerySet, dry_run: bool = False) -> Removed:
    """Delete predictions. Feedback on an entity or a reference stays; feedback without either is deleted."""
    # Locked in the order of the ids, as writers do; concurrent feedback waits, and then finds no prediction.
    rows = list(which.order_by("pk").select_for_update(of=("self",)).only("pk", "product"))
    products = sorted({row.product for row in rows})
    for product in products:
        acting.require(Permission.DELETE, product)
    # A shadow that held some of them may have stored its own predictions meanwhile.
    later = which.order_by("pk").select_for_update(of=("self",)).only("pk", "product")
    rows += later.exclude(pk__in=[row.pk for row in rows])
    removed = Removed(rows, 0)
    about = Feedback.objects.filter(prediction__in=removed.ids)
    going = about.filter(entity__isnull=True, reference__isnull=True)
    removed = Removed(rows, going.count())
    if not dry_run:
        going.delete()
        about.update(prediction=None)
        Prediction.objects.filter(pk__in=removed.ids).delete()
        for product in products:
            audit.record(Act.DELETE, product=product, ids=[row for row in rows if row.product == product])
    return removed
