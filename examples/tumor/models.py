"""Biopsies and three feature tables: mean, standard error and worst value of ten measures of the cell nuclei."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Biopsy(models.Model):
    """A fine needle aspirate of a breast mass; the tables below hold the measurements of its image."""

    class Diagnosis(models.TextChoices):
        BENIGN = "benign"
        MALIGNANT = "malignant"

    number = models.CharField(max_length=20, primary_key=True)
    taken_at = models.DateTimeField(help_text="When the biopsy was taken")
    diagnosis = models.CharField(
        max_length=9, choices=Diagnosis.choices, null=True, blank=True, help_text="Finding of the pathologist"
    )

    class Meta:
        verbose_name_plural = "biopsies"

    def __str__(self) -> str:
        return self.number


def measure(help_text: str, maximum: float | None = None) -> models.FloatField:
    """Declare a column for a measure of the nuclei, from 0 to `maximum`."""
    limits = [MinValueValidator(0.0)] + ([MaxValueValidator(maximum)] if maximum else [])
    return models.FloatField(validators=limits, help_text=help_text)


class Nuclei(models.Model):
    """Ten measures of the cell nuclei in the digitised image."""

    radius = measure("Distance from the centre to the perimeter [px]")
    texture = measure("Standard deviation of the grey values")
    perimeter = measure("Length of the outline [px]")
    area = measure("Area inside the outline [px²]")
    smoothness = measure("Local variation in radius lengths", 10)
    compactness = measure("perimeter² / area − 1", 100)
    concavity = measure("Severity of the concave portions of the outline", 100)
    concave_points = measure("Share of concave portions of the outline", 10)
    symmetry = measure("Difference between the halves of a nucleus", 10)
    fractal_dimension = measure("“Coastline approximation” of the outline, less one", 10)

    class Meta:
        abstract = True


class CellMeans(Nuclei):
    """The mean of each measure over the nuclei."""

    biopsy = models.OneToOneField(Biopsy, models.CASCADE, primary_key=True, related_name="means")

    class Meta:
        verbose_name_plural = "cell means"


class StandardErrors(Nuclei):
    """The standard error of each measure's mean."""

    biopsy = models.OneToOneField(Biopsy, models.CASCADE, primary_key=True, related_name="errors")

    class Meta:
        verbose_name_plural = "standard errors"


class WorstValues(Nuclei):
    """The mean of each measure's three largest values."""

    biopsy = models.OneToOneField(Biopsy, models.CASCADE, primary_key=True, related_name="worst")

    class Meta:
        verbose_name_plural = "worst values"
