"""The sections of the console: the pages of a product, and those about no product."""

from collections.abc import Collection
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

#: The sections of a product: the name of the page, its title, and the permissions of which one opens it.
OF_PRODUCT = (
    ("try", "Try", ("PREDICT",)),
    ("predictions", "Predictions", ("VIEW", "PREDICT")),
    ("correct", "Correct", ("FEEDBACK",)),
    ("builds", "Builds", ("VIEW",)),
    ("models", "Models", ("VIEW",)),
    ("quality", "Quality", ("VIEW",)),
    ("data", "Data", ("VIEW",)),
    ("settings", "Settings", ("VIEW",)),
)
#: The tasks that have no use for a section: clusters have no labels to correct.
WITHOUT = {"correct": ("CLUSTERING",)}
#: The pages about no product: the name of the page, its title.
GENERAL = (("home", "Home"), ("new", "New product"), ("graphiql", "GraphiQL"), ("account", "Your account"))


@dataclass(frozen=True)
class Entry:
    """A link of the menu."""

    title: str
    url: str
    is_current: bool


def list_sections(request: HttpRequest, product: str, permissions: Collection[str], task: str) -> list[Entry]:
    """List the sections of a product that a caller with these permissions may open."""
    return [
        Entry(title, url := reverse(f"console:{name}", args=[product]), request.path.startswith(url))
        for name, title, needed in OF_PRODUCT
        if not set(needed).isdisjoint(permissions) and task not in WITHOUT.get(name, ())
    ]


def list_general(request: HttpRequest) -> list[Entry]:
    """List the pages about no product."""
    return [Entry(title, url := reverse(f"console:{name}"), request.path == url) for name, title in GENERAL]
