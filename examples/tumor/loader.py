"""Loads scikit-learn's Wisconsin breast-cancer set (Street, Wolberg and Mangasarian, 1993) into the tables."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from .. import data_sets
from .models import Biopsy, CellMeans, Nuclei, StandardErrors, WorstValues

#: The diagnoses by their numbers in the source.
DIAGNOSES = ("malignant", "benign")


@transaction.atomic
def load() -> int:
    """Fill the tables where they are empty; return how many biopsies were written."""
    if Biopsy.objects.exists():
        return 0
    data = data_sets.read("breast_cancer.csv")
    now = timezone.now()
    biopsies = [
        Biopsy(number=f"B-{number:04}", taken_at=now, diagnosis=DIAGNOSES[int(row[-1])])
        for number, row in enumerate(data, 1)
    ]
    Biopsy.objects.bulk_create(biopsies)
    names = [field.name for field in Nuclei._meta.get_fields()]
    # The thirty columns of the source are ten means, ten standard errors and ten worst values.
    tables: tuple[Any, ...] = (CellMeans, StandardErrors, WorstValues)
    for block, table in enumerate(tables):
        rows = [row[block * 10 : block * 10 + 10] for row in data]
        table.objects.bulk_create(
            table(biopsy=biopsy, **dict(zip(names, values, strict=True)))
            for biopsy, values in zip(biopsies, rows, strict=True)
        )
    return len(biopsies)
