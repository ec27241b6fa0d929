"""Removing predictions on request, and what hangs on them."""

from dataclasses import dataclass

from django.db import transaction

from .feedback import Feedback
from .predictions import Prediction, PredictionQuerySet

#: Deleted ids that are given back, at most.
GIVEN_BACK = 1_000


@dataclass(frozen=True)
class Removed:
    """What a deletion removed, or would remove."""

    predictions: list[Prediction]
    #: How much feedback went with them.
    feedback: int

    @property
    def ids(self) -> list[str]:
        return [prediction.pk for prediction in self.predictions]

    @property
    def given_back(self) -> list[Prediction] | None:
        """The deleted predictions, where they are few enough to be listed."""
        return self.predictions if len(self.predictions) <= GIVEN_BACK else None


@transaction.atomic
def remove_predictions(which: PredictionQuerySet, dry_run: bool = False) -> Removed:
    """Delete predictions. Feedback about an entity or a reference stays, feedback about nobody goes with them."""
    # Locked in the order of the ids, as writers do; feedback that is being given waits, and then finds nothing.
    rows = list(which.order_by("pk").select_for_update(of=("self",)).only("pk", "product"))
    removed = Removed(rows, 0)
    about = Feedback.objects.filter(prediction__in=removed.ids)
    going = about.filter(entity__isnull=True, reference__isnull=True)
    removed = Removed(rows, going.count())
    if not dry_run:
        going.delete()
        about.update(prediction=None)
        Prediction.objects.filter(pk__in=removed.ids).delete()
    return removed
