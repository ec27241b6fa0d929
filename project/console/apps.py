"""The console as a Django app: its templates, tags and static files."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The app, without models."""

    name = "project.console"
    label = "console"
