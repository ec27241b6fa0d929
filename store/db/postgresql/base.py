"""The backend, under the name by which Django looks for it."""

from typing import Any

from django.db.backends.postgresql import base

from . import poolers, versions
from .introspection import DatabaseIntrospection
from .watchdog import watchdog


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's connection to PostgreSQL, watched while statements run."""

    introspection_class = DatabaseIntrospection

    def check_database_version_supported(self) -> None:
        versions.check(self.pg_version)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        parameters = watchdog.admit(conn_params)
        route = poolers.find_route(parameters)
        parameters = route.adapt(parameters)
        connection = super().get_new_connection(parameters)
        watchdog.watch(connection, parameters, route.is_pooled)
        return connection
