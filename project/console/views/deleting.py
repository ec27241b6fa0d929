"""Deletion of predictions: first their number is shown, and they are deleted once that is confirmed."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from ..api import JSONObject, fetch
from ..callers import find_permissions
from ..pages import link, page, render
from ..prediction_filters import PLACE, read_filter
from .prediction import subject_of

#: Parameters of the form that are sent anew with each step.
OWN = ("csrfmiddlewaretoken", "confirmed")


@page
@require_POST
def delete(request: HttpRequest, product: str) -> HttpResponse:
    """Show how many predictions would be deleted; delete them once that number is confirmed."""
    filter = read_filter(request, product, request.POST)
    target = link(reverse("console:predictions", args=[product]), list_parameters(request))
    ids = request.POST.getlist("id")
    # The list leaves out what was not served, so that is spared here, too.
    matched = {"product": product, "served": True} | filter.input
    if filter.faults or not (ids or request.POST.get("all")):
        reason = (
            "the filter has a condition that cannot be read" if filter.faults else "check predictions first"
        )
        messages.warning(request, f"Nothing was deleted: {reason}.")
        return HttpResponseRedirect(target)
    which: JSONObject = {"filter": matched} if request.POST.get("all") else {"ids": ids}
    counts = remove(request, which, dry=True)
    if request.POST.get("confirmed") == str(counts["count"]):
        number = remove(request, which, dry=False)["count"]
        messages.success(request, f"{number:,} prediction{'s were' if number != 1 else ' was'} deleted.")
        return HttpResponseRedirect(target)
    context = {
        "title": "Delete predictions",
        "about": filter.about,
        "counts": counts,
        "subject": find_subject(request, product, which.get("ids", [])),
        "has_changed": "confirmed" in request.POST,
        "fields": [(name, text) for name, texts in request.POST.lists() if name not in OWN for text in texts],
        "back": target,
    }
    return render(request, "console/delete_predictions.html", context, product)


def find_subject(request: HttpRequest, product: str, ids: list[str]) -> str:
    """Name whom the one checked prediction is about; empty for several, and if only its features say so."""
    if len(ids) != 1:
        return ""
    may_view = "VIEW" in find_permissions(request, product)
    node = fetch(request, "PredictionSubject", {"prediction": ids[0], "view": may_view})["node"]
    return subject_of(node) if node else ""


def list_parameters(request: HttpRequest) -> dict[str, str]:
    """List the parameters of the filtered list among those of the form."""
    names = [name for name in request.POST if name not in (*OWN, *PLACE, "id", "all")]
    return {name: str(request.POST[name]) for name in names}


def remove(request: HttpRequest, which: JSONObject, dry: bool) -> JSONObject:
    """Delete predictions, or only count them. Raises Refused."""
    result: JSONObject = fetch(request, "DeletePredictions", {"input": which | {"dryRun": dry}})
    counts: JSONObject = result["deletePredictions"]
    return counts


urls = [path("products/<str:product>/predictions/delete/", delete, name="delete-predictions")]
