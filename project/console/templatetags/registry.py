"""Filters of the pages about builds and model versions: recipes, scores and metrics as people read them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import template

from learning.estimators.families.family_names import TITLES

from .. import wording
from .console import number, seconds, words

register = template.Library()

#: Stands among the scores of a class and is none.
SUPPORT = "support"
#: Names as programs have them, in sentences.
CODE_NAME = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
#: A build as the author of a promotion.
BUILD = re.compile(r"^Build (\d+) of \S+$")
#: Words in the names of metrics of which less is better.
LOSSES = ("error", "loss", "brier", "pinball", "deviance", "davies_bouldin", "negative_likelihood")
#: Scores below one have so many decimals; those that are nearer to 0 than the last of them have digits instead.
DECIMALS = 4
#: Values of hyperparameters are shortened to so many letters.
MOST_LETTERS = 60


def is_loss(metric: str) -> bool:
    """Return whether less is better: of an error or a loss that is neither negated nor compared with a baseline's."""
    return not metric.startswith(("neg_", "d2_")) and any(word in metric for word in LOSSES)


@register.filter
def metric_title(name: str | None) -> str:
    """Write the name of a metric for people."""
    name = name or ""
    if name == SUPPORT:
        return "Rows of a fold"
    title = wording.metric_title(name)
    return f"{title}, less is better" if is_loss(name) else title


@register.filter
def family(name: str) -> str:
    """Write the name of a family of estimators for people."""
    return TITLES.get(name) or words(name)


@register.filter
def score(value: float | None) -> str:
    """Format a score: one digit more than other numbers, and the same decimals below one, to compare them."""
    if value is None or not 10**-DECIMALS <= abs(value) < 1:
        return number(value, DECIMALS)
    return f"{value:.{DECIMALS}f}"


@register.filter
def duration(value: float | None) -> str:
    """Format a duration, with tenths of seconds below ten."""
    return f"{value:.1f} s" if value is not None and value < 9.95 else seconds(value)


@register.filter
def signed(value: float | None) -> str:
    """Format a difference with its sign."""
    if value is None:
        return number(value)
    text = number(value, 3 if abs(value) >= 0.001 else 1)
    return f"+{text}" if value > 0 else text


@register.filter
def parameter(value: Any) -> str:
    """Write the value of a hyperparameter."""
    if isinstance(value, float):
        return without_zeros(number(value))
    if isinstance(value, list) and value and isinstance(value[0], dict) and "family" in value[0]:
        return " + ".join(f"{number(each.get('weight'), 2)} {family(each['family'])}" for each in value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def without_zeros(text: str) -> str:
    """Cut the zeros at the end of a number's decimals."""
    return text.rstrip("0").rstrip(".") if "." in text else text


@register.filter
def recipe(hyperparameters: list[dict[str, Any]]) -> str:
    """Write hyperparameters in one line; an ensemble's are its members, as a build's decision names them."""
    values = {each["name"]: each["value"] for each in hyperparameters}
    if members := values.pop("members", None):
        parts = values.pop("parts", None)
        first = f"{parts} fold models of {parameter(members)}" if parts else parameter(members)
        return ", ".join([first, *(_describe(*each) for each in values.items())])
    return ", ".join(_describe(*each) for each in values.items())


def _describe(name: str, value: Any) -> str:
    return f"{spaced(name)} {parameter(value)}"


@register.filter
def why_won(remark: str) -> str:
    """Write why a candidate won as a sentence: the remark says more only where another has a higher score."""
    reason = remark.removeprefix("won").removeprefix(":").strip()
    if not reason:
        return "it has the highest score of the final round."
    return f"{reason}."


@register.filter
def prose(text: str) -> str:
    """Write names of metrics and hyperparameters in a sentence of the API as people read them."""
    return CODE_NAME.sub(lambda match: spaced(match[0]), wording.write_metrics(text))


@register.filter
def author(name: str) -> str:
    """Write who did something, in a sentence: a build without its product, which the page names already."""
    return BUILD.sub(lambda match: f"build {match[1]}", name)


@register.filter
def spaced(name: str) -> str:
    """Write the name of a hyperparameter with spaces."""
    return name.replace("_", " ")


@register.filter
def trial(kind: str) -> str:
    """Write the kind of a trial as a word."""
    return {"SHADOW": "Shadow", "SPLIT": "Split"}.get(kind, kind)


@register.filter
def at(values: Sequence[Any], place: int) -> Any:
    """Get a value by its place."""
    return values[place]


@register.filter
def item(values: Mapping[str, Any], key: str) -> Any:
    """Get a value by its key; None where there is none."""
    return values.get(key)


@register.simple_tag
def as_variables(**values: object) -> str:
    """Write the variables of a subscription, for an attribute of an element."""
    return json.dumps(values, ensure_ascii=False)
