"""The schema as a Django app: its checks."""

from django.apps import AppConfig


class SchemaConfig(AppConfig):
    name = "schema"

    def ready(self) -> None:
        # The types are made of the declared products, which exist from here on.
        from . import checks  # noqa: F401
