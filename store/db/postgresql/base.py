"""The backend, under the name by which Django looks for it."""

from typing import Any

from django.db.backends.postgresql import base

from . import versions
from .introspection import DatabaseIntrospection
from .watchdog import watchdog


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's connection to PostgreSQL, watched while statements run."""

    introspection_class = DatabaseIntrospection

    def check_database_version_supported(self) -> None:
        versions.check(self.pg_version)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        watchdog.check()
        connection = super().get_new_connection(conn_params)
        watchdog.watch(connection, conn_params)
        return connection
