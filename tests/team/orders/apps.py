"""The orders as a Django app, which keeps a profile of each user."""

from django.apps import AppConfig
from django.contrib.auth import get_user_model
from django.db.models.signals import post_save


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        post_save.connect(add_profile, sender=get_user_model())


def add_profile(instance: object, created: bool, **others: object) -> None:
    from .models import Profile

    if created:
        Profile.objects.create(user=instance)
