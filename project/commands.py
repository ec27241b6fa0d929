"""Execution of management commands."""

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor


def execute(arguments: list[str]) -> None:
    """Execute a command line. Raises ImproperlyConfigured if a command misses tables that a migration creates."""
    try:
        execute_from_command_line(arguments)
    except ProgrammingError:
        if not (apps := list_unapplied()):
            raise
        raise ImproperlyConfigured(
            f"The tables of {', '.join(apps)} are missing or out of date: ./dev prepare makes them, as ./dev up does "
            "before it serves."
        ) from None


def list_unapplied() -> list[str]:
    """List the apps with migrations that are not applied."""
    connection.close()  # the failed statement may have left a transaction that accepts no more
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return sorted({migration.app_label for migration, _ in plan})
