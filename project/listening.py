"""The socket on which web processes accept connections."""

import socket

from project.state import Unusable


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket that does not listen yet. Raises Unusable if the port is taken, or the host is not local."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        # Otherwise connections that ended shortly before a restart would keep it from its port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise Unusable(
            f"Port {port} of {host} cannot be used, choose another with --port: {error.strerror}."
        ) from None
    return listener
