"""The page `predictions` of a product."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def predictions(request: HttpRequest, product: str) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "predictions"}, product)


urls = [path("products/<str:product>/predictions/", predictions, name="predictions")]
