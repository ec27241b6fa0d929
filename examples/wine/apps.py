from django.apps import AppConfig


class WineConfig(AppConfig):
    name = "examples.wine"
    label = "wine"
    default_auto_field = "django.db.models.BigAutoField"
