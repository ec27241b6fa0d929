"""Destinations: nobody reaches inner hosts through this server, whatever an address looks like."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest

from store.exceptions import BadInput
from store.notices import destinations

PUBLIC = "93.184.215.14"


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say which addresses every name has; a resolver of its own would be another host."""

    def resolve(*addresses: str) -> None:
        infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
        monkeypatch.setattr(destinations.socket, "getaddrinfo", lambda *_, **__: infos)

    return resolve


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "ftp://example.org/hook",
        "file:///etc/passwd",
        "https://",
        "https:///hook",
        "https://example.org:0/hook",
        "https://example.org:70000/hook",
        "https://example.org/#part",
        "https://example.org/a b",
        "https://example.org/\r\nHost: inner",
        "https://[::1/hook",
        "https://example.org/" + "x" * 2_000,
    ],
)
def test_what_is_no_url_of_a_web_server_is_refused(url: str, resolving: Callable[..., None]) -> None:
    resolving(PUBLIC)
    with pytest.raises(BadInput, match="It must be a URL as https://") as refused:
        destinations.find(url)
    assert refused.value.argument == ("url",)


@pytest.mark.parametrize(
    "url", ["https://ann@example.org/", "https://ann:secret@example.org/", "https://@example.org/"]
)
def test_a_user_in_a_url_is_refused(url: str, resolving: Callable[..., None]) -> None:
    resolving(PUBLIC)
    with pytest.raises(BadInput, match="with a user or a password"):
        destinations.find(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str, resolving: Callable[..., None]) -> None:
    resolving(address)
    with pytest.raises(BadInput, match="EXEMPLAR_WEBHOOK_NETWORKS"):
        destinations.find("https://hook.example/")


def test_a_name_is_refused_when_one_of_its_addresses_is(resolving: Callable[..., None]) -> None:
    resolving(PUBLIC, "10.0.0.1")
    with pytest.raises(BadInput, match=r"10\.0\.0\.1, which is no public address"):
        destinations.find("https://hook.example/")


@pytest.mark.parametrize(
    "url", ["http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://localhost/", "http://[::1]/"]
)
def test_other_forms_of_an_inner_address_are_refused(url: str) -> None:
    with pytest.raises(BadInput):
        destinations.find(url)


def test_public_hosts_are_reached_by_https_only(resolving: Callable[..., None]) -> None:
    resolving(PUBLIC)
    destination = destinations.find("https://hook.example/a?b=c")
    assert (destination.address, destination.port) == (PUBLIC, 443)
    assert destinations.find("https://hook.example:8443/").port == 8443
    with pytest.raises(BadInput, match="https:// only"):
        destinations.find("http://hook.example/")


def test_networks_of_the_setting_are_reached(resolving: Callable[..., None], settings: Any) -> None:
    settings.EXEMPLAR_WEBHOOK_NETWORKS = ["10.0.0.0/8", "fd00::/8"]
    for address in ("10.0.0.1", "::ffff:10.9.9.9", "fd00::7"):
        resolving(address)
        assert destinations.find("http://hook.inner/").port == 80
    resolving("192.168.1.1")
    with pytest.raises(BadInput):
        destinations.find("http://hook.inner/")


def test_a_host_without_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(destinations.socket, "getaddrinfo", fail)
    with pytest.raises(BadInput, match="has no address"):
        destinations.find("https://hook.example/")


def test_an_ordinary_ipv6_address_is_itself() -> None:
    address = ipaddress.ip_address("2606:2800:21f:cb07::1")
    assert destinations.reached_address(address) == address


def test_mail_needs_a_server_and_an_address(settings: Any) -> None:
    settings.EXEMPLAR_MAIL = ""
    with pytest.raises(BadInput, match="EXEMPLAR_MAIL"):
        destinations.check_email("ann@example.org")
    settings.EXEMPLAR_MAIL = "smtp://mail.example"
    destinations.check_email("ann@example.org")
    for address in ("", "ann", "ann@", "ann@example.org\nBcc: all@example.org"):
        with pytest.raises(BadInput, match="is no e-mail address"):
            destinations.check_email(address)
