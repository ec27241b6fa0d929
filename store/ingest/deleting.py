"""Deletion of entities over the API: their own rows go, predictions and feedback about them stay."""

from dataclasses import dataclass

from django.db import transaction

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from ..entities import base_rows, deletion
from ..predictions import truth
from ..predictions.feedback import Feedback
from ..predictions.predictions import Prediction
from ..products.product import DataProduct
from .editing import check_version, check_writable, unknown_entity


@dataclass(frozen=True)
class Deleted:
    """Numbers of rows about an entity that was deleted, or would be. They stay."""

    predictions: int
    feedback: int


def delete(product: DataProduct, key: str, version: str | None, dry_run: bool = False) -> Deleted:
    """Delete the entity's own rows.

    Args:
        version: the version that the client has read; None: delete any.
        dry_run: delete nothing, but refuse what would be refused.

    Raises: UnknownEntity, StaleVersion, NotWritable; Conflict where rows of other tables refer to the entity's.
    """
    with base_rows.refusals_explained(product), transaction.atomic():
        check_writable(product)
        acting.require(Permission.DELETE, product.name)
        base = base_rows.lock(product, key)
        if base is None:
            raise unknown_entity(product, key)
        check_version(product, key, version)
        deleted = Deleted(
            Prediction.objects.about_subject(product, truth.subject_of_entity(product, key)).count(),
            Feedback.objects.filter(product=product.name, entity=key, answer__isnull=False).count(),
        )
        with transaction.atomic():
            deletion.delete(product, base)
            audit.record(Act.DELETE, product=product.name, ids=[base])
            transaction.set_rollback(dry_run)
        return deleted
