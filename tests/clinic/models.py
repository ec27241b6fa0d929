"""Operations, with visits and laboratory values before them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Ward(models.Model):
    beds = models.BigIntegerField()


class Operation(models.Model):
    class Urgency(models.TextChoices):
        PLANNED = "planned"
        URGENT = "1st", "at once"

    ward = models.ForeignKey(Ward, models.CASCADE, null=True)
    done_at = models.DateTimeField()
    urgency = models.CharField(max_length=10, choices=Urgency.choices)
    cost = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    relapsed = models.BooleanField(null=True)


class Anamnesis(models.Model):
    operation = models.OneToOneField(Operation, models.CASCADE, related_name="anamnesis")
    age = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(120)])
    smokes = models.BooleanField(null=True)
    born = models.DateField(null=True)
    note = models.CharField(max_length=50, blank=True)
    woken = models.TimeField(null=True)


class Visit(models.Model):
    operation = models.ForeignKey(Operation, models.CASCADE, related_name="visits")
    on = models.DateTimeField()
    minutes = models.FloatField()


class Lab(models.Model):
    operation = models.ForeignKey(Operation, models.CASCADE, related_name="labs")
    taken_at = models.DateTimeField()
    marker = models.FloatField()
