"""The settings of a product: what is declared in code, what rules have decided, and who is told and may do what."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ..api import JSONObject, ask, fetch
from ..pages import page, render, require
from ..templatetags.console import count, number, percent, seconds
from ..wording import metric_title, write_metrics

#: Titles of the options of a problem, and what stands where Exemplar decides.
OPTIONS = {
    "metric": ("Metric", "the task's usual one"),
    "positive": ("Positive class", "the last of the declared labels"),
    "floors": ("Least recall of a class, else a version waits for a person", "none"),
    "clusters": ("Numbers of clusters that are tried", "none"),
    "candidates": ("Candidates of a search", "as many as are usual, or as the time allows"),
    "seconds": ("Time limit of a build", "none"),
    "families": ("Families that take part", "all of the task"),
    "folds": ("Folds of the cross-validation", "by the number of rows"),
    "repeats": ("Partitions into folds", "by the number of rows"),
    "ordered": ("Folds follow the time of the events", "no"),
    "gap": ("Time before a fold that is not learned from", "none"),
    "auto_promote": ("The winner may serve without a person", "yes"),
    "early": ("A first small model serves during the search", "no"),
    "keep": ("Families whose best candidates are registered", "3"),
    "pictures": ("Share of the build's time for diagnostics", "none"),
    "megabytes": ("Memory limit of one fit", "an equal share"),
    "infer_limit": ("Longest time of a prediction", "none"),
    "seed": ("Seed of what is random", "0"),
}
#: Permissions in words.
PERMISSIONS = {
    "VIEW": "see everything about it",
    "PREDICT": "predict",
    "FEEDBACK": "say what was right",
    "BUILD": "request and cancel builds",
    "PROMOTE": "promote versions and roll back",
    "DELETE": "delete predictions and rows",
    "ERASE": "erase all about a person",
    "ADMINISTER": "say who may do what, and who is told",
}
WRITES = {
    "ROWS": "Rows and labels may be written into the tables.",
    "LABEL": "Only the label column of rows that exist may be written.",
    "NONE": "Nothing is written into the tables; feedback is stored and learned from in any case.",
}


@dataclass(frozen=True)
class DescribedOption:
    """An option of the problem, in words."""

    title: str
    value: str
    is_declared: bool
    #: The name in the declaration.
    name: str


@page
def settings(request: HttpRequest, product: str) -> HttpResponse:
    """Show what is declared of a product, and what has become of it."""
    about = require(
        fetch(request, "Settings", {"product": product})["product"], f"No product is called {product}."
    )
    declared = require(about["settings"], f"{about['title']} has no settings.")
    administers = "ADMINISTER" in about["viewerPermissions"]
    options = [_describe(each) for each in _order(declared["options"])]
    retraining = about["retraining"] or {}
    decisions = (retraining.get("decisions") or {}).get("nodes", ())
    context = {
        "title": "Settings",
        "about": about,
        "settings": declared,
        "due_at": retraining.get("dueAt"),
        "rules": [
            {**rule, "latest": _in_words(rule["latest"]), "description": write_metrics(rule["description"])}
            for rule in declared["rules"]
        ],
        "decisions": [_in_words(each) for each in decisions if each["build"]],
        "declared": [option for option in options if option.is_declared],
        "usual": [option for option in options if not option.is_declared],
        "writes": WRITES[about["writes"]],
        "may": [PERMISSIONS[name] for name in about["viewerPermissions"]],
        "administers": administers,
        "receivers": _list_receivers(request, product) if administers else None,
    }
    return render(request, "console/settings.html", context, product)


def _in_words(decision: JSONObject | None) -> JSONObject | None:
    return decision and {**decision, "reason": write_metrics(decision["reason"])}


def _list_receivers(request: HttpRequest, product: str) -> JSONObject:
    """List who is told of events, with the newest attempt of each."""
    answer = ask(request, "SettingsReceivers", {"product": product})
    return (answer.data or {}).get("receivers") or {"nodes": [], "totalCount": 0, "problems": answer.problems}


def _order(options: list[JSONObject]) -> list[JSONObject]:
    places = list(OPTIONS)
    return sorted(
        options, key=lambda each: places.index(each["name"]) if each["name"] in places else len(places)
    )


def _describe(option: JSONObject) -> DescribedOption:
    name, value = option["name"], option["value"]
    title, usual = OPTIONS.get(name, (name.replace("_", " ").capitalize(), "as usual"))
    text = usual if value in (None, "", {}, []) else _format(name, value)
    return DescribedOption(title, text, option["declared"], name)


def _format(name: str, value: object) -> str:
    match name, value:
        case "metric", str():
            return metric_title(value)
        case (("seconds" | "gap"), int() | float()):
            return seconds(value) if value else "none"
        case "pictures", int() | float():
            return percent(value)
        case "megabytes", int() | float():
            return f"{number(value)} MB"
        case "infer_limit", int() | float():
            return f"{number(value)} µs a row"
        case _, bool():
            return "yes" if value else "no"
        case _, int():
            return count(value)
        case _, dict():
            return ", ".join(f"{key}: {number(each)}" for key, each in value.items())
        case _, list():
            return ", ".join(str(each).replace("_", " ") for each in value)
    return str(value)


urls = [path("products/<str:product>/settings/", settings, name="settings")]
