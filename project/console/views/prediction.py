"""The page of one stored prediction: its whole story, and feedback about it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from ..answers import Shown, list_other_labels
from ..api import JSONObject, Problem, Refused, ask, fetch
from ..callers import find_permissions
from ..form_values import is_number
from ..pages import link, page, render, require
from ..tasks import Task

BASE = "products/<str:product>/predictions/<str:id>/"


@page
@require_safe
def prediction(request: HttpRequest, product: str, id: str) -> HttpResponse:
    """Show the whole story of one prediction."""
    permissions = find_permissions(request, product)
    may_view = "VIEW" in permissions
    node = require(
        fetch(request, "Prediction", {"prediction": id, "view": may_view})["node"],
        "This prediction does not exist, or was deleted.",
    )
    if node.get("product", {}).get("name") != product:
        require(None, "This is no prediction of this product.")
    about = fetch(request, "PredictionForm", {"product": product, "view": may_view})["product"]
    versions = (about.get("models") or {"nodes": []})["nodes"]
    context = {
        "title": f"Prediction about {subject}" if (subject := subject_of(node)) else "Prediction",
        "about": about,
        "node": node,
        "shown": Shown(node),
        "labels": list_other_labels(about, node),
        "groups": group_features(about["features"], node["featureValues"]),
        "verdict": judge(node, about["task"]),
        "others": [each for each in versions if each["id"] != node["model"]["id"]],
        "may_view": may_view,
    }
    return render(request, "console/prediction.html", context, product)


def group_features(
    features: Iterable[JSONObject], values: Iterable[JSONObject]
) -> list[tuple[str, list[JSONObject]]]:
    """Group the values that were predicted from as the form does; those without a feature today come last."""
    declared = {each["name"]: each for each in features}
    groups: dict[str, list[JSONObject]] = {}
    for each in values:
        feature = declared.get(each["name"], {"title": each["name"], "group": "Earlier features"})
        groups.setdefault(feature["group"], []).append({"title": feature["title"], "text": each["text"]})
    return list(groups.items())


def subject_of(node: JSONObject) -> str:
    """Name whom a prediction is about; empty if only its features say so."""
    entity = node.get("entity")
    return str(entity["key"]) if entity else str(node.get("reference") or "")


def judge(node: JSONObject, task: str) -> str:
    """Judge an answer by the truth: `right`, `wrong`, or empty where that is not known or no yes or no."""
    truth = node.get("truthText")
    if truth is None or not Task(task).predicts_labels:
        return ""
    return "right" if truth == node["answerText"] else "wrong"


@page
@require_safe
def by_version(request: HttpRequest, product: str, id: str) -> HttpResponse:
    """Show what another version would answer to the features of a prediction."""
    answer = ask(request, "PredictionByOthers", {"prediction": id, "model": request.GET.get("model") or None})
    node = (
        require(answer.data and answer.data["node"], "This prediction was deleted.")
        if not answer.problems
        else {}
    )
    would_be = node.get("genericWouldBe")
    context = {
        "title": "Another version's answer",
        "problems": answer.problems,
        "would_be": would_be,
        "shown": Shown(would_be) if would_be else None,
        "back": reverse("console:prediction", args=[product, id]),
    }
    return render(request, "console/prediction_by_version.html", context, product)


@page
@require_POST
def give_feedback(request: HttpRequest, product: str, id: str) -> HttpResponse:
    """Store what is right about a prediction, and go back to the page that the form was on."""
    target = reverse("console:prediction", args=[product, id])
    if request.POST.get("back") == "try":
        target = link(reverse("console:try", args=[product]), {"prediction": id})
    text = request.POST.get("answer") or request.POST.get("other", "").strip()
    if not text:
        messages.warning(request, "Nothing was stored: choose or type what is right first.")
        return HttpResponseRedirect(target)
    item: dict[str, Any] = {
        "product": product,
        "about": {"prediction": id},
        "answer": float(text) if is_number(text) else text,
        "comment": request.POST.get("comment", "").strip() or None,
    }
    result = ask(request, "GiveFeedback", {"input": item})
    if result.problems or not result.data:
        return report(request, result.problems, target)
    stored = result.data["feedback"]
    word = stored["feedback"]["answerText"]
    is_new = stored["created"]
    messages.success(
        request, f"Stored: {word} is right." if is_new else f"You said before that {word} is right."
    )
    if stored["notWritten"]:
        messages.warning(request, stored["notWritten"]["message"])
    return HttpResponseRedirect(target)


@page
@require_POST
def retract_feedback(request: HttpRequest, product: str, id: str) -> HttpResponse:
    """Take back a feedback about a prediction."""
    item = {"product": product, "feedback": request.POST.get("feedback", "")}
    result = ask(request, "RetractFeedback", {"input": item})
    target = reverse("console:prediction", args=[product, id])
    if result.problems:
        return report(request, result.problems, target)
    messages.success(request, "The feedback was taken back: it stays on record, and no longer counts.")
    return HttpResponseRedirect(target)


def report(request: HttpRequest, problems: Iterable[Problem], target: str) -> HttpResponse:
    """Go to a page that begins with these problems; strangers go to the login."""
    problems = list(problems)
    if any(problem.code in ("UNAUTHENTICATED", "UNAVAILABLE") for problem in problems):
        raise Refused(problems)
    for problem in problems:
        messages.error(request, problem.message)
    return HttpResponseRedirect(target)


urls = [
    path(BASE, prediction, name="prediction"),
    path(f"{BASE}by-version/", by_version, name="prediction-by-version"),
    path(f"{BASE}feedback/", give_feedback, name="give-feedback"),
    path(f"{BASE}retract/", retract_feedback, name="retract-feedback"),
]
