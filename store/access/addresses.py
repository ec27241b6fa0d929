"""Addresses of callers, as limits count them."""

import ipaddress
from functools import lru_cache

#: Bits of an IPv6 address that one subscriber has.
SUBSCRIBER_BITS = 64


@lru_cache(10_000)
def network_of(address: str) -> str:
    """Get the network that counts as one address: an IPv4 address, or the first half of an IPv6 one.

    What is no address is returned as it is.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, SUBSCRIBER_BITS), strict=False))
    return str(parsed)
