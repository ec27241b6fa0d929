from django.apps import AppConfig


class ManualConfig(AppConfig):
    """The app of the example `manual`."""

    name = "examples.manual"
    label = "manual"
    default_auto_field = "django.db.models.BigAutoField"
