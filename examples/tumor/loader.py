"""Loads scikit-learn's Wisconsin breast-cancer set (Street, Wolberg and Mangasarian, 1993) into the tables."""

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from learning.lazy_imports import LazyModule

from .models import Biopsy, CellMeans, Nuclei, StandardErrors, WorstValues

if TYPE_CHECKING:
    from sklearn import datasets
else:
    datasets = LazyModule("sklearn.datasets")  # no start but the first one needs it


@transaction.atomic
def load() -> int:
    """Fill the tables where they are empty; return how many biopsies were written."""
    if Biopsy.objects.exists():
        return 0
    data = datasets.load_breast_cancer()
    now = timezone.now()
    biopsies = [
        Biopsy(number=f"B-{row:04}", taken_at=now, diagnosis=str(data.target_names[target]))
        for row, target in enumerate(data.target, 1)
    ]
    Biopsy.objects.bulk_create(biopsies)
    names = [field.name for field in Nuclei._meta.get_fields()]
    # The thirty columns of the source are ten means, ten standard errors and ten worst values.
    tables: tuple[Any, ...] = (CellMeans, StandardErrors, WorstValues)
    for block, table in enumerate(tables):
        rows = data.data[:, block * 10 : block * 10 + 10].tolist()
        table.objects.bulk_create(
            table(biopsy=biopsy, **dict(zip(names, values, strict=True)))
            for biopsy, values in zip(biopsies, rows, strict=True)
        )
    return len(biopsies)
