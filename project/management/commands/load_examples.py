"""Fills the tables of the installed example products where they are empty."""

from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.utils.module_loading import module_has_submodule


class Command(BaseCommand):
    help = "Loads the example products' data into their tables, where these are empty."

    def handle(self, *args: Any, **options: Any) -> None:
        for app in apps.get_app_configs():
            if not app.name.startswith("examples.") or not module_has_submodule(app.module, "loader"):
                continue
            if rows := import_module(f"{app.name}.loader").load():
                self.stdout.write(f"Loaded {rows} rows into {app.label}.")
