"""Pages of a list: which one an address means, and the links to those beside it."""

from django.http import HttpRequest

from .api import JSONObject

#: Rows of a page.
SIZE = 20


def page_of(request: HttpRequest, size: int = SIZE) -> dict[str, int | str | None]:
    """Return the variables of the page of a list that an address means by `after` or `before`."""
    if before := request.GET.get("before"):
        return {"last": size, "before": before}
    return {"first": size, "after": request.GET.get("after") or None}


def list_pages(page: JSONObject) -> dict[str, str | None]:
    """Return the cursors that the links to the newer and the older page have; None where there is no such page."""
    return {
        "newer": page["startCursor"] if page["hasPreviousPage"] else None,
        "older": page["endCursor"] if page["hasNextPage"] else None,
    }
