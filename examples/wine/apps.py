from django.apps import AppConfig


class WineConfig(AppConfig):
    """The app of the example `wine`."""

    name = "examples.wine"
    label = "wine"
    default_auto_field = "django.db.models.BigAutoField"
