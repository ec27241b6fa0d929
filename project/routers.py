"""The database router: Exemplar migrates its own tables only."""

from django.apps import apps
from django.conf import settings


class Foreign:
    """Router that leaves the tables of a team's own project to their owner."""

    def allow_migrate(self, database: str, app_label: str, **hints: object) -> bool | None:
        """Return False for an app of `EXEMPLAR_FOREIGN`, else None: no opinion."""
        return False if apps.get_app_config(app_label).name in settings.EXEMPLAR_FOREIGN else None
