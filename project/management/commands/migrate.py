"""Django's `migrate`, in the schema `exemplar` and by one process at a time."""

from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

#: Number of the advisory lock; any that no other program locks in this database.
LOCK = 7263911
#: The schemas of Exemplar's own tables, and of snapshots; those that somebody has made beforehand serve as they are.
SCHEMAS = ("exemplar", "snapshots")


class Command(migrate.Command):
    """Migrate while holding an advisory lock."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options.get("database") or DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            create_schema(connection)
            super().handle(*args, **options)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def create_schema(connection: BaseDatabaseWrapper) -> None:
    """Create the schemas that are missing, and in the first one a record of migrations of its own.

    Otherwise Django would find, and extend, the record of a team's own project in `public`.
    """
    with connection.cursor() as cursor:
        for name in SCHEMAS:  # PostgreSQL wants the right to create one even where it exists
            cursor.execute("SELECT to_regnamespace(%s) IS NULL", [name])
            if cursor.fetchone() == (True,):
                cursor.execute(f"CREATE SCHEMA {name}")
        cursor.execute("SET search_path TO exemplar")
        MigrationRecorder(connection).ensure_schema()
        cursor.execute("RESET search_path")
