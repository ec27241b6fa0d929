"""Filters of the pages about builds and model versions: recipes, scores and metrics as people read them."""

import json
from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.text import capfirst

from .console import number, seconds, words

register = template.Library()

#: Names of metrics for people, where the words of their names are not enough.
METRICS = {
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC, one class against the rest",
    "r2": "R²",
    "f1": "F1",
    "f1_macro": "F1, mean of the classes",
    "neg_log_loss": "Log loss, negative",
    "neg_brier_score": "Brier score, negative",
    "neg_mean_absolute_error": "Mean absolute error, negative",
    "neg_median_absolute_error": "Median absolute error, negative",
    "neg_mean_squared_error": "Mean squared error, negative",
    "neg_root_mean_squared_error": "Root of the mean squared error, negative",
}
#: Values of hyperparameters are shortened to so many letters.
MOST_LETTERS = 60


@register.filter
def metric_title(name: str | None) -> str:
    """Write the name of a metric for people."""
    return METRICS.get(name or "") or capfirst(words(name or ""))


@register.filter
def family(name: str) -> str:
    """Write the name of a family of estimators for people."""
    titles = {"svm": "SVM", "kernel_svm": "kernel SVM", "mlp": "neural network", "hdbscan": "HDBSCAN"}
    return titles.get(name) or words(name)


@register.filter
def score(value: float | None) -> str:
    """Format a score: one digit more than other numbers have, as scores are compared."""
    return number(value, 4)


@register.filter
def duration(value: float | None) -> str:
    """Format a duration, with tenths of seconds below ten."""
    return f"{value:.1f} s" if value is not None and value < 9.95 else seconds(value)


@register.filter
def signed(value: float | None) -> str:
    """Format a difference with its sign."""
    return number(value) if value is None or value < 0 else f"+{number(value)}"


@register.filter
def parameter(value: Any) -> str:
    """Write the value of a hyperparameter."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list) and value and isinstance(value[0], dict) and "family" in value[0]:
        return " + ".join(f"{number(each.get('weight'), 2)} {family(each['family'])}" for each in value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


@register.filter
def recipe(hyperparameters: list[dict[str, Any]]) -> str:
    """Write hyperparameters in one line."""
    return ", ".join(_describe(each["name"], each["value"]) for each in hyperparameters)


def _describe(name: str, value: Any) -> str:
    if name == "members":
        return parameter(value)
    return f"{name.replace('_', ' ')} {parameter(value)}"


@register.filter
def why_won(remark: str) -> str:
    """Write why a candidate won as a sentence: the remark says more only where another has a higher score."""
    reason = remark.removeprefix("won").removeprefix(":").strip()
    if not reason:
        return "it has the highest score of the final round."
    return f"{reason}."


@register.filter
def item(values: Mapping[str, Any], key: str) -> Any:
    """Get a value by its key; None where there is none."""
    return values.get(key)


@register.simple_tag
def as_variables(**values: object) -> str:
    """Write the variables of a subscription, for an attribute of an element."""
    return json.dumps(values, ensure_ascii=False)
