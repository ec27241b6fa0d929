"""EXEMPLAR_MAIL: the URL of a mail server."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from project.settings import read_mail


@pytest.mark.parametrize(
    "url", ["", "smtp://mail", "smtp+starttls://ann%40x:p%3A@mail.example:2525", "smtps://[::1]/"]
)
def test_urls_of_mail_servers_are_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXEMPLAR_MAIL", url)
    assert read_mail("EXEMPLAR_MAIL") == url


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "http://mail",
        "smtp://",
        "smtp://mail:0",
        "smtp://mail:99999",
        "smtp://mail/x",
        "smtp://[::1",
        "smtp://m?a=b",
    ],
)
def test_what_is_no_mail_server_is_refused_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXEMPLAR_MAIL", url.replace("://", "://ann:secret@"))
    with pytest.raises(ImproperlyConfigured, match="must be the URL of a mail server") as refused:
        read_mail("EXEMPLAR_MAIL")
    assert "secret" not in str(refused.value)
