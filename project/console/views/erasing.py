"""Erasure of all about an entity or a reference: who it is, then what would go, and then it is confirmed."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from store.access.permissions import Permission

from ..api import JSONObject, Problem, Refused, fetch
from ..callers import find_permissions
from ..pages import page, render


@page
def erase(request: HttpRequest, product: str) -> HttpResponse:
    """Ask for a key or a reference, show what would be erased, and erase it once that is confirmed."""
    sent = request.POST if request.method == "POST" else request.GET
    name = {key: sent[key].strip() for key in ("entity", "reference") if sent.get(key, "").strip()}
    context: JSONObject = {"title": "Erase all about somebody", "name": name, "product": product}
    if not name:
        check_permission(request, product)
        return render(request, "console/erase.html", context, product)
    counts = remove(request, product, name, dry=request.method != "POST")
    if request.method == "POST":
        messages.success(request, describe(counts))
        return HttpResponseRedirect(reverse("console:erase", args=[product]))
    context |= {"counts": counts, "subject": " and ".join(name.values())}
    return render(request, "console/erase.html", context, product)


def check_permission(request: HttpRequest, product: str) -> None:
    """Check that the caller may erase. Raises Refused."""
    if Permission.ERASE not in find_permissions(request, product):
        raise Refused([Problem("FORBIDDEN", f"This takes the permission {Permission.ERASE} on {product}.")])


def remove(request: HttpRequest, product: str, name: JSONObject, dry: bool) -> JSONObject:
    """Erase, or only count. Raises Refused."""
    reason = request.POST.get("reason", "").strip()
    wanted = {"product": product, "reason": reason, "dryRun": dry, **name}
    counts: JSONObject = fetch(request, "Erase", {"input": wanted})["erase"]
    return counts


def describe(counts: JSONObject) -> str:
    """Describe what was erased, and what is left to do."""
    text = (
        f"Erased: predictions: {counts['predictionCount']:,}, words of feedback: {counts['feedbackCount']:,}."
    )
    if tables := counts["snapshotCount"]:
        text += f" Tables of snapshots that follow, once no build reads them: {tables}."
    if counts["hasUnfinishedBuild"]:
        text += " A build is unfinished and may have read it before: erase it again when that has ended."
    return text


urls = [path("products/<str:product>/erase/", erase, name="erase")]
