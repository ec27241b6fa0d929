from django.apps import AppConfig


class TumorConfig(AppConfig):
    name = "examples.tumor"
    label = "tumor"
    default_auto_field = "django.db.models.BigAutoField"
