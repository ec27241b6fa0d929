"""Erasure: deletes predictions on request, and the feedback on them, or all about an entity or a reference."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from ..entities import base_rows
from ..exceptions import BadInput, Forbidden
from ..products.product import DataProduct
from . import feedback as words
from . import truth
from .feedback import Feedback
from .predictions import Prediction, PredictionQuerySet, checked_name

#: Deleted predictions that are listed, at most.
MOST_LISTED = 1_000


@dataclass(frozen=True, kw_only=True)
class SubjectName:
    """The name of what is erased: exactly one of the two is not None."""

    entity: str | None = None
    reference: str | None = None

    def check(self) -> None:
        """Check that one name is there, and not two. Raises BadInput."""
        if (self.entity is None) == (self.reference is None):
            raise BadInput("Name what is erased by its entity or by its reference.", argument=("entity",))
        checked_name(self.entity, ("entity",))
        checked_name(self.reference, ("reference",))

    @property
    def condition(self) -> Q:
        """The condition of rows with this name."""
        return Q(entity=self.entity) if self.entity else Q(reference=self.reference)

    def subject(self, product: DataProduct) -> str:
        """The UUID that feedback on it is about."""
        if self.entity:
            return truth.subject_of_entity(product, self.entity)
        return truth.subject_of_reference(product, self.reference or "")


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
    def listed(self) -> list[Prediction] | None:
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


@transaction.atomic
def remove_subject(product: DataProduct, name: SubjectName, dry_run: bool = False) -> Removed:
    """Delete the predictions and the feedback that name an entity or a reference, and feedback on these predictions.

    Raises BadInput, Forbidden; also where the actor of this thread may not see the entity's row.
    """
    name.check()
    acting.require(Permission.ERASE, product.name)
    if name.entity and base_rows.concealed(product, [name.entity]):
        raise Forbidden(
            "Rows of this product are visible to some callers only, and this one is not to you, or is gone: somebody "
            "who sees all rows can erase it."
        )
    about = name.condition & Q(product=product.name)
    # In the order of feedback on a prediction, and again: whoever predicts meanwhile is not locked out.
    stored = Prediction.objects.order_by("pk").select_for_update(of=("self",)).only("pk", "product")
    list(stored.filter(about))
    words.lock(product, name.subject(product))
    rows = list(stored.filter(about))
    feedback = select_visible(
        product, Feedback.objects.filter(about | Q(prediction__in=[row.pk for row in rows]))
    )
    removed = Removed(rows, feedback.count())
    if not dry_run:
        feedback.delete()
        Prediction.objects.filter(pk__in=removed.ids).delete()
    return removed


def select_visible(product: DataProduct, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Select the rows that are about nothing that the actor of this thread may not see, as predictions are selected."""
    if product.join.sees_all(acting.current()):
        return rows
    return rows.filter(Q(entity=None) | base_rows.is_key_of_row(product, "entity"))
