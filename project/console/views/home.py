"""The first page: what each product serves, and what wants attention."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..api import fetch
from ..pages import page, render


@page
def home(request: HttpRequest) -> HttpResponse:
    """Show a card for each product."""
    return render(
        request, "console/home.html", {"title": "Home", "cards": fetch(request, "Home")["products"]}
    )


urls = [path("", home, name="home")]
