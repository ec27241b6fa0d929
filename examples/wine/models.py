"""Wines with their chemical analysis."""

from django.core.validators import MinValueValidator
from django.db import models


def amount(help_text: str) -> models.FloatField:
    """Declare a column for a measured amount, which is never negative."""
    return models.FloatField(validators=[MinValueValidator(0.0)], help_text=help_text)


class Wine(models.Model):
    """A wine of one region of Italy. `cultivar` is no feature: it shows whether the clusters are meaningful."""

    number = models.CharField(max_length=20, primary_key=True)
    cultivar = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Cultivar, one of three")
    alcohol = amount("Alcohol [% vol]")
    malic_acid = amount("Malic acid [g/l]")
    ash = amount("Ash [g/l]")
    alcalinity_of_ash = amount("Alcalinity of the ash")
    magnesium = amount("Magnesium [mg/l]")
    total_phenols = amount("Total phenols")
    flavanoids = amount("Flavanoids")
    nonflavanoid_phenols = amount("Phenols that are no flavanoids")
    proanthocyanins = amount("Proanthocyanins")
    color_intensity = amount("Colour intensity")
    hue = amount("Hue")
    dilution = amount("OD280/OD315 of diluted wine")
    proline = amount("Proline [mg/l]")

    def __str__(self) -> str:
        return self.number
