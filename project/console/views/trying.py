"""The page `try` of a product."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def try_page(request: HttpRequest, product: str) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "try"}, product)


urls = [path("products/<str:product>/try/", try_page, name="try")]
