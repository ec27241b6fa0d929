"""Two or three versions side by side, and the comparison of two on stored predictions."""

from itertools import combinations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from .. import model_tables
from ..api import JSONObject, ask, fetch
from ..form_values import read_whole
from ..interval_charts import IntervalRow, differences
from ..pages import link, page, render, require
from ..paging import list_pages, page_of
from ..templatetags.registry import metric_title

#: Why truths do not count, as people read it.
REASONS = {
    "LEARNED_FROM": "one of the versions may have learned from the truth",
    "LABEL_IN_TABLE": "the label column had it before any feedback",
    "TRUTH_BEFORE": "the instance was stored after its first feedback",
    "DISPUTED": "people disagree",
    "NOT_A_LABEL": "the label is declared no longer",
}
SIDES = ("a", "b", "c")


@page
def compare(request: HttpRequest, product: str) -> HttpResponse:
    """Show versions beside each other; begin with the champion and the newest where none is named."""
    texts = [*(request.GET.get(side, "") for side in SIDES), *sorted(request.GET.getlist("version"))]
    numbers = [number for number in map(read_whole, texts) if number is not None]
    if len(set(numbers)) < 2 or "version" in request.GET:
        return _choose(request, product, numbers)
    a, b, *rest = dict.fromkeys(numbers)
    variables = {"product": product, "a": a, "b": b, "c": rest[0] if rest else a, "three": bool(rest)}
    data = require(fetch(request, "Compare", variables)["product"], "There is no such product.")
    sides = [
        require(data[side], f"There is no version {number}.")
        for side, number in zip(SIDES, (a, b, *rest), strict=False)
    ]
    titles = model_tables.titles_of(data["labels"])
    recipe = model_tables.compare_recipes(sides)
    context = {
        "title": "Versions " + " and ".join(str(side["number"]) for side in sides),
        "data": data,
        "sides": sides,
        "options": _list_options(data["newest"]["nodes"], sides),
        "numbers": dict(zip(SIDES, (a, b, *rest), strict=False)),
        "promotion": _find_promotion(data, sides),
        "differing": [row for row in recipe if row.differs],
        "same": [row for row in recipe if not row.differs],
        "scores": model_tables.compare_scores(sides, data["metric"]),
        "classes": model_tables.compare_classes(sides, titles),
        "paired": model_tables.share_rows(sides),
        "pictures": model_tables.pair_pictures(sides),
        "pairs": _list_pairs(product, sides, data["jobs"]["nodes"]) if rest else [],
        "job": None if rest else _find_job(data["jobs"]["nodes"], a, b),
    }
    return render(request, "console/compare.html", context, product)


def _find_promotion(data: JSONObject, sides: list[JSONObject]) -> JSONObject | None:
    """Find the promotion by which one of the versions serves; None if another one serves."""
    numbers = {side["number"] for side in sides if side["status"] == "CHAMPION"}
    return next((each for each in data["promotions"]["nodes"] if each["model"]["number"] in numbers), None)


def _list_options(newest: list[JSONObject], sides: list[JSONObject]) -> list[JSONObject]:
    """List the versions to choose from: the newest, and those that are compared."""
    listed = {each["number"] for each in newest}
    return [*newest, *(side for side in sides if side["number"] not in listed)]


def _choose(request: HttpRequest, product: str, numbers: list[int]) -> HttpResponse:
    """Redirect to the versions that were chosen, else to the champion beside the newest other version."""
    data = require(fetch(request, "Models", {"product": product})["product"], "There is no such product.")
    champion = data["champion"]["number"] if data["champion"] else None
    newest = [each["number"] for each in data["models"]["nodes"]]
    chosen = list(dict.fromkeys(numbers))[: len(SIDES)]
    if len(chosen) < 2:
        candidates = (*chosen, champion, *newest)
        chosen = list(dict.fromkeys(each for each in candidates if each is not None))[:2]
    if len(chosen) < 2:
        messages.warning(request, "A comparison needs two versions. Request a build to get another.")
        return HttpResponseRedirect(reverse("console:models", args=[product]))
    address = reverse("console:compare", args=[product])
    return HttpResponseRedirect(link(address, dict(zip(SIDES, chosen, strict=False))))


def _list_pairs(product: str, sides: list[JSONObject], jobs: list[JSONObject]) -> list[JSONObject]:
    """List the pairs of three versions, which are compared on stored predictions two at a time."""
    address = reverse("console:compare", args=[product])
    return [
        {
            "title": f"Versions {first['number']} and {second['number']}",
            "url": link(address, {"a": first["number"], "b": second["number"]}),
            "has_job": _find_job(jobs, first["number"], second["number"]) is not None,
        }
        for first, second in combinations(sides, 2)
    ]


def _find_job(jobs: list[JSONObject], a: int, b: int) -> str | None:
    """Find the id of the newest comparison of two versions, in either order."""
    for job in jobs:
        if {each["number"] for each in job.get("models", ())} == {a, b}:
            return str(job["id"])
    return None


@page
@require_POST
def begin(request: HttpRequest, product: str) -> HttpResponse:
    """Begin the comparison of two versions on stored predictions."""
    a, b = (read_whole(request.POST.get(side, "")) for side in SIDES[:2])
    address = link(reverse("console:compare", args=[product]), {"a": a, "b": b})
    if a is None or b is None:
        messages.error(request, "Choose two versions first.")
        return HttpResponseRedirect(address)
    ids = require(
        fetch(request, "ModelIds", {"product": product, "a": a, "b": b})["product"],
        "There is no such product.",
    )
    models = [require(ids[side], "There is no such version.")["id"] for side in SIDES[:2]]
    answer = ask(request, "CompareModels", {"input": {"product": product, "models": models}})
    for problem in answer.problems:
        messages.error(request, problem.message)
    return HttpResponseRedirect(f"{address}#comparison")


@page
def comparison(request: HttpRequest, product: str, job: str) -> HttpResponse:
    """Render a comparison on stored predictions, as a part of the page of its versions."""
    data = fetch(request, "Comparison", {"product": product, "id": job, **page_of(request)})
    row = require(data["job"], "There is no such comparison.")
    if row["__typename"] != "Comparison":
        raise Http404("This task is no comparison.")
    titles = model_tables.titles_of((data["product"] or {}).get("labels"))
    context = {
        "title": "Comparison on stored predictions",
        "job": row,
        "address": request.path,
        "unfinished": row["status"] in ("READY", "RUNNING"),
        "reasons": [(REASONS.get(each["reason"], each["reason"]), each["n"]) for each in row["leftOut"]],
        "chart": _draw(row["measures"], titles),
        "pages": list_pages(row["flips"]["pageInfo"]) if row["flips"] else {},
        "titles": titles,
    }
    return render(request, "console/comparison.html", context, product)


def _draw(measures: list[JSONObject], titles: dict[str, str]) -> str:
    """Draw the differences that have an interval, on the scale that shares have in common."""
    drawn = [each for each in measures if each["low"] is not None and not each["metric"].startswith("neg_")]
    rows = [
        IntervalRow(
            f"{titles.get(each['label'], each['label'])}: {metric_title(each['metric'])}"
            if each["label"]
            else metric_title(each["metric"]),
            each["difference"],
            each["low"],
            each["high"],
        )
        for each in drawn
    ]
    return differences("Differences with their intervals of 95 %", rows)


def list_urls(start: str) -> list[object]:
    """List the addresses of comparisons, below that of the versions."""
    return [
        path(f"{start}compare/", compare, name="compare"),
        path(f"{start}compare/begin/", begin, name="begin-comparison"),
        path(f"{start}compare/jobs/<str:job>/", comparison, name="comparison"),
    ]
