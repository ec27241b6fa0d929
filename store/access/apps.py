"""Exemplar's own users as a Django app."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """The Django app of the users, whose label begins the names of its tables."""

    name = "store.access"
    label = "exemplar"
    verbose_name = "Access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import logins  # its users are models

        logins.connect()
