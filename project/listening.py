"""The socket that web processes accept connections on."""

import socket

from project.state import Unusable


def bind(host: str, port: int) -> socket.socket:
    """Take a port without listening yet; raises `Unusable` when it is taken, or `host` is none of ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        # Otherwise connections that ended a moment ago would keep a restart from its port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise Unusable(
            f"Port {port} of {host} cannot be used, choose another with --port: {error.strerror}."
        ) from None
    return listener
