"""Answers whose choices are signs, numbers and blanks."""

from datetime import date
from decimal import Decimal

from django.db import models

PLANS = [("<=50K", "<=50K"), (">50K", ">50K")]


class Answer(models.Model):
    class Mood(models.TextChoices):
        FINE = "C++", "fine"
        POOR = "C#", "poor"

    #: No choices class: members come from the values.
    plan = models.CharField(max_length=10, choices=PLANS, null=True, blank=True)
    mood = models.CharField(max_length=10, choices=Mood.choices, blank=True, default="")
    rating = models.SmallIntegerField(choices=[(-1, "-1"), (0, "0"), (1, "1")])
    size = models.FloatField()


class Reading(models.Model):
    level = models.FloatField(choices=[(1.0, "low"), (0.1, "none")])
    price = models.DecimalField(max_digits=5, decimal_places=2, choices=[(Decimal("1.50"), "cheap")])
    day = models.DateField(choices=[(date(2024, 1, 1), "new year")])
    on = models.BooleanField(choices=[(True, "on"), (False, "off")])
