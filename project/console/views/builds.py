"""The page `builds` of a product."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def builds(request: HttpRequest, product: str) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "builds"}, product)


urls = [path("products/<str:product>/builds/", builds, name="builds")]
