"""Loads scikit-learn's diabetes set (Efron, Hastie, Johnstone and Tibshirani, 2004) into the tables."""

from django.db import transaction

from .. import data_sets
from .models import Patient, Serum

PATIENT = ["age", "sex", "bmi", "blood_pressure"]
SERUM = ["total_cholesterol", "ldl", "hdl", "cholesterol_ratio", "log_triglycerides", "glucose"]


@transaction.atomic
def load() -> int:
    """Fill the tables where they are empty; return how many patients were written."""
    if Patient.objects.exists():
        return 0
    rows = data_sets.read("diabetes_data_raw.csv.gz")
    targets = data_sets.read("diabetes_target.csv.gz")
    patients = [
        Patient(number=f"P-{number:04}", progression=target, **dict(zip(PATIENT, row, strict=False)))
        for number, (row, [target]) in enumerate(zip(rows, targets, strict=True), 1)
    ]
    Patient.objects.bulk_create(patients)
    Serum.objects.bulk_create(
        Serum(patient=patient, **dict(zip(SERUM, row[len(PATIENT) :], strict=True)))
        for patient, row in zip(patients, rows, strict=True)
    )
    return len(patients)
