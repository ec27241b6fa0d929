"""Django's admin, with the pages of Exemplar's own apps."""

from importlib import import_module

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.http import HttpRequest
from django.utils.module_loading import module_has_submodule

from store.db import team


class Administration(admin.AdminSite):
    """The admin's site, for staff and for whoever may view a product: each page checks what it shows."""

    def has_permission(self, request: HttpRequest) -> bool:
        # Models are imported after this class.
        from store.access.middleware import actor_of
        from store.access.permissions import Permission

        user = request.user
        is_viewer = user.is_authenticated and actor_of(request).may_somewhere(Permission.VIEW)
        return super().has_permission(request) or (user.is_active and is_viewer)


class AdministrationConfig(SimpleAdminConfig):
    """The admin, which leaves a team's own pages and users to the team's project."""

    default_site = "project.administration.Administration"

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
