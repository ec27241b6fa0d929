"""Asynchronous connections that are opened within a deadline: libpq itself waits for a frozen server for ever."""

import select
import time
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ


class NoAnswer(psycopg2.OperationalError):
    """PostgreSQL has not answered in time."""


def open_connection(parameters: dict[str, Any], statement: str, seconds: float) -> Any:
    """Open an asynchronous connection and run a statement on it, if there is one. Blocks the thread.

    Several hosts are tried in turn, each for an equal part of the time: libpq leaves a host that does not answer only
    where its connections are synchronous.

    Raises: NoAnswer after so many seconds, and psycopg2's errors.
    """
    *others, last = _list_targets(parameters)
    share = seconds / (len(others) + 1)
    for target in others:
        try:
            return _open(target, statement, share)
        except psycopg2.OperationalError:
            continue
    return _open(last, statement, share)


def run(connection: Any, statement: str, seconds: float) -> Any:
    """Run a statement on an asynchronous connection; return its cursor. Raises as `open_connection` does."""
    cursor = connection.cursor()  # referenced, as the connection does not keep the cursor that it runs
    cursor.execute(statement)
    wait(connection, time.monotonic() + seconds, seconds)
    return cursor


def list_hosts(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """List the hosts that parameters name, with their ports; none where libpq finds them elsewhere, as in a service."""
    hosts = str(parameters.get("host") or "").split(",")
    ports = str(parameters.get("port") or "").split(",")
    if not any(hosts) or parameters.get("hostaddr"):
        return []
    return list(zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=False))


def name_host(parameters: dict[str, Any], host: str, port: str) -> dict[str, Any]:
    """Return the parameters with one host in place of all."""
    return parameters | {"host": host, "port": port or None}


def _list_targets(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """List the parameters for each host."""
    hosts = list_hosts(parameters)
    return [name_host(parameters, host, port) for host, port in hosts] if len(hosts) > 1 else [parameters]


def _open(parameters: dict[str, Any], statement: str, seconds: float) -> Any:
    until = time.monotonic() + seconds
    connection = psycopg2.connect(**parameters, async_=True)
    try:
        wait(connection, until, seconds)
        if statement:
            run(connection, statement, until - time.monotonic())
    except BaseException:
        connection.close()
        raise
    return connection


def wait(connection: Any, until: float, seconds: float) -> None:
    """Block until the running operation of an asynchronous connection is done. Raises NoAnswer."""
    while (state := connection.poll()) != POLL_OK:
        # Not `select.select`, which knows no descriptor beyond 1,023: a process may have as many clients. A new one
        # each time: a name with several addresses is tried on several sockets.
        poll = select.poll()
        poll.register(connection, select.POLLIN if state == POLL_READ else select.POLLOUT)
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise NoAnswer(f"PostgreSQL did not accept the connection within {seconds:g} s.")
