"""The pages of the rows of a product's feature tables: found, shown, created, changed and deleted."""

import json

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_safe

from store.access.permissions import Permission

from ..api import JSONObject, Problem, Refused
from ..callers import find_permissions
from ..cases import current_words, group
from ..pages import link, page, render, require_permission
from ..row_forms import RowForm
from ..tables import CONDITIONS, MOST_COLUMNS, RowFilter, Table
from . import imports, snapshots

#: Where the pages of a product's rows are.
BASE = "products/<str:product>/data/"
STALE = "STALE_VERSION"


@page
@require_safe
def data(request: HttpRequest, product: str) -> HttpResponse:
    """Show the rows that match the filter of the address."""
    table = Table.load(request, product)
    rows = RowFilter(table, request.GET)
    answer = table.ask(request, "Rows", rows.variables())
    require_permission(answer.problems)
    listed: JSONObject = ((answer.data or {}).get(table.root) or {}).get("entities") or {}
    shows_all = request.GET.get("columns") == "all"
    columns = table.features if shows_all else table.features[:MOST_COLUMNS]
    context = {
        "title": "Rows",
        "table": table,
        "columns": columns,
        "more_columns": len(table.features) > MOST_COLUMNS,
        "shows_all": shows_all,
        "rows": [(row, (row["featureValues"] or ())[: len(columns)]) for row in listed.get("nodes", ())],
        "page": listed.get("pageInfo"),
        "filter": rows,
        "is_filtered": bool(rows.filter),
        "conditions": {name: title for name, (title, _) in CONDITIONS.items()},
        "problems": answer.problems,
        "export": link(
            f"/export/{product}/entities.csv", {"filter": json.dumps(rows.filter) if rows.filter else None}
        ),
        "section": "rows",
    }
    return render(request, "console/data.html", context, product, status=400 if answer.problems else 200)


@page
@require_safe
def row(request: HttpRequest, product: str) -> HttpResponse:
    """Show a row, its label, and what was predicted and said about it."""
    table = Table.load(request, product)
    entity, words = table.load_row(request, request.GET.get("key", ""))
    context = {
        "title": entity["key"],
        "table": table,
        "row": entity,
        "groups": group(entity),
        "words": current_words(words),
        "predictions": entity["predictions"] or {},
    }
    return render(request, "console/row.html", context, product)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, product: str) -> HttpResponse:
    """Change a row, unless somebody else has changed it since it was read: then show both."""
    table, key = load_writable(request, product), request.GET.get("key", "")
    form = RowForm.of(table, table.load_row(request, key)[0])
    context = {"title": f"Change {key}", "table": table, "form": form, "key": key}
    if request.method != "POST":
        return render(request, "console/row_form.html", context, product)
    form.fill(request.POST)
    if not form.changed:
        messages.info(request, "Nothing was changed.")
        return go_to(product, key)
    inputs = {"entity": key, "version": form.version, **form.inputs(form.changed)}
    answer = table.ask(request, "PatchRow", {"input": inputs})
    if not answer.problems:
        messages.success(request, f"{key} was changed.")
        return go_to(product, key)
    if any(problem.code == STALE for problem in answer.problems):
        differing = form.merge(table.load_row(request, key)[0])
        return render(
            request, "console/row_form.html", context | {"differing": differing}, product, status=409
        )
    require_permission(answer.problems)
    form.blame(answer.problems)
    return render(request, "console/row_form.html", context, product, status=400)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, product: str) -> HttpResponse:
    """Create a row."""
    table = load_writable(request, product)
    form = RowForm.of(table)
    context = {"title": "New row", "table": table, "form": form, "is_new": True}
    if request.method != "POST":
        return render(request, "console/row_form.html", context, product)
    form.fill(request.POST)
    written = [each for each in form.fields if each.text.strip() or each.feature["required"]]
    answer = table.ask(request, "CreateRow", {"input": {"features": {}} | form.inputs(written)})
    if answer.problems or answer.data is None:
        require_permission(answer.problems)
        form.blame(answer.problems)
        return render(request, "console/row_form.html", context, product, status=400)
    key = answer.data[f"{table.root}Create"]["entity"]["key"]
    messages.success(request, f"{key} was created.")
    return go_to(product, key)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, product: str) -> HttpResponse:
    """Say what is about a row, and delete it."""
    table, key = Table.load(request, product), request.GET.get("key", "")
    entity, _ = table.load_row(request, key)
    is_sent = request.method == "POST"
    version = request.POST.get("version", "") if is_sent else entity["version"]
    inputs = {"entity": key, "version": version, "dryRun": not is_sent}
    answer = table.ask(request, "DeleteRow", {"input": inputs})
    if is_sent and not answer.problems:
        messages.success(request, f"{key} was deleted.")
        return HttpResponseRedirect(reverse("console:data", args=[product]))
    require_permission(answer.problems)
    context = {
        "title": f"Delete {key}",
        "table": table,
        "row": entity,
        "about": (answer.data or {}).get(f"{table.root}Delete"),
        "problems": answer.problems,
        "is_stale": any(problem.code == STALE for problem in answer.problems),
    }
    return render(
        request, "console/row_delete.html", context, product, status=409 if answer.problems else 200
    )


def load_writable(request: HttpRequest, product: str) -> Table:
    """Load the columns for a form. Raises Refused for those whom the API lets write no rows."""
    table = Table.load(request, product)
    if Permission.FEEDBACK not in find_permissions(request, product):
        raise Refused(
            [Problem("FORBIDDEN", "Rows are written by those who may give feedback on this product.")]
        )
    return table


def go_to(product: str, key: str) -> HttpResponseRedirect:
    """Redirect to the page of a row."""
    return HttpResponseRedirect(link(reverse("console:row", args=[product]), {"key": key}))


urls = [
    path(BASE, data, name="data"),
    path(f"{BASE}row/", row, name="row"),
    path(f"{BASE}row/edit/", edit, name="edit-row"),
    path(f"{BASE}row/delete/", delete, name="delete-row"),
    path(f"{BASE}new/", create, name="new-row"),
    *imports.urls,
    *snapshots.urls,
]
