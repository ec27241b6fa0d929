"""The store as a Django app: it discovers the products of all others."""

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """The Django app of the store."""

    name = "store"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # They need the models of all apps, which exist from here on.
        from .products import catalogue, system_checks  # noqa: F401
        from .snapshots import checks as checks_of_rows  # noqa: F401

        catalogue.discover()
