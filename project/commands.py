"""Execution of management commands."""

from contextlib import suppress

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor

from project import state
from store.db.unreachable import UNREACHABLE


def execute(arguments: list[str]) -> None:
    """Execute a command line.

    Raises: ImproperlyConfigured if the server is too old or tables are missing, Unusable if the server is gone.
    """
    check_server()
    try:
        execute_from_command_line(arguments)
    except UNREACHABLE as error:
        raise state.Unusable(f"PostgreSQL: {' '.join(str(error).split())}") from None
    except ProgrammingError:
        if not (apps := list_unapplied()):
            raise
        raise ImproperlyConfigured(
            f"The tables of {', '.join(apps)} are missing or out of date: ./dev prepare makes them, as ./dev up does "
            "before it serves."
        ) from None


def check_server() -> None:
    """Check the version of the server that DATABASE_URL names. Raises ImproperlyConfigured.

    A server that cannot be reached is no fault here: not every command needs it.
    """
    if not settings.EXEMPLAR_EMBEDDED:
        with suppress(OperationalError):
            connection.ensure_connection()
        connection.close()


def list_unapplied() -> list[str]:
    """List the apps with migrations that are not applied."""
    connection.close()  # the failed statement may have left a transaction that accepts no more
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return sorted({migration.app_label for migration, _ in plan})
