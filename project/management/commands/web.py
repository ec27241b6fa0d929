"""One web process, for hosts where something else supervises."""

import importlib
import os
import socket
import sys
from argparse import SUPPRESS, ArgumentParser
from typing import Any

import threadpoolctl
import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand

from project.listening import bind
from project.transport import Protocol
from store.db import memory

#: Seconds that an answer under way is given at the end; a stream never ends by itself.
GRACE = 3


class Command(BaseCommand):
    help = "Runs one web process: GraphQL, the admin and GraphiQL over HTTP and WebSocket."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.EXEMPLAR_PORT, help="of HTTP and WebSocket")
        parser.add_argument("--fd", type=int, help=SUPPRESS)  # a socket that the supervisor bound
        parser.add_argument("--after", type=int, help=SUPPRESS)  # a pipe: start when it ends

    def handle(self, *, port: int, fd: int | None, after: int | None, **options: Any) -> None:
        memory.limit_arenas()
        listener = bind(settings.EXEMPLAR_HOST, port) if fd is None else socket.socket(fileno=fd)
        # Takes a while, and needs no database.
        Protocol.hot_way = importlib.import_module("project.asgi").application.graphql.hot_way
        if after is not None:
            os.read(after, 1)
        # A request's few rows are no work to share: threads that wait for each other cost more than they do.
        threadpoolctl.threadpool_limits(1)
        server = uvicorn.Server(configuration())
        server.run(sockets=[listener])
        if not server.started:
            sys.exit(3)


def configuration() -> uvicorn.Config:
    proxies = settings.EXEMPLAR_TRUSTED_PROXIES
    return uvicorn.Config(
        "project.asgi:application",
        loop="uvloop",
        http=Protocol,
        lifespan="on",
        log_config=None,  # Django's settings have configured it
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=GRACE,
    )
