"""Django's `migrate`, in the schema `exemplar` and by one process at a time."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from store.db.team import OWN_SCHEMA
from store.predictions import feature_indexes, policies
from store.products import catalogue
from store.products.rights import OWN_SCHEMAS

#: Number of the advisory lock; any that no other program locks in this database.
LOCK = 7263911

#: What is printed once while another process holds it.
WAITS = "Another process prepares or migrates this database; waiting until it has ended …"
#: Seconds between two attempts to take it.
POLL_SECONDS = 0.2

#: The first migration of Exemplar's own users.
USERS = ("exemplar", "0001_initial")
#: Takes over the users of a database in which they still were Django's. Foreign keys follow their table.
RENAME = """
ALTER TABLE exemplar.auth_user RENAME TO exemplar_user;
ALTER TABLE exemplar.auth_user_groups RENAME TO exemplar_user_groups;
ALTER TABLE exemplar.auth_user_user_permissions RENAME TO exemplar_user_user_permissions;
ALTER TABLE exemplar.exemplar_user ALTER COLUMN id TYPE bigint;
ALTER TABLE exemplar.exemplar_user_groups ALTER COLUMN id TYPE bigint, ALTER COLUMN user_id TYPE bigint;
ALTER TABLE exemplar.exemplar_user_user_permissions ALTER COLUMN id TYPE bigint, ALTER COLUMN user_id TYPE bigint;
ALTER TABLE exemplar.django_admin_log ALTER COLUMN user_id TYPE bigint;
UPDATE exemplar.django_content_type SET app_label = 'exemplar' WHERE app_label = 'auth' AND model = 'user';
"""

#: Options with which not everything is migrated.
PARTIAL = ("app_label", "plan", "check_unapplied", "prune")


class Command(migrate.Command):
    """Migrate while holding an advisory lock."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options.get("database") or DEFAULT_DB_ALIAS]
        with advisory_lock(connection):
            create_schema(connection)
            rename_users(connection)
            super().handle(*args, **options)
            if not any(options.get(name) for name in PARTIAL):
                feature_indexes.synchronise(catalogue.products())
                policies.insert_missing(catalogue.products())


@contextmanager
def advisory_lock(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Hold the advisory lock meanwhile, by a transaction on a connection of its own.

    A lock of the session would not do: behind a pooler each statement may have another session.
    """
    with closing(connection.copy()) as holder:
        holder.set_autocommit(False)
        waits = False
        while not try_lock(holder):
            if not waits:
                waits = True
                print(WAITS, file=sys.stderr, flush=True)
            holder.rollback()  # whoever waits in a transaction takes a connection of the pooler's from who migrates
            time.sleep(POLL_SECONDS)
        yield
        holder.rollback()


def try_lock(connection: BaseDatabaseWrapper) -> bool:
    """Take the advisory lock until the transaction ends. Returns: False where another process holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def create_schema(connection: BaseDatabaseWrapper) -> None:
    """Create the schemas that are missing, and in the first one a record of migrations of its own.

    Otherwise Django would find, and extend, the record of a team's own project in `public`.
    """
    with connection.cursor() as cursor:
        for name in OWN_SCHEMAS:  # to create one wants a right even where it exists
            cursor.execute("SELECT to_regnamespace(%s) IS NULL", [name])
            if cursor.fetchone() == (True,):
                cursor.execute(f"CREATE SCHEMA {name}")
        cursor.execute("SELECT current_schema()")
        if cursor.fetchone() != (OWN_SCHEMA,):
            raise CommandError(
                f"Tables would not be created in the schema {OWN_SCHEMA}: this connection has another search_path. "
                "Take it out of DATABASE_URL, or let the role use the schema: ./dev sql grants prints how."
            )
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path TO exemplar")
        MigrationRecorder(connection).ensure_schema()
        cursor.execute("RESET search_path")  # also where a caller's transaction goes on


def has_earlier_users(connection: BaseDatabaseWrapper) -> bool:
    """Return True for a database of an earlier release, whose users were in Django's `auth_user`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('exemplar.auth_user')")
        is_there = cursor.fetchone() != (None,)
    return is_there and USERS not in MigrationRecorder(connection).applied_migrations()


def rename_users(connection: BaseDatabaseWrapper) -> None:
    """Make Exemplar's own users of those of an earlier release."""
    if has_earlier_users(connection):
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(RENAME)
            MigrationRecorder(connection).record_applied(*USERS)
