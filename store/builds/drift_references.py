"""Records what versions have learned from, by their snapshots and their out-of-fold predictions."""

import logging
from typing import Any

import numpy as np
from django.db import DatabaseError, ProgrammingError, transaction
from django.db.models import Exists, OuterRef, Q
from numpy.typing import NDArray

from ..predictions.predictions import Prediction
from ..products import catalogue
from ..products.product import DataProduct
from ..quality.drift_references import DriftReference
from ..registry.product_states import ProductState
from ..registry.versions import ModelVersion
from .candidates import FoldScore

log = logging.getLogger(__name__)


def record(product: DataProduct, version: ModelVersion) -> None:
    """Record what a version has learned from.

    Where a table is missing, that is recorded; if PostgreSQL refuses for another reason, the maintenance tries again.
    """
    try:
        with transaction.atomic():
            DriftReference.objects.record(product, version, _find_predicted(version))
    except ProgrammingError as error:
        log.warning("What %s has learned from cannot be counted: %s", version, error)
        problem = f"The rows that version {version.number} learned from could not be counted."
        DriftReference.objects.get_or_create(model=version, defaults={"problem": problem})
    except DatabaseError as error:
        log.warning("What %s has learned from was not counted: %s", version, error)


def record_missing() -> None:
    """Record what one version has learned from that has served, and that no build has recorded."""
    answered = Exists(Prediction.objects.filter(product=OuterRef("product"), model=OuterRef("pk")))
    serves = Q(pk__in=ProductState.objects.filter(champion__isnull=False).values("champion"))
    names = [product.name for product in catalogue.products()]
    missing = ModelVersion.objects.filter(drift_reference=None, product__in=names)
    version = missing.filter(serves | answered).select_related("snapshot").order_by("-pk").first()
    product = version and catalogue.find(version.product)
    if version and product:
        record(product, version)


def _find_predicted(version: ModelVersion) -> NDArray[Any] | None:
    """Find the out-of-fold predictions of what a version serves; None if retention has deleted them."""
    folds = [fold.predicted() for fold in FoldScore.objects.served(version.candidate_id)]
    present = [fold for fold in folds if fold is not None]
    return np.concatenate(present) if present and len(present) == len(folds) else None
