"""The query in the address of a page about quality."""

from django.http import HttpRequest

from .api import JSONObject
from .pages import require
from .tasks import Task
from .windows import Window, read_window


class QualityQuery:
    """The query of an address: a window, a version or all of them, and a measure."""

    def __init__(self, request: HttpRequest, product: str):
        self.product = product
        self.window: Window = read_window(request.GET)
        number = request.GET.get("model", "")
        self.model = int(number) if number.isdecimal() and len(number) < 9 else None
        metric, _, label = request.GET.get("measure", "").partition(":")
        self.metric, self.label = metric, label or None

    @property
    def variables(self) -> JSONObject:
        """The window and the version as variables of an operation."""
        version = {"number": self.model or 0, "one": self.model is not None}
        return {"product": self.product, **self.window.variables, **version}

    def covers(self, model: JSONObject | None) -> bool:
        """Return True if the predictions of a version are wanted; without a version, all are."""
        return self.model is None or (model is not None and model["number"] == self.model)

    def find(self, data: JSONObject) -> tuple[JSONObject, JSONObject]:
        """Find the product and its quality in the data of an operation. Raises Http404."""
        product = require(data["product"], f"No product is called {self.product}.")
        if self.model is None:
            return product, require(product["quality"], "There is no quality.")
        version = require(
            product["model"], f"{product.get('title', self.product)} has no version {self.model}."
        )
        return product, require(version["quality"], "There is no quality.")

    def history_variables(self, about: JSONObject) -> JSONObject:
        """The variables of the operation that asks for the history, for a product with its task and metric."""
        groups = [self.window.by]
        if not Task(about["task"]).predicts_numbers:
            groups.append("LABEL")
        if self.model is not None:
            groups.append("MODEL")
        # The measures of classes are listed in any case.
        metrics = [] if self.label or not Task(about["task"]).has_truths else [self.metric or about["metric"]]
        return {**self.variables, "by": self.window.by, "metrics": metrics, "groups": groups}
