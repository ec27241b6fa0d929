"""The schema as a Django app."""

from django.apps import AppConfig


class SchemaConfig(AppConfig):
    """The app, which registers the schema's checks."""

    name = "schema"

    def ready(self) -> None:
        # The checks read the declared products, which are known from here on.
        from . import checks  # noqa: F401
