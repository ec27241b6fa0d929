"""Loads scikit-learn's wine recognition set (Aeberhard and Forina, 1991) into the table."""

from typing import TYPE_CHECKING

from django.db import transaction

from learning.lazy_imports import LazyModule

from .models import Wine
from .products import wine

if TYPE_CHECKING:
    from sklearn import datasets
else:
    datasets = LazyModule("sklearn.datasets")  # no start but the first one needs it


@transaction.atomic
def load() -> int:
    """Fill the table where it is empty; return how many wines were written."""
    if Wine.objects.exists():
        return 0
    data = datasets.load_wine()
    wines = [
        Wine(number=f"W-{number:04}", cultivar=target, **dict(zip(wine.join.features, row, strict=True)))
        for number, (row, target) in enumerate(zip(data.data.tolist(), data.target.tolist(), strict=True), 1)
    ]
    Wine.objects.bulk_create(wines)
    return len(wines)
