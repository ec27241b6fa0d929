"""Permissions of the caller of a page, where the operation to ask depends on them."""

from django.http import HttpRequest

from .api import fetch
from .pages import FRAME


def find_permissions(request: HttpRequest, product: str) -> set[str]:
    """Find what the caller may do with a product."""
    products = fetch(request, FRAME)["products"]
    return {
        permission for each in products if each["name"] == product for permission in each["viewerPermissions"]
    }
