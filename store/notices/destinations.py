"""Destinations: which URLs and addresses are sent to, so that nobody reaches inner hosts through this server."""

import ipaddress
import re
import socket
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from ..exceptions import BadInput

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Characters of a URL, at most.
MOST_CHARACTERS = 2_000
#: Translations of IPv4 addresses into IPv6 ones (RFC 6052), the last 32 bits of which are reached.
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Destination(NamedTuple):
    """A host that may be connected to, by the address that was checked."""

    parts: SplitResult
    address: str
    port: int


def check_email(address: str) -> None:
    """Check an e-mail address. Raises BadInput for what is none, and where no mail server is set."""
    if not settings.EXEMPLAR_MAIL:
        raise BadInput("No mail server is set: set EXEMPLAR_MAIL.", argument=("address",))
    try:
        validate_email(address)
    except ValidationError:
        raise BadInput(f"{address!r} is no e-mail address.", argument=("address",)) from None


def find(url: str) -> Destination:
    """Find the address that a URL is sent to. Raises BadInput where it is no such URL, or one that is refused."""
    parts = _split(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        # A name may have several addresses: each of them has to be allowed, as any may be taken the next time.
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise BadInput(f"The host {host} has no address.", argument=("url",)) from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    for address in addresses:
        _check_address(host, address, is_encrypted=parts.scheme == "https")
    return Destination(parts, addresses[0], port)


def _split(url: str) -> SplitResult:
    """Split a URL. Raises BadInput where it is not one of a web server, or has a password in it."""
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        parts, port_is_valid = SplitResult("", "", "", "", ""), False
    if (
        parts.scheme not in ("http", "https")
        or not (parts.hostname and port_is_valid)
        or parts.fragment
        or len(url) > MOST_CHARACTERS
        or re.search(r"[\x00-\x20\x7f\\]", url)
    ):
        raise BadInput("It must be a URL as https://example.org/hook, without fragment.", argument=("url",))
    if parts.username is not None or parts.password is not None:
        raise BadInput(
            "A URL with a user or a password is refused: the signature says who sends.", argument=("url",)
        )
    return parts


def _check_address(host: str, text: str, is_encrypted: bool) -> None:
    """Check that an address may be connected to. Raises BadInput."""
    address = reached_address(ipaddress.ip_address(text.partition("%")[0]))
    if _is_allowed(address):
        return
    if not address.is_global or address.is_multicast:
        raise BadInput(
            f"{host} is {address}, which is no public address: its administrator allows it by "
            "EXEMPLAR_WEBHOOK_NETWORKS.",
            argument=("url",),
        )
    if not is_encrypted:
        raise BadInput("Over the public network it is sent to https:// only.", argument=("url",))


def _is_allowed(address: IPAddress) -> bool:
    networks = map(ipaddress.ip_network, settings.EXEMPLAR_WEBHOOK_NETWORKS)
    return any(address.version == network.version and address in network for network in networks)


def reached_address(address: IPAddress) -> IPAddress:
    """Get the address that is reached by an address, which is another one where an IPv4 one is written as IPv6."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
