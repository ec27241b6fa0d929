"""Requests without HTTPS, as far as the fast path can tell."""

from typing import Any

import pytest

from schema.core import security


@pytest.mark.parametrize(
    ("https", "certificate", "forwarded", "passes"),
    [
        (False, "", b"", True),
        (False, "", b"http", True),
        (True, "", b"https", True),
        (True, "", b"http", False),
        (True, "", b"", False),
        (True, "", b"https, http", False),
        (True, "/etc/exemplar.pem", b"", True),
    ],
)
def test_the_fast_path_leaves_what_may_have_come_without_https(
    settings: Any, https: bool, certificate: str, forwarded: bytes, passes: bool
) -> None:
    settings.EXEMPLAR_HTTPS, settings.EXEMPLAR_TLS_CERT = https, certificate
    assert security.may_be_secure(forwarded) is passes
