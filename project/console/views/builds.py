"""Builds of a product: the list with a form that requests one, and the page on which a build is watched."""

from statistics import median

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST

from .. import build_progress
from ..api import JSONObject, Problem, ask, fetch
from ..form_values import read_whole
from ..pages import page, render, require
from ..paging import list_pages, page_of
from ..templatetags.console import seconds
from ..templatetags.registry import why_won

#: The states by which the list is filtered, as words.
STATUSES = {
    "READY": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}
#: What to do about a build that failed, by the code of its problem.
REMEDIES = {
    "NO_ROWS": "Load rows into the product's tables, then request a build again.",
    "TOO_FEW_INSTANCES": "Label more examples on the page Correct, or load more rows, then request a build again.",
    "ONE_CLASS": "Label examples of another class on the page Correct, then request a build again.",
    "ROWS_MULTIPLIED": "Mend the tables or the join: the page Data has its SQL. Then request a build again.",
    "INCOMPLETE_ENTITY": "Load the missing rows of the feature tables, then request a build again.",
    "TIMED_OUT": "Request it again with more seconds, fewer candidates or quicker families.",
    "OUT_OF_MEMORY": "Request it again with other families, or give the worker more memory.",
    "WORKER_LOST": "The log of the worker says why it ended. Request it again once a worker runs.",
    "UNAVAILABLE": "Request it again once the database can be reached.",
}
REMEDY = "The log of the worker has the details. Mend the cause, then request a build again."
#: The whole numbers of the form.
NUMBERS = ("candidates", "seconds", "seed")


@page
def builds(request: HttpRequest, product: str) -> HttpResponse:
    """List the builds; request one."""
    problems: list[Problem] = []
    if request.method == "POST":
        answer = ask(request, "RequestBuild", {"input": _read_form(request, product)})
        if answer.data and (payload := answer.data["requestBuild"]):
            return _show_requested(request, product, payload)
        problems = answer.problems
    status = request.GET.get("status", "")
    filter = {"status": {"eq": status}} if status in STATUSES else None
    data = require(
        fetch(request, "Builds", {"product": product, "filter": filter, **page_of(request)})["product"],
        "There is no such product.",
    )
    defaults = data["buildDefaults"]
    chosen = request.POST.getlist("families") if problems else defaults["families"]
    context = {
        "title": "Builds",
        "data": data,
        "rows": [_with_times(build) for build in data["builds"]["nodes"]],
        "pages": list_pages(data["builds"]["pageInfo"]),
        "statuses": STATUSES,
        "status": status,
        "takes": _describe_times(data["ended"]["nodes"]),
        "families": [(name, name in chosen) for name in defaults["availableFamilies"]],
        "problems": problems,
        "faults": {problem.argument[-1]: problem.message for problem in problems if problem.argument},
        "form": request.POST if problems else {},
    }
    return render(request, "console/builds.html", context, product, 400 if problems else 200)


def _read_form(request: HttpRequest, product: str) -> JSONObject:
    """Read the input of the mutation from the form; what is as declared is left out."""
    options: JSONObject = {}
    for name in NUMBERS:
        if text := request.POST.get(name, "").strip():
            whole = read_whole(text.removeprefix("-"))
            options[name] = text if whole is None else -whole if text.startswith("-") else whole
    families = request.POST.getlist("families")
    if families != request.POST.get("declared", "").split(","):
        options["families"] = families
    if (promotes := request.POST.get("serve")) in ("yes", "no"):
        options["autoPromote"] = promotes == "yes"
    reason = request.POST.get("reason", "").strip()
    return {"product": product, "reason": reason, **({"options": options} if options else {})}


def _show_requested(request: HttpRequest, product: str, payload: JSONObject) -> HttpResponse:
    number = payload["build"]["number"]
    if payload["started"]:
        messages.success(request, f"Build {number} was requested.")
    else:
        messages.warning(
            request,
            f"Build {number} had not ended yet. It goes on with its own options; yours were not used.",
        )
    return HttpResponseRedirect(reverse("console:build", args=[product, number]))


@page
def build(request: HttpRequest, product: str, number: int) -> HttpResponse:
    """Show a build: live until it ends, then its decision."""
    data = require(
        fetch(request, "Build", {"product": product, "number": number})["product"],
        "There is no such product.",
    )
    row = require(data["build"], f"There is no build {number}.")
    leaders = build_progress.rank(row)
    events = row["events"]["nodes"]
    winner = next((each for each in leaders if each["remark"].startswith("won")), None)
    previous = data["champion"]["number"] if data["champion"] else None
    context = {
        "title": f"Build {number}",
        "data": data,
        "build": _with_times(row),
        "steps": build_progress.list_steps(row, data["ended"]["nodes"]),
        "leaders": leaders,
        "winner": winner,
        "why": _explain(winner, row["decision"] or ""),
        "running": build_progress.list_running(row),
        "open": build_progress.list_open(row) if row["unfinished"] else [],
        "chart": build_progress.draw_best(row),
        "events": events[::-1],
        "watch": {"build": row["id"], **({"after": events[-1]["cursor"]} if events else {})},
        "remedy": REMEDIES.get(row["problem"]["code"], REMEDY) if row["problem"] else "",
        "previous": previous if row["model"] and previous != row["model"]["number"] else None,
    }
    return render(request, "console/build.html", context, product)


def _explain(winner: JSONObject | None, decision: str) -> str:
    """Return why a candidate won; empty if the decision says the same already."""
    reason = why_won(winner["remark"]) if winner else ""
    return "" if reason.removesuffix(".") in decision else reason


@page
@require_POST
def cancel(request: HttpRequest, product: str, number: int) -> HttpResponse:
    """Cancel a build."""
    data = require(
        fetch(request, "BuildId", {"product": product, "number": number})["product"],
        "There is no such product.",
    )
    job = require(data["build"], f"There is no build {number}.")["id"]
    answer = ask(request, "CancelBuild", {"job": job, "reason": request.POST.get("reason", "").strip()})
    for problem in answer.problems:
        messages.error(request, problem.message)
    if not answer.problems:
        messages.success(request, f"Build {number} was cancelled.")
    return HttpResponseRedirect(reverse("console:build", args=[product, number]))


def _with_times(build: JSONObject) -> JSONObject:
    """Add to a build how long it took, its state as a word, and whether it goes on."""
    build["took"] = _duration(build)
    build["word"] = STATUSES[build["status"]]
    build["unfinished"] = build["status"] in build_progress.UNFINISHED
    return build


def _duration(build: JSONObject) -> float | None:
    begin, end = (build[name] and parse_datetime(build[name]) for name in ("startedAt", "endedAt"))
    return (end - begin).total_seconds() if begin and end else None


def _describe_times(ended: list[JSONObject]) -> str:
    """Describe how long the last builds took; empty without any."""
    times = [time for time in map(_duration, ended) if time is not None]
    if not times:
        return ""
    if len(times) == 1:
        return f"The last build took {seconds(times[0])}."
    return (
        f"The last {len(times)} builds took {seconds(min(times))} to {seconds(max(times))}, "
        f"half of them at most {seconds(median(times))}."
    )


urls = [
    path("products/<str:product>/builds/", builds, name="builds"),
    path("products/<str:product>/builds/<int:number>/", build, name="build"),
    path("products/<str:product>/builds/<int:number>/cancel/", cancel, name="cancel-build"),
]
