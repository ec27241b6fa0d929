"""The page `models` of a product."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def models(request: HttpRequest, product: str) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "models"}, product)


@page
def model(request: HttpRequest, product: str, number: int) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "models"}, product)


urls = [
    path("products/<str:product>/models/", models, name="models"),
    path("products/<str:product>/models/compare/", models, name="compare"),
    path("products/<str:product>/models/<int:number>/", model, name="model"),
]
