from django.apps import AppConfig


class TumorConfig(AppConfig):
    """The app of the example `tumor`."""

    name = "examples.tumor"
    label = "tumor"
    default_auto_field = "django.db.models.BigAutoField"
