"""Command that runs one web process, for hosts with another supervisor."""

import importlib
import os
import socket
import sys
from argparse import SUPPRESS, ArgumentParser

import threadpoolctl
import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand

from project import logs
from project.front import certificates
from project.front.limits import build_connections
from project.listening import bind
from project.transport import Protocol
from schema.core.request import LARGEST_MESSAGE
from store.db import memory

#: Seconds in which responses may end at the shutdown; a stream never ends by itself.
GRACE = 3


class Command(BaseCommand):
    """Run uvicorn with the ASGI application."""

    help = "Runs one web process: GraphQL, the admin and GraphiQL over HTTP and WebSocket."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.EXEMPLAR_PORT, help="of HTTP and WebSocket")
        parser.add_argument("--fd", type=int, help=SUPPRESS)  # a socket that the supervisor bound
        parser.add_argument("--after", type=int, help=SUPPRESS)  # a pipe: start when it ends

    def handle(self, *, port: int, fd: int | None, after: int | None, **options: object) -> None:
        memory.limit_arenas()
        if settings.EXEMPLAR_LOG == "json":
            logs.log_uncaught()
        listener = bind(settings.EXEMPLAR_HOST, port) if fd is None else socket.socket(fileno=fd)
        Protocol.others = build_connections()
        Protocol.certificate = certificates.from_settings(
            settings.EXEMPLAR_TLS_CERT, settings.EXEMPLAR_TLS_KEY
        )
        # This takes most of the start, and needs no database.
        Protocol.fast_path = importlib.import_module("project.asgi").application.graphql.fast_path
        if after is not None:
            os.read(after, 1)
        # A request has few rows: BLAS threads that wait for each other would cost more time than they save.
        threadpoolctl.threadpool_limits(1)
        server = uvicorn.Server(build_configuration())
        server.run(sockets=[listener])
        if not server.started:
            sys.exit(3)


def build_configuration() -> uvicorn.Config:
    """Build uvicorn's configuration from the settings."""
    proxies = settings.EXEMPLAR_TRUSTED_PROXIES
    return uvicorn.Config(
        "project.asgi:application",
        loop="uvloop",
        http=Protocol,
        ws_max_size=LARGEST_MESSAGE,
        lifespan="on",
        log_config=None,  # the settings configure it
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=GRACE,
    )
