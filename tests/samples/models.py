"""Samples with a column of each kind, and events of theirs that are told by the moment or by the day."""

from django.db import models


class Sample(models.Model):
    class Colour(models.TextChoices):
        ROSE = "rosé"
        GREEN = "green"
        NONE = "none"

    key = models.CharField(max_length=20, primary_key=True)
    number = models.FloatField(null=True, blank=True)
    whole = models.IntegerField(null=True, blank=True)
    large = models.BigIntegerField(null=True, blank=True)
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    wide = models.DecimalField(max_digits=60, decimal_places=20, null=True, blank=True)
    pure = models.BooleanField(null=True, blank=True)
    colour = models.CharField(max_length=9, choices=Colour.choices, null=True, blank=True)
    shade = models.CharField(max_length=9, choices=Colour.choices, blank=True, default="")
    day = models.DateField(null=True, blank=True)
    moment = models.DateTimeField(null=True, blank=True)
    clock = models.TimeField(null=True, blank=True)
    words = models.TextField(null=True, blank=True)
    note = models.CharField(max_length=30, blank=True, default="")
    good = models.BooleanField(null=True, blank=True)


class Event(models.Model):
    sample = models.ForeignKey(Sample, models.CASCADE, related_name="events")
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    known_day = models.DateField(null=True)
    known_moment = models.DateTimeField(null=True)
    size = models.FloatField()
