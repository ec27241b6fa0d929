"""Command that prints SQL for whoever administers the database."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from psycopg2 import sql

from store.db import sqlstates
from store.products import catalogue
from store.products.product import DataProduct
from store.products.rights import OWN_SCHEMAS, list_rights


class Command(BaseCommand):
    """Print the least rights that a role needs."""

    help = (
        "Prints the statements that grant a role the least rights that the declared products need: to read the columns "
        "that they join, to write what their `writes` names, and everything in Exemplar's own schemas. Run them as who "
        "owns the tables, before ./dev prepare. Changes nothing."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subject", choices=["grants"], help="what to print")
        parser.add_argument("--role", help="the role; default: the one of DATABASE_URL")

    def handle(self, *, role: str | None, **options: object) -> None:
        with connection.cursor() as cursor:
            for statement in list_statements(role or _current_role(), catalogue.products()):
                self.stdout.write(statement.as_string(cursor.cursor))


def list_statements(role: str, products: Sequence[DataProduct]) -> Iterator[sql.Composable]:
    """List the statements and comments, one a line."""
    yield from _grant_own(role)
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


def _grant_own(role: str) -> Iterator[sql.Composable]:
    """List the statements about the database and Exemplar's own schemas."""
    grantee, database = sql.Identifier(role), sql.Identifier(str(connection.settings_dict["NAME"]))
    yield sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {};").format(database, grantee)
    for name in OWN_SCHEMAS:
        schema = sql.Identifier(name)
        exists, has_tables = _find_schema(name, role)
        if not exists:
            yield sql.SQL("CREATE SCHEMA {};").format(schema)
        yield sql.SQL("GRANT ALL ON SCHEMA {} TO {};").format(schema, grantee)
        for kind in ("TABLES", "SEQUENCES") if has_tables else ():
            statement = f"GRANT ALL ON ALL {kind} IN SCHEMA {{}} TO {{}};"
            yield sql.SQL(statement).format(schema, grantee)


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


def _current_role() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        (role,) = cursor.fetchone()
    return str(role)
