"""Model versions of a product: the list with promised and live quality, the page of a version, and its pictures."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from schema.core.responses import STATUS

from .. import model_tables
from ..api import JSONObject, Problem, fetch
from ..charts import Series, lines
from ..pages import page, render, require
from ..paging import list_pages, page_of
from . import comparisons, promotions

NO_PRODUCT = "There is no such product."
#: The content security policy of a picture: it loads nothing and runs nothing.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
#: Roles of versions as words, with the class of their badge.
ROLES = {
    "CHAMPION": ("serves", "good"),
    "CHALLENGER": ("never served", "plain"),
    "RETIRED": ("retired", "plain"),
    "SHADOW": ("in a shadow", "warn"),
    "SPLIT": ("in a split", "warn"),
}


@page
def models(request: HttpRequest, product: str) -> HttpResponse:
    """List the versions, what waits, the trial and the promotions."""
    data = require(fetch(request, "Models", {"product": product, **page_of(request)})["product"], NO_PRODUCT)
    context = {
        "title": "Models",
        "data": data,
        "rows": data["models"]["nodes"],
        "pages": list_pages(data["models"]["pageInfo"]),
        "roles": ROLES,
        "past": [trial for trial in data["trials"]["nodes"] if trial["endedAt"]],
    }
    return render(request, "console/models.html", context, product)


@page
def live(request: HttpRequest, product: str) -> HttpResponse:
    """Render the chart and the table of promised and live quality, as a part of the list."""
    metric = request.GET.get("metric")
    variables = {"product": product, "metrics": [metric] if metric else None, **page_of(request)}
    data = require(fetch(request, "ModelsLive", variables)["product"], NO_PRODUCT)
    rows = [_with_measures(model, data["metric"]) for model in data["models"]["nodes"]]
    context = {"rows": rows, "metric": data["metric"], "chart": _draw(rows), "title": "", "roles": ROLES}
    return render(request, "console/parts/models_live.html", context, product)


def _with_measures(model: JSONObject, metric: str) -> JSONObject:
    """Add to a version what was promised and what is measured of the product's metric."""
    quality = model["quality"] or {"promised": None, "measured": [], "counted": 0, "predictions": 0}
    model["promised"] = quality["promised"]
    model["measured"] = next(
        (
            each
            for each in quality["measured"]
            if each["metric"] == metric and each["label"] is None and each["value"] is not None
        ),
        None,
    )
    model["quality"] = quality
    return model


def _draw(rows: list[JSONObject]) -> str:
    """Draw promised and live quality over the versions, the oldest first."""
    # The score of a model without features is far below; it would flatten all others.
    versions = [version for version in rows[::-1] if version["family"] != "baseline"]

    def series(title: str, name: str, dashed: bool) -> Series:
        values = [version[name] or {} for version in versions]
        low, high = ([value.get(end) for value in values] for end in ("low", "high"))
        return Series(title, [value.get("value") for value in values], low, high, dashed)

    labels = [f"Version {version['number']}" for version in versions]
    both = [series("promised", "promised", False), series("live", "measured", True)]
    return lines("Promised and live quality by version", labels, both)


@page
def model(request: HttpRequest, product: str, number: int) -> HttpResponse:
    """Show a version; promote it, or begin and end its trial."""
    problems: list[Problem] = []
    if request.method == "POST":
        if (outcome := promotions.act(request, product, number)) is None:
            return HttpResponse(status=302, headers={"Location": request.path})
        problems = outcome
    data = require(fetch(request, "Model", {"product": product, "number": number})["product"], NO_PRODUCT)
    version = require(data["model"], f"There is no version {number}.")
    titles = model_tables.titles_of(data["labels"])
    columns, folds = model_tables.by_fold(version)
    measures, classes = model_tables.by_class(version, titles)
    context = {
        "title": f"Version {number}",
        "data": data,
        "model": version,
        "role": ROLES[version["status"]],
        "columns": columns,
        "folds": folds,
        "measures": measures,
        "classes": classes,
        "titles": titles,
        "own": [each for each in data["promotions"]["nodes"] if each["model"]["number"] == number],
        "acts": promotions.list_acts(data, version),
        "problems": problems,
        "form": request.POST if problems else {},
    }
    return render(request, "console/model.html", context, product, _status_of(problems))


def _status_of(problems: list[Problem]) -> int:
    """Return the status of a page that says why nothing was done; 200 where nothing was refused."""
    if not problems:
        return 200
    return 409 if problems[0].code in promotions.STALE else int(STATUS.get(problems[0].code, 400))


@page
def quality(request: HttpRequest, product: str, number: int) -> HttpResponse:
    """Render the live quality of a version, as a part of its page."""
    data = require(
        fetch(request, "ModelQuality", {"product": product, "number": number})["product"], NO_PRODUCT
    )
    version = require(data["model"], f"There is no version {number}.")
    context = {
        "title": "",
        "data": data,
        "quality": version["quality"],
        "titles": model_tables.titles_of(data["labels"]),
    }
    return render(request, "console/parts/model_quality.html", context, product)


@page
def picture(request: HttpRequest, product: str, number: int, kind: str) -> HttpResponse:
    """Serve a picture as a document of its own, which may load and run nothing."""
    data = fetch(request, "ModelPicture", {"product": product, "number": number, "kinds": [kind]})
    version = (data["product"] or {}).get("model") or {}
    drawn = [each["svg"] for each in version.get("diagnostics") or () if each["svg"]]
    if not drawn:
        raise Http404("There is no such picture.")
    return HttpResponse(
        drawn[0], content_type="image/svg+xml", headers={"Content-Security-Policy": PICTURE_POLICY}
    )


def list_urls() -> list[object]:
    """List the addresses of the pages about versions."""
    start = "products/<str:product>/models/"
    return [
        path(start, models, name="models"),
        path(f"{start}live/", live, name="models-live"),
        *comparisons.list_urls(start),
        path(f"{start}<int:number>/", model, name="model"),
        path(f"{start}<int:number>/quality/", quality, name="model-quality"),
        path(f"{start}<int:number>/pictures/<str:kind>.svg", picture, name="picture"),
    ]


urls = list_urls()
