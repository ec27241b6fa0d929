"""Command that prints SQL for whoever administers the database."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from psycopg2 import sql

from store.db import sqlstates
from store.db.postgresql import poolers
from store.db.team import OWN_SCHEMA
from store.db.writes import Process
from store.products import catalogue, process_rights
from store.products.product import DataProduct
from store.products.rights import OWN_SCHEMAS, Right, list_rights

#: The schema in which builds make the tables of their snapshots.
SNAPSHOTS = "snapshots"

Statements = Iterator[sql.Composable]


class Command(BaseCommand):
    """Print the least rights that roles need."""

    help = (
        "Prints the statements that grant the least rights that the declared products need: to one role for all, "
        "or to a role for each of web processes, workers and migrations. Run them as who owns the tables. Those about "
        "Exemplar's own tables are printed once ./dev prepare has made these. Changes nothing."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subject", choices=["grants"], help="what to print")
        parser.add_argument("--role", help="one role for everything; default: the one of DATABASE_URL")
        parser.add_argument("--web", metavar="ROLE", help="the role of web processes")
        parser.add_argument("--worker", metavar="ROLE", help="the role of workers")
        parser.add_argument("--migration", metavar="ROLE", help="the role that prepares and migrates")
        parser.add_argument(
            "--pooler",
            action="store_true",
            help="also what the roles need where a pooler in transaction mode stands before PostgreSQL",
        )

    def handle(
        self,
        *,
        role: str | None,
        web: str | None,
        worker: str | None,
        migration: str | None,
        pooler: bool,
        **options: object,
    ) -> None:
        if role and (web or worker or migration):
            raise CommandError("--role is one role for everything: leave it out, or the others.")
        products = catalogue.products()
        if web or worker or migration:
            statements = list_by_process(web, worker, migration, products)
        else:
            role = role or _current_role()
            statements = list_statements(role, products)
        roles = dict.fromkeys(filter(None, (role, migration, web, worker))) if pooler else ()
        with connection.cursor() as cursor:
            for statement in (*statements, *map(_set_search_path, roles)):
                self.stdout.write(statement.as_string(cursor.cursor))


def list_statements(role: str, products: Sequence[DataProduct]) -> Statements:
    """List the statements and comments for one role that does everything, one a line."""
    yield from _grant_own(role)
    yield from _grant_products(role, products, list_rights)


def list_by_process(
    web: str | None, worker: str | None, migration: str | None, products: Sequence[DataProduct]
) -> Statements:
    """List the statements and comments for a role of each kind of process that is given, one a line."""
    for name in OWN_SCHEMAS:
        if not _find_schema(name, "")[0]:
            yield sql.SQL("CREATE SCHEMA {};").format(sql.Identifier(name))
    if migration:
        yield from _grant_migration(migration)
    for process, role in ((Process.WEB, web), (Process.WORKER, worker)):
        if role:
            yield from _grant_process(process, role, products)
    if web and worker:
        yield from _grant_snapshots(web, worker)
    if (web or worker) and (missing := process_rights.list_missing_tables()):
        yield sql.SQL(
            f"-- {len(missing)} of Exemplar's own tables are not there: run ./dev prepare, then print this again."
        )


def _grant_migration(role: str) -> Statements:
    """List the statements for the role that owns Exemplar's tables."""
    grantee = sql.Identifier(role)
    yield sql.SQL("-- Migrations, which own Exemplar's tables")
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {};").format(_database(), grantee)
    yield sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {};").format(sql.Identifier(OWN_SCHEMA), grantee)


def _grant_process(process: Process, role: str, products: Sequence[DataProduct]) -> Statements:
    """List the statements for the role of web processes or of workers."""
    grantee = sql.Identifier(role)
    yield sql.SQL("-- Web processes" if process is Process.WEB else "-- Workers")
    yield sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {};").format(_database(), grantee)
    if process is Process.WORKER:
        yield sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {};").format(sql.Identifier(SNAPSHOTS), grantee)
    yield from (right.grant(role) for right in process_rights.list_own(process))
    yield from _grant_products(role, products, partial(process_rights.list_of_product, process))


def _grant_snapshots(web: str, worker: str) -> Statements:
    """List the statements by which web processes read the tables of snapshots, which workers make and own."""
    schema, reader, owner = map(sql.Identifier, (SNAPSHOTS, web, worker))
    yield sql.SQL("-- Snapshots, which web processes export")
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {};").format(schema, reader)
    yield sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {};").format(schema, reader)
    statement = "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT SELECT ON TABLES TO {};"
    yield sql.SQL(statement).format(owner, schema, reader)


def _grant_products(
    role: str, products: Sequence[DataProduct], list_rights: Callable[[DataProduct], list[Right]]
) -> Statements:
    """List the statements about the tables that products join."""
    for refusal in catalogue.refusals():
        yield sql.SQL(f"-- {refusal.name} is not served (./dev check says why) and needs no rights.")
    for product in products:
        yield sql.SQL(f'-- {product.name}, which is declared with writes="{product.writes}"')
        try:
            rights = list_rights(product)
        except DatabaseError as error:
            if not sqlstates.is_missing(error):
                raise
            yield sql.SQL(f"-- ({sqlstates.get_reason(error)}: print this again once its tables are there.)")
            continue
        yield from (right.grant(role) for right in rights)


def _grant_own(role: str) -> Statements:
    """List the statements about the database and Exemplar's own schemas, for one role that does everything."""
    grantee = sql.Identifier(role)
    yield sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {};").format(_database(), grantee)
    for name in OWN_SCHEMAS:
        schema = sql.Identifier(name)
        exists, has_tables = _find_schema(name, role)
        if not exists:
            yield sql.SQL("CREATE SCHEMA {};").format(schema)
        yield sql.SQL("GRANT ALL ON SCHEMA {} TO {};").format(schema, grantee)
        for kind in ("TABLES", "SEQUENCES") if has_tables else ():
            statement = f"GRANT ALL ON ALL {kind} IN SCHEMA {{}} TO {{}};"
            yield sql.SQL(statement).format(schema, grantee)


def _set_search_path(role: str) -> sql.Composable:
    return sql.SQL(poolers.set_search_path(role, _current("current_database()")))


def _find_schema(name: str, role: str) -> tuple[bool, bool]:
    """Return whether a schema exists, and whether it has tables of another owner than the role."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regnamespace(%s) IS NOT NULL, EXISTS (SELECT FROM pg_class "
            "WHERE relnamespace = to_regnamespace(%s) AND relowner IS DISTINCT FROM to_regrole(quote_ident(%s)))",
            [name, name, role],
        )
        exists, has_tables = cursor.fetchone()
    return exists, has_tables


def _database() -> sql.Composable:
    return sql.Identifier(_current("current_database()"))


def _current_role() -> str:
    return _current("session_user")


def _current(expression: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        (name,) = cursor.fetchone()
    return str(name)
