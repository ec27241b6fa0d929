"""The project as a Django app: its commands, and the pages that no other app serves."""

from django.apps import AppConfig

from store.db import team


class ProjectConfig(AppConfig):
    """The app, without models. It is installed first, and loads a team's apps before all others."""

    name = "project"

    def import_models(self) -> None:
        team.import_models()
        super().import_models()

    def ready(self) -> None:
        team.separate_tables()
