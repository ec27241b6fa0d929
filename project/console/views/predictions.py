"""The list of stored predictions, with its filters, counts by group and pages."""

import json
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from ..api import JSONObject, Refused, ask, fetch
from ..pages import link, page, render
from ..paging import page_of
from ..prediction_facets import list_facets
from ..prediction_filters import COMPARISONS, FLAGS, PredictionFilter, read_filter
from ..tasks import Task
from ..windows import start_of_day
from . import deleting
from . import prediction as one

#: The predictions of one page.
PAGE_SIZE = 50
#: Days of the shortcut of the filter.
LAST_DAYS = 7
#: Refusals that say nothing about the filter.
PASSED_ON = (
    *("FORBIDDEN", "UNAUTHENTICATED", "UNAVAILABLE", "OVERLOADED", "TIMED_OUT", "RATE_LIMITED", "INTERNAL"),
    "UNKNOWN_PRODUCT",
)
BASE = "products/<str:product>/predictions/"


@page
@require_safe
def predictions(request: HttpRequest, product: str) -> HttpResponse:
    """List the predictions that match the filter of the address."""
    filter = read_filter(request, product, request.GET)
    listed, faults = list_page(request, product, filter)
    columns = {each["feature"] for each in filter.features}
    # People open it in a spreadsheet, and texts are of whoever has asked.
    exported = {"formulas": "escape"}
    if filter.typed:
        exported["filter"] = json.dumps(filter.typed)
    context = {
        "title": "Predictions",
        "about": filter.about,
        "filter": filter,
        "faults": faults,
        "listed": listed,
        "columns": [each for each in filter.about["features"] if each["name"] in columns],
        "comparisons": COMPARISONS.items(),
        "flags": list_flags(filter),
        "query": urlencode(filter.texts),
        "last_week": link(request.path, filter.texts | {"since": _begin_of_week(), "until": ""}),
        "is_newest": not {"after", "before"} & set(request.GET) and filter.order == "newest",
        "live": {"product": product, "filter": filter.input},
        "export": link(f"/export/{product}/predictions.csv", exported),
    }
    return render(request, "console/predictions.html", context, product, 422 if faults else 200)


def _begin_of_week() -> str:
    """Get the day in UTC with which the last seven days begin, today among them."""
    return start_of_day(LAST_DAYS - 1).date().isoformat()


def list_page(
    request: HttpRequest, product: str, filter: PredictionFilter
) -> tuple[JSONObject | None, list[str]]:
    """List a page of predictions, and what is wrong with the filter. Raises Refused."""
    variables: dict[str, Any] = {
        "product": product,
        "filter": filter.input,
        "orderBy": filter.order_input,
        "view": filter.may_view,
        "features": bool(filter.features),
    }
    if filter.faults:
        return None, list(filter.faults.values())
    answer = ask(request, "Predictions", variables | page_of(request, PAGE_SIZE))
    if any(problem.code in PASSED_ON for problem in answer.problems):
        raise Refused(answer.problems)
    page = answer.data and answer.data["product"] and answer.data["product"]["genericPredictions"]
    return page or None, [problem.message for problem in answer.problems]


def list_flags(filter: PredictionFilter) -> list[JSONObject]:
    """List the conditions that are true or false, which this product has."""
    if not Task(filter.task).has_truths or not filter.may_view:
        return []
    titles = {"wrong": "Right or wrong by feedback", "labelled": "Feedback", "disputed": "Disputes"}
    return [
        {"name": name, "title": titles[name], "yes": yes, "no": no, "chosen": filter.text(name)}
        for name, (yes, no) in FLAGS.items()
        if name != "wrong" or Task(filter.task).predicts_labels
    ]


@page
@require_safe
def facets(request: HttpRequest, product: str) -> HttpResponse:
    """Count what the filter matches, by answer and version; by truth where that is requested, as it takes longer."""
    filter = read_filter(request, product, request.GET)
    has_truths = Task(filter.task).predicts_labels
    variables = {
        "product": product,
        "filter": filter.input,
        "answers": not Task(filter.task).predicts_numbers,
        "truths": has_truths and "truths" in request.GET,
    }
    counted = fetch(request, "PredictionFacets", variables)["product"]
    context = {
        "title": "Predictions by group",
        "total": sum(each["count"] for each in counted["versions"]),
        "groups": list_facets(filter, product, counted),
        "offers_truths": has_truths and "truths" not in request.GET,
    }
    return render(request, "console/prediction_facets.html", context, product)


urls = [
    path(BASE, predictions, name="predictions"),
    path(f"{BASE}facets/", facets, name="prediction-facets"),
    *deleting.urls,
    *one.urls,
]
