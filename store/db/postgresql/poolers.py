"""Poolers between this process and PostgreSQL, such as pgbouncer, found by what they answer.

In transaction mode each transaction, and each statement outside of one, may run on another connection to the server:
what a session has prepared, set or locked is not there for the next. What it does not pass on, the role must have.
"""

import re
from contextlib import closing
from typing import Any, NamedTuple

import psycopg2
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from . import asynchronous, versions

#: The schemas in which Exemplar's statements look for tables.
SEARCH_PATH = ("exemplar", "public")
#: What Exemplar itself adds to the startup parameter `options`.
OWN_OPTIONS = re.compile(r"-c (search_path|statement_timeout|timezone)=\S+")
#: Seconds for the answers to the questions of a process at its first connection.
DEADLINE = 5.0
#: In what poolers say to a startup parameter that they do not know. They give no SQLSTATE of their own, and are not
#: translated.
REFUSALS = ("startup parameter", "command-line options")
#: What tells the connection to PostgreSQL apart from that to a pooler: the process that serves it.
QUESTION = (
    "SELECT pg_backend_pid(), string_to_array(replace(current_setting('search_path'), ' ', ''), ','), session_user, "
    "current_database()"
)


class Route(NamedTuple):
    """The way from this process to PostgreSQL."""

    #: True where a pooler stands between, whose mode nobody can tell: it is taken for that of transactions.
    is_pooled: bool = False
    #: True where the startup parameter `options` reaches PostgreSQL.
    takes_options: bool = True

    def adapt(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return connection parameters that can be used on this route."""
        return parameters if self.takes_options else _without_options(parameters)


DIRECT = Route()

_routes: dict[str, Route] = {}


def find_route(parameters: dict[str, Any]) -> Route:
    """Find the way to the server that these parameters name; asked once in each process.

    Raises: ImproperlyConfigured where a pooler drops what Exemplar needs, and psycopg2's errors.
    """
    if settings.EXEMPLAR_EMBEDDED:
        return DIRECT
    place = str({name: parameters.get(name) for name in ("service", "host", "port", "dbname", "user")})
    # Without a lock: threads that ask at the same time get the same answer, and none waits for another's.
    if place not in _routes:
        _routes[place] = _ask(parameters)
    return _routes[place]


def _ask(parameters: dict[str, Any]) -> Route:
    """Ask who serves the connection, and what has become of its options."""
    parameters = {name: value for name, value in parameters.items() if name != "cursor_factory"}
    try:
        connection, takes_options = asynchronous.open_connection(parameters, "", DEADLINE), True
    except psycopg2.OperationalError as error:
        if not any(refusal in str(error) for refusal in REFUSALS):
            raise
        _refuse_others(parameters.get("options", ""))
        connection = asynchronous.open_connection(_without_options(parameters), "", DEADLINE)
        takes_options = False
    with closing(connection):
        versions.check(connection.server_version)
        pid, path, role, database = asynchronous.run(connection, QUESTION, DEADLINE).fetchone()
        if pid == connection.info.backend_pid:
            return DIRECT
    if tuple(name.strip('"') for name in path[:2]) != SEARCH_PATH:
        raise ImproperlyConfigured(_explain(role, database))
    return Route(is_pooled=True, takes_options=takes_options)


def _refuse_others(options: str) -> None:
    """Raise ImproperlyConfigured where the options that a pooler refuses have more than the search path."""
    if others := OWN_OPTIONS.sub("", options).strip():
        raise ImproperlyConfigured(
            f"A pooler stands between this process and PostgreSQL, which refuses {others}: take it out of the "
            "`options` in DATABASE_URL, and set it by ALTER ROLE … IN DATABASE … SET."
        )


def _without_options(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name != "options"}


def _explain(role: str, database: str) -> str:
    return (
        "A pooler stands between this process and PostgreSQL, and does not pass the search_path on: run "
        f"{set_search_path(role, database)} at PostgreSQL itself, then RECONNECT at the pooler, whose open connections "
        "do not have it."
    )


def set_search_path(role: str, database: str) -> str:
    """Return the statement that gives a role the search path which a pooler does not pass on."""
    names = (f'"{name.replace(chr(34), chr(34) * 2)}"' for name in (role, database))
    return "ALTER ROLE {} IN DATABASE {} SET search_path = {};".format(*names, ", ".join(SEARCH_PATH))
