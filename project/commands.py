"""Executing a management command of Django's or ours."""

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor


def execute(arguments: list[str]) -> None:
    """As Django does. Raises ImproperlyConfigured where a command misses tables that are yet to be made."""
    try:
        execute_from_command_line(arguments)
    except ProgrammingError:
        if not (missing := unapplied()):
            raise
        raise ImproperlyConfigured(
            f"The tables of {', '.join(missing)} are not there yet, or not as they have to be: "
            "./dev prepare makes them, as ./dev up does before it serves."
        ) from None


def unapplied() -> list[str]:
    """The apps with migrations that the database has not seen."""
    connection.close()  # what failed may have left it in a transaction that takes nothing more
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return sorted({migration.app_label for migration, _ in plan})
