"""The page `new`."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..pages import page, render


@page
def new(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    return render(request, "console/base.html", {"title": "new"})


urls = [path("new/", new, name="new")]
