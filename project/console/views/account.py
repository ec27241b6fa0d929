"""The page `account`."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def account(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "account"})


urls = [path("account/", account, name="account")]
