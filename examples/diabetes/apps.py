from django.apps import AppConfig


class DiabetesConfig(AppConfig):
    name = "examples.diabetes"
    label = "diabetes"
    default_auto_field = "django.db.models.BigAutoField"
