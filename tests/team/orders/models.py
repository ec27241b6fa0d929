"""Orders, with all the ways in which a team's tables lead into Django's own."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Profile(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="profile")
    city = models.TextField(default="Bern")


class Order(models.Model):
    class Returned(models.TextChoices):
        NO = "no"
        YES = "yes"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="orders")
    group = models.ForeignKey(Group, models.CASCADE)
    subject = models.ForeignKey(ContentType, models.CASCADE)
    watchers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="watched")
    amount = models.FloatField()
    returned = models.TextField(choices=Returned.choices, null=True)
