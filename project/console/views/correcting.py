"""The page `correct` of a product."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def correct(request: HttpRequest, product: str) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "correct"}, product)


urls = [path("products/<str:product>/correct/", correct, name="correct")]
