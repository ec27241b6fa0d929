"""Execution of management commands."""

from contextlib import suppress

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor

from project import state
from store.access import performers
from store.db import sqlstates
from store.db.unreachable import UNREACHABLE
from store.products import system_checks


def execute(arguments: list[str]) -> None:
    """Execute a command line.

    Raises: ImproperlyConfigured if the server is too old, tables are missing, migrations do not fit or the role lacks a
    right; Unusable if the server is gone.
    """
    check_server()
    if arguments[1:2] != ["web"]:
        performers.identify_command()
    if arguments[1:2] != ["check"]:
        system_checks.level = checks.WARNING
    try:
        execute_from_command_line(arguments)
    except (DatabaseError, *UNREACHABLE) as error:
        if not (refusal := _find_refusal(error)):
            raise
        raise refusal from None
    except InconsistentMigrationHistory as error:
        raise ImproperlyConfigured(
            f"{error} ./dev migrate brings a database of an earlier release up to date; ./dev preflight names all "
            "migrations that do not fit."
        ) from None


def explain(error: Exception) -> str:
    """Say why an error of PostgreSQL ends a process, and what an operator has to do."""
    return str(_find_refusal(error) or sqlstates.explain(error))


def _find_refusal(error: Exception) -> Exception | None:
    """Find what an operator has to do about an error of PostgreSQL; None if its SQLSTATE tells nothing."""
    if sqlstates.is_missing(error) and (apps := list_unapplied()):
        return ImproperlyConfigured(
            f"{sqlstates.get_reason(error)}. The tables of {', '.join(apps)} are missing or out of date: ./dev prepare "
            "makes them, as ./dev up does before it serves."
        )
    if sqlstates.get_sqlstate(error) in sqlstates.ADVICE:
        return ImproperlyConfigured(sqlstates.explain(error))
    if isinstance(error, UNREACHABLE):
        return state.Unusable(f"PostgreSQL: {' '.join(str(error).split())}")
    return None


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
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError:  # the record of migrations may not be read
        return []
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return sorted({migration.app_label for migration, _ in plan})
