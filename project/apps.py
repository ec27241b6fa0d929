"""The project as a Django app: its commands, and the pages that no other app serves."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The app, without models."""

    name = "project"
