"""Customers with ten columns of mixed kinds."""

from django.db import models


class Customer(models.Model):
    """A customer, who stays or leaves."""

    class Plan(models.TextChoices):
        BASIC = "basic"
        FAMILY = "family"
        BUSINESS = "business"

    class City(models.TextChoices):
        AUGSBURG = "augsburg"
        BERLIN = "berlin"
        COLOGNE = "cologne"
        DRESDEN = "dresden"
        ESSEN = "essen"
        FREIBURG = "freiburg"
        HAMBURG = "hamburg"
        KIEL = "kiel"
        LEIPZIG = "leipzig"
        MUNICH = "munich"
        NUREMBERG = "nuremberg"
        POTSDAM = "potsdam"

    class Outcome(models.TextChoices):
        STAYS = "stays"
        LEAVES = "leaves"

    age = models.PositiveSmallIntegerField()
    calls = models.IntegerField()
    minutes = models.FloatField()
    bill = models.FloatField()
    megabytes = models.FloatField(null=True)
    score = models.FloatField(null=True)
    overdue = models.SmallIntegerField()
    roams = models.BooleanField()
    plan = models.CharField(max_length=10, choices=Plan.choices)
    city = models.CharField(max_length=10, choices=City.choices, null=True)
    outcome = models.CharField(max_length=6, choices=Outcome.choices, null=True)
