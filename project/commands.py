"""Executing a management command of Django's or ours."""

import sys

from django.core.management import execute_from_command_line
from django.db import ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor


def execute(arguments: list[str]) -> None:
    """As Django does; a command that misses tables which are yet to be made ends in one line that says so."""
    try:
        execute_from_command_line(arguments)
    except ProgrammingError:
        if not (missing := unapplied()):
            raise
        sys.exit(
            f"exemplar: The tables of {', '.join(missing)} are not there yet, or not as they have to be: "
            "./dev prepare makes them, as ./dev up does before it serves."
        )


def unapplied() -> list[str]:
    """The apps with migrations that the database has not seen."""
    connection.close()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return sorted({migration.app_label for migration, _ in plan})
