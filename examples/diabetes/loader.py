"""Loads scikit-learn's diabetes set (Efron, Hastie, Johnstone and Tibshirani, 2004) into the tables."""

from typing import TYPE_CHECKING

from django.db import transaction

from learning.lazy_imports import LazyModule

from .models import Patient, Serum

if TYPE_CHECKING:
    from sklearn import datasets
else:
    datasets = LazyModule("sklearn.datasets")  # no start but the first one needs it

PATIENT = ["age", "sex", "bmi", "blood_pressure"]
SERUM = ["total_cholesterol", "ldl", "hdl", "cholesterol_ratio", "log_triglycerides", "glucose"]


@transaction.atomic
def load() -> int:
    """Fill the tables where they are empty; return how many patients were written."""
    if Patient.objects.exists():
        return 0
    data = datasets.load_diabetes(scaled=False)
    rows = data.data.tolist()
    patients = [
        Patient(number=f"P-{number:04}", progression=target, **dict(zip(PATIENT, row, strict=False)))
        for number, (row, target) in enumerate(zip(rows, data.target.tolist(), strict=True), 1)
    ]
    Patient.objects.bulk_create(patients)
    Serum.objects.bulk_create(
        Serum(patient=patient, **dict(zip(SERUM, row[len(PATIENT) :], strict=True)))
        for patient, row in zip(patients, rows, strict=True)
    )
    return len(patients)
