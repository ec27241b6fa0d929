"""Patients, with the data of their admission, and their serum measurements from the laboratory."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Patient(models.Model):
    """A person with diabetes, at the start of the year of observation."""

    class Sex(models.IntegerChoices):
        # The source does not document the codes.
        FIRST = 1, "first"
        SECOND = 2, "second"

    number = models.CharField(max_length=20, primary_key=True)
    age = models.PositiveSmallIntegerField(validators=[MaxValueValidator(130)], help_text="Age [years]")
    sex = models.PositiveSmallIntegerField(choices=Sex.choices, help_text="Sex, as coded in the source")
    bmi = models.FloatField(
        validators=[MinValueValidator(5.0), MaxValueValidator(150.0)], help_text="Body mass index [kg/m²]"
    )
    blood_pressure = models.FloatField(
        validators=[MinValueValidator(20.0), MaxValueValidator(300.0)],
        help_text="Average blood pressure [mmHg]",
    )
    progression = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0)],
        help_text="Disease progression after one year",
    )

    def __str__(self) -> str:
        return self.number


class Serum(models.Model):
    """Six serum measurements."""

    patient = models.OneToOneField(Patient, models.CASCADE, primary_key=True, related_name="serum")
    total_cholesterol = models.FloatField(
        validators=[MinValueValidator(0.0)], help_text="Total cholesterol [mg/dl]"
    )
    ldl = models.FloatField(validators=[MinValueValidator(0.0)], help_text="Low-density lipoproteins [mg/dl]")
    hdl = models.FloatField(
        validators=[MinValueValidator(0.0)], help_text="High-density lipoproteins [mg/dl]"
    )
    cholesterol_ratio = models.FloatField(
        validators=[MinValueValidator(0.0)], help_text="Total cholesterol / HDL"
    )
    log_triglycerides = models.FloatField(help_text="Logarithm of the triglycerides' level")
    glucose = models.FloatField(validators=[MinValueValidator(0.0)], help_text="Blood sugar level [mg/dl]")

    class Meta:
        verbose_name_plural = "sera"
