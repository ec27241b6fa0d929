"""Which tables Exemplar migrates."""

from typing import Any

from django.apps import apps
from django.conf import settings


class Foreign:
    """Leaves the tables of a team's own project to their owner."""

    def allow_migrate(self, database: str, app_label: str, **hints: Any) -> bool | None:
        """Return False for an app that is only named here; None: no opinion."""
        return False if apps.get_app_config(app_label).name in settings.EXEMPLAR_FOREIGN else None
