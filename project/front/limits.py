"""The limits of the front, from the settings and from the system."""

import ipaddress
import logging
import resource

from django.conf import settings

from .connections import Connections, Network

log = logging.getLogger(__name__)

#: Files that a web process opens besides its connections: to the database, to Redis, of Python.
OTHER_FILES = 256
#: Bytes that a form has around its file, at most.
FORM_BYTES = 65_536


def build_connections() -> Connections:
    """Build the limits on connections from the settings; the system may allow fewer."""
    return Connections(
        most=min(settings.EXEMPLAR_CONNECTIONS, raise_file_limit(settings.EXEMPLAR_CONNECTIONS)),
        most_bytes=settings.EXEMPLAR_UNFINISHED_MB * 1_000_000,
        largest_body=settings.EXEMPLAR_BODY,
        largest_upload=settings.EXEMPLAR_UPLOAD + FORM_BYTES,
        proxies=read_networks(settings.EXEMPLAR_TRUSTED_PROXIES),
    )


def raise_file_limit(connections: int) -> int:
    """Have the system allow files for so many connections; return for how many it does."""
    wanted = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != unlimited and soft < wanted:
        log.warning(
            "The system allows %s open files, so a web process takes fewer than %s connections: raise `ulimit -n`.",
            soft,
            connections,
        )
        return max(16, soft - OTHER_FILES)
    return connections


def read_networks(names: list[str]) -> tuple[Network, ...]:
    """Read the networks of the trusted proxies; `*` is any. Other names are no addresses of connections."""
    networks: list[Network] = []
    for name in names:
        if name == "*":
            networks += [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
        else:
            try:
                networks.append(ipaddress.ip_network(name, strict=False))
            except ValueError:
                log.warning("EXEMPLAR_TRUSTED_PROXIES names %s, which is no address and no network.", name)
    return tuple(networks)
