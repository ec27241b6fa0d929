"""Django's admin, with the pages of Exemplar's own apps."""

from importlib import import_module

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.utils.module_loading import module_has_submodule

from store.db import team


class AdministrationConfig(SimpleAdminConfig):
    """The admin, which leaves a team's own pages and users to the team's project."""

    def ready(self) -> None:
        super().ready()
        for config in apps.get_app_configs():
            if (
                config.module
                and module_has_submodule(config.module, "admin")
                and not team.is_team_app(config)
            ):
                import_module(f"{config.name}.admin")
        for model in team.list_models():
            if admin.site.is_registered(model):
                admin.site.unregister(model)
