"""A user model of the team's own."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    department = models.TextField(default="sales")
