"""Loads scikit-learn's wine recognition set (Aeberhard and Forina, 1991) into the table."""

from django.db import transaction

from .. import data_sets
from .models import Wine
from .products import wine


@transaction.atomic
def load() -> int:
    """Fill the table where it is empty; return how many wines were written."""
    if Wine.objects.exists():
        return 0
    wines = [
        Wine(
            number=f"W-{number:04}", cultivar=int(cultivar), **dict(zip(wine.join.features, row, strict=True))
        )
        for number, (*row, cultivar) in enumerate(data_sets.read("wine_data.csv"), 1)
    ]
    Wine.objects.bulk_create(wines)
    return len(wines)
