"""The database router: Exemplar migrates its own tables only."""

from django.apps import apps

from store.db import team


class Foreign:
    """Router that leaves the tables of a team's own project to their owner."""

    def allow_migrate(
        self, database: str, app_label: str, model_name: str | None = None, **hints: object
    ) -> bool | None:
        """Return False for the tables of the team, else None: no opinion."""
        is_teams = team.is_team_app(apps.get_app_config(app_label)) or team.is_team_user(
            f"{app_label}.{model_name}"
        )
        return False if is_teams else None
