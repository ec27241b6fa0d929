"""Command that fills the empty tables of the installed example products."""

from importlib import import_module

from django.apps import apps
from django.core.management.base import BaseCommand
from django.utils.module_loading import module_has_submodule


class Command(BaseCommand):
    """Load the data of the example products."""

    help = "Loads the data of the example products into those of their tables that are empty."

    def handle(self, *args: object, **options: object) -> None:
        for app in apps.get_app_configs():
            if not app.name.startswith("examples.") or not module_has_submodule(app.module, "loader"):
                continue
            if rows := import_module(f"{app.name}.loader").load():
                self.stdout.write(f"Loaded {rows} rows into {app.label}.")
