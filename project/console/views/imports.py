"""The pages on which a file of rows is sent: what it would do, and what it has done."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from ..api import fetch
from ..pages import page, render, require

#: Rows that may be left out of a preview, so that all which do not fit are counted.
MOST_REJECTS = 1_000_000
#: Rejected cells that a page lists; the file has all.
MOST_LISTED = 20


@page
@require_safe
def upload(request: HttpRequest, product: str) -> HttpResponse:
    """Show the form of a file, and the files that were sent last."""
    owner = require(
        fetch(request, "DataImports", {"product": product})["product"], f"There is no product {product}."
    )
    jobs = [job for job in (owner["jobs"] or {}).get("nodes", ()) if job["__typename"] == "Import"]
    context = {
        "title": "Upload rows",
        "about": owner,
        "jobs": jobs[:10],
        "most_rejects": MOST_REJECTS,
        "section": "upload",
    }
    return render(request, "console/upload.html", context, product)


@page
@require_safe
def show_import(request: HttpRequest, product: str, id: str) -> HttpResponse:
    """Show how far an import has come, or what it has done or would do; a part of the page by htmx."""
    job = fetch(request, "DataImport", {"id": id})["job"]
    if not job or job["product"]["name"] != product:
        raise Http404("There is no import with this id.")
    context = {
        "title": job["name"],
        "job": job,
        "is_running": job["status"] in ("READY", "RUNNING"),
        "most_listed": MOST_LISTED,
        "section": "upload",
    }
    return render(request, "console/import.html", context, product)


urls = [
    path("products/<str:product>/data/upload/", upload, name="upload-rows"),
    path("products/<str:product>/data/imports/<str:id>/", show_import, name="import"),
]
