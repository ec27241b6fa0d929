"""The addresses of the console: each module of views lists its own."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from project.views import graphiql

from .api import fetch
from .pages import page
from .sections import list_sections
from .views import (
    account,
    builds,
    correcting,
    data,
    erasing,
    home,
    models,
    new,
    predictions,
    quality,
    settings,
    trying,
)

app_name = "console"


@page
def product(request: HttpRequest, product: str) -> HttpResponse:
    """Redirect to the first section of a product that the caller may open."""
    products = fetch(request, "Frame")["products"]
    chosen = next((each for each in products if each["name"] == product), None)
    sections = list_sections(request, product, chosen["viewerPermissions"], chosen["task"]) if chosen else ()
    return HttpResponseRedirect(sections[0].url if sections else reverse("console:home"))


urlpatterns = [
    *home.urls,
    *new.urls,
    *account.urls,
    path("products/<str:product>/", product, name="product"),
    *trying.urls,
    *predictions.urls,
    *correcting.urls,
    *erasing.urls,
    *builds.urls,
    *models.urls,
    *quality.urls,
    *data.urls,
    *settings.urls,
    path("graphql/", graphiql, name="graphiql"),
]
