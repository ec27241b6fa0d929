from django.apps import AppConfig


class DiabetesConfig(AppConfig):
    """The app of the example `diabetes`."""

    name = "examples.diabetes"
    label = "diabetes"
    default_auto_field = "django.db.models.BigAutoField"
