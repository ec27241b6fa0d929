"""Introspection of the database by Django's migrations."""

from typing import Any

from django.db.backends.postgresql import introspection

from ..team import OWN_SCHEMA

#: The table in which Django records the migrations that were applied.
RECORD = "django_migrations"
STATEMENT = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s"


class DatabaseIntrospection(introspection.DatabaseIntrospection):
    """Django's introspection, which finds no record of migrations but Exemplar's own.

    Before there is one, the search path leads to that of a team's project.
    """

    def get_table_list(self, cursor: Any) -> list[Any]:
        tables = super().get_table_list(cursor)
        cursor.execute(STATEMENT, [OWN_SCHEMA, RECORD])
        if cursor.fetchone():
            return tables
        return [table for table in tables if table.name != RECORD]
