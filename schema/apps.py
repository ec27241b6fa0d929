"""The schema as a Django app."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.core.checks import CheckMessage, register

from learning.lazy_imports import LazyModule

if TYPE_CHECKING:
    from . import checks
else:
    checks = LazyModule("schema.checks")


class SchemaConfig(AppConfig):
    """The app, which registers the schema's checks."""

    name = "schema"

    def ready(self) -> None:
        register(check_schema, "schema")


def check_schema(app_configs: Sequence[AppConfig] | None, **options: object) -> Sequence[CheckMessage]:
    """Run the checks of `checks`, which compose the schema: a worker, which runs no checks, does without it."""
    return checks.check_schema(app_configs, **options)
