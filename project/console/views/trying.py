"""The page `try` of a product: a form of its features, the answer to them, and what another value would change."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render as render_template
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from ..answers import Shown, list_other_labels
from ..api import JSONObject, Refused, ask, fetch
from ..callers import find_permissions
from ..feature_forms import FeatureForm
from ..form_values import read_row, read_whole
from ..pages import link, page, render, require, require_permission
from ..what_if import WhatIf, choose_feature, list_values

#: An address that is longer is not offered as a link: mail programs and logs cut it.
LONGEST_LINK = 4_000
#: The fields of the form that are no features.
SUBJECT = ("entity", "reference")


class Trying:
    """The case that is tried: the form, with the subject, and the answer to it."""

    def __init__(self, request: HttpRequest, product: str):
        self.request, self.product = request, product
        self.permissions = find_permissions(request, product)
        data = ask(request, "Try", {"product": product, "view": self.may_view})
        # Examples come from the tables, which may be away: the form does without them.
        if data.data is None or (data.problems and data.data["product"] is None):
            raise Refused(data.problems)
        self.about: JSONObject = require(data.data["product"], "There is no such product.")
        self.form = FeatureForm.of(self.about["features"])
        self.subject = dict.fromkeys(SUBJECT, "")
        self.subject_faults: dict[str, list[str]] = {}
        self.answer: JSONObject | None = None
        self.pasted = ""
        self.paste_fault = ""

    @property
    def url(self) -> str:
        """The address of the page, without parameters."""
        return reverse("console:try", args=[self.product])

    @property
    def may_view(self) -> bool:
        """Check if the caller may read the rows and versions of the product."""
        return "VIEW" in self.permissions

    def read(self, texts: Mapping[str, str]) -> None:
        """Read the fields of the form, and the subject, from a form or an address."""
        self.form.type(texts)
        self.subject |= {name: texts[name].strip() for name in SUBJECT if name in texts}

    def fill_from_prediction(self, id: str, shows_answer: bool) -> None:
        """Fill the form from a stored prediction, and show its answer. Raises Refused, Http404."""
        data = fetch(self.request, "TryAnswer", {"prediction": id, "view": self.may_view})
        node = require(data["node"], "This prediction was deleted.")
        if node.get("product", {}).get("name") != self.product:
            require(None, "This prediction is of another product.")
        self.form.fill({each["name"]: each["value"] for each in node["featureValues"]})
        entity = node.get("entity")
        self.subject = {
            "entity": entity["key"] if entity else "",
            "reference": node["reference"] or "",
        }
        if shows_answer:
            self.answer = node

    def fill_from_row(self, key: str) -> None:
        """Fill the form from a row of the tables; a key without a row is a fault of its field."""
        data = ask(self.request, "TryRow", {"product": self.product, "key": key})
        entity = data.data and data.data["product"] and data.data["product"]["entity"]
        if entity:
            self.form.fill({each["name"]: each["value"] for each in entity["featureValues"]})
            self.subject["entity"] = entity["key"]
        else:
            sentences = [problem.message for problem in data.problems]
            self.subject_faults["row"] = sentences or [f"No row has the key {key}."]

    def fill_from_example(self, place: str) -> None:
        """Fill the form from an example, counted from 1."""
        examples = self.about.get("examples") or []
        number = read_whole(place)
        if number is not None and 0 < number <= len(examples):
            self.form.fill(examples[number - 1]["inputs"])

    def link(self) -> str:
        """Build the address by which this case is opened again; empty if it would be too long."""
        parameters = self.form.texts | {name: text for name, text in self.subject.items() if text}
        address = link(self.url, parameters)
        return address if parameters and len(address) <= LONGEST_LINK else ""

    def show_faults(self) -> HttpResponse:
        """Render the page with what is wrong; a part of it that htmx loads is no failure in the browser's log."""
        return self.show(200 if self.request.headers.get("HX-Request") else 422)

    def show(self, status: int = 200) -> HttpResponse:
        """Render the page."""
        answer = self.answer and Shown(self.answer)
        lead = self.about["description"]
        context = {
            "title": "Try",
            "lead": lead,
            "case": self,
            "form": self.form,
            "about": self.about,
            "answer": answer,
            "labels": list_other_labels(self.about, self.answer),
            "permalink": self.link(),
        }
        return render(self.request, "console/try.html", context, self.product, status)


@page
def try_page(request: HttpRequest, product: str) -> HttpResponse:
    """Show the form, filled from the address; predict what was sent, or read what was pasted."""
    case = Trying(request, product)
    if request.method == "POST":
        act = ACTIONS.get(request.POST.get("action", ""), predict)
        return act(case)
    parameters = request.GET.dict()
    if id := parameters.get("prediction") or parameters.get("from"):
        case.fill_from_prediction(id, shows_answer="prediction" in parameters)
    if key := parameters.get("row", "").strip():
        case.fill_from_row(key)
    if place := parameters.get("example"):
        case.fill_from_example(place)
    case.read(parameters)
    return case.show()


def predict(case: Trying) -> HttpResponse:
    """Predict, and show the answer; what is wrong stands at its field."""
    case.read(case.request.POST.dict())
    item: dict[str, Any] = {"product": case.product, "features": case.form.features}
    item |= {name: text for name, text in case.subject.items() if text}
    result = ask(case.request, "TryPredict", {"input": item})
    if result.problems or not result.data:
        require_permission(result.problems)
        case.subject_faults = case.form.blame(result.problems, SUBJECT)
        return case.show_faults()
    prediction = result.data["predict"]["prediction"]
    if case.may_view:
        return HttpResponseRedirect(link(case.url, {"prediction": prediction["id"]}))
    # Whoever may not view the product may have no way to read the prediction back.
    case.answer = prediction
    return case.show()


def paste(case: Trying) -> HttpResponse:
    """Fill the form from a pasted row."""
    case.pasted = case.request.POST.get("pasted", "")
    try:
        typed = case.form.type(read_row(case.pasted))
        case.paste_fault = "" if typed else "None of these names is a feature of this product."
    except ValueError as error:
        case.paste_fault = str(error)
    address = case.link()
    if case.paste_fault or not address:
        return case.show_faults() if case.paste_fault else case.show()
    messages.success(case.request, f"{typed} of {len(case.form.fields)} fields were filled from the row.")
    return HttpResponseRedirect(address)


#: What the forms of the page do, by their parameter `action`.
ACTIONS: Mapping[str, Callable[[Trying], HttpResponse]] = {"predict": predict, "paste": paste}


@page
@require_safe
def what_if(request: HttpRequest, product: str) -> HttpResponse:
    """Show how the answer of a stored prediction moves with one feature."""
    id = request.GET.get("prediction", "")
    case = Trying(request, product)
    case.fill_from_prediction(id, shows_answer=True)
    assert case.answer is not None
    movable = [each for each in case.form.fields if list_values(each)]
    chosen = choose_feature(movable, request.GET.get("feature", ""))
    result = None
    if chosen is not None:
        values = list_values(chosen)
        variables = {"prediction": id, "feature": chosen.name, "values": [value for value, _ in values]}
        node = fetch(request, "TryWhatIf", variables)["node"]
        result = WhatIf(chosen, values, node["whatIf"], case.answer)
    context = {
        "title": "What if",
        "about": case.about,
        "prediction": case.answer,
        "movable": movable,
        "chosen": chosen,
        "what_if": result,
        "try_url": case.url,
    }
    return render(request, "console/what_if.html", context, product)


@page
@require_safe
def rows(request: HttpRequest, product: str) -> HttpResponse:
    """List keys of rows to choose from, as the options of a field."""
    data = fetch(request, "TryRows", {"product": product})
    return render_template(request, "console/trying/rows.html", data)


urls = [
    path("products/<str:product>/try/", try_page, name="try"),
    path("products/<str:product>/try/rows/", rows, name="try-rows"),
    path("products/<str:product>/try/what-if/", what_if, name="what-if"),
]
