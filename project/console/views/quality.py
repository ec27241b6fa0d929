"""The page `quality` of a product."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def quality(request: HttpRequest, product: str) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "quality"}, product)


urls = [path("products/<str:product>/quality/", quality, name="quality")]
