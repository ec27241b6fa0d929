"""The page `settings` of a product."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def settings(request: HttpRequest, product: str) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "settings"}, product)


urls = [path("products/<str:product>/settings/", settings, name="settings")]
