"""Filters of predictions of all products, and what they share with those of one product."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import strawberry

from store import models
from store.db import searches
from store.db.conditions import LOOKUPS, Condition
from store.exceptions import BadInput, Faults
from store.predictions.predictions import PredictionQuerySet
from store.products import catalogue, filter_values
from store.products.product import DataProduct
from store.registry import served_choices

from ..core import ids, json_values, names
from .conditions import (
    DateTimeCondition,
    FeatureCondition,
    FloatCondition,
    IDCondition,
    StringCondition,
    read_condition,
    read_members,
)
from .nodes import UNSET

#: The place of a value in the input.
Path: TypeAlias = tuple[str | int, ...]
#: The place of a list's filter.
FILTER: Path = ("filter",)

#: The members that every filter of predictions has, by their Python names: types and descriptions.
SHARED: dict[str, tuple[Any, str]] = {
    "entity": (IDCondition, "Conditions on the primary key of the row that it is about."),
    "reference": (StringCondition, "Conditions on the caller's own name for its subject."),
    "model": (IDCondition, "Conditions on the id of the model version."),
    "created_at": (DateTimeCondition, "Conditions on the time of the first request."),
    "served": (
        bool,
        "True, as without it: those that somebody was answered with. False: those that a version made in a shadow, "
        "beside what was served.",
    ),
    "search": (
        str,
        "How the key of its row begins, or its reference, in upper or lower case: at most 200 characters.",
    ),
}
#: Those of filters where products learn from labels.
OF_LABELS: dict[str, tuple[Any, str]] = {
    "labelled": (
        bool,
        "True: its subject has feedback that gives it a label. False: it has none.",
    ),
    "disputed": (bool, "True: the authors of feedback about its subject disagree. False: they do not."),
}
#: Those of filters where answers are classes.
OF_CLASSES: dict[str, tuple[Any, str]] = {
    "wrong": (
        bool,
        "True: feedback gives its subject another label than was predicted. False: feedback confirms the label.",
    ),
}
CONFIDENCE = "Conditions on the probability of the predicted label, 0 to 1."
VALUE = "Conditions on the predicted number."
#: The features that it was predicted from, and the label that counts, as every filter calls them.
FEATURES = "Conditions on the features that it was predicted from."
TRUTH = "Conditions on the label that feedback gives its subject."


def optional_member(description: str) -> Any:
    """Build a member of a filter, which may be left out."""
    return strawberry.field(default=UNSET, description=description)


def shared_member(name: str) -> Any:
    """Build a member that filters share."""
    return optional_member((SHARED | OF_LABELS | OF_CLASSES)[name][1])


@strawberry.input(
    description="Conditions on predictions; all that are given must hold. The filter of a product has the same "
    "members, with types of its own for answers and features."
)
class PredictionFilter:
    product: str | None = optional_member(
        "The name of the product. Conditions on answers, truth and features need it."
    )
    entity: IDCondition | None = shared_member("entity")
    reference: StringCondition | None = shared_member("reference")
    model: IDCondition | None = shared_member("model")
    answer: StringCondition | None = optional_member(
        "Conditions on the answer: a label's name in the enum or its value, a number, or the number of a cluster."
    )
    value: FloatCondition | None = optional_member(VALUE)
    truth: StringCondition | None = optional_member(f"{TRUTH} A name or a value, as in `answer`.")
    labelled: bool | None = shared_member("labelled")
    disputed: bool | None = shared_member("disputed")
    wrong: bool | None = shared_member("wrong")
    confidence: FloatCondition | None = optional_member(CONFIDENCE)
    created_at: DateTimeCondition | None = shared_member("created_at")
    features: list[FeatureCondition] | None = optional_member(FEATURES)
    served: bool | None = shared_member("served")
    search: str | None = shared_member("search")

    def declared_product(self, path: Path = FILTER) -> DataProduct | None:
        """The product that it names. Raises UnknownProduct; BadInput where a condition needs one."""
        members = read_members(self)
        if "product" in members:
            return catalogue.get(members["product"], (*path, "product"))
        faults = Faults()
        for name in ("answer", "truth", "features"):
            if name in members:
                message = f"`{name}` differs between products: name the `product`, too."
                faults.errors.append(BadInput(message, argument=(*path, name)))
        faults.check()
        return None

    def check(self, product: DataProduct) -> None:
        """Check the conditions on what is about one product. Raises BadInput, UnknownId, …, all faults at once."""
        if read_members(self).get("product", product.name) != product.name:
            message = f"It is about {product.name!r} already: leave the product out, or name the same."
            raise BadInput(message, argument=(*FILTER, "product"))
        self.rows(product)

    def rows(
        self, product: DataProduct, path: Path = FILTER, served: bool | None = True
    ) -> PredictionQuerySet:
        """The predictions of a product that match.

        Args:
            served: the condition where the filter has none; None selects those that were not served, too.

        Raises: BadInput, UnknownId, …, all faults at once.
        """
        faults = Faults()
        wanted = {"served": served} | read_shared(self, faults, path)
        answers = read_condition(self.answer), read_condition(self.truth)
        for name, condition in zip(("answer", "truth"), answers, strict=True):
            wanted[name] = convert_each(
                condition, partial(_read_answer, product, as_number=name == "truth"), faults, (*path, name)
            )
        wanted["value"] = read_condition(self.value)
        if wanted.get("wrong") is not None and not product.labels:
            message = (
                f"{product} predicts no labels, of which some are wrong: filter by `truth` or the answer."
            )
            faults.errors.append(BadInput(message, argument=(*path, "wrong")))
        wanted["features"] = _read_features(product, self.features or [], faults, (*path, "features"))
        faults.check()
        return models.Prediction.objects.matching(product, **wanted)


def read_shared(filter: object, faults: Faults, path: Path) -> dict[str, Any]:
    """Read the members that all filters of predictions share; faults are collected."""
    members = read_members(filter)
    wanted = {name: members[name] for name in (*OF_LABELS, *OF_CLASSES, "served") if name in members}
    for name in ("entity", "reference", "confidence", "created_at"):
        condition = wanted[name] = read_condition(members.get(name))
        filter_values.check_size(condition, faults, (*path, name))
    model = read_condition(members.get("model"))
    wanted["model_id"] = convert_each(model, _version_number, faults, (*path, "model"))
    with faults.collect():
        wanted["search"] = searches.clean(members.get("search"), (*path, "search"))
    return wanted


def convert_each(
    condition: Condition, convert: Callable[[Any, Path], Any], faults: Faults, path: Path
) -> Condition:
    """Convert each value of a condition, by a function of the value and its place.

    Returns: the condition without what was refused; faults are collected.
    """
    filter_values.check_size(condition, faults, path)
    converted: dict[str, Any] = {}
    for name, value in condition.items():
        with faults.collect():
            if name == "in":
                converted[name] = _convert_list(value, convert, (*path, name))
            else:
                converted[name] = convert(value, (*path, name)) if name in LOOKUPS else value
    return converted


def _convert_list(values: Sequence[Any], convert: Callable[[Any, Path], Any], path: Path) -> list[Any]:
    faults, converted = Faults(), []
    for place, value in enumerate(values[: filter_values.MAX_VALUES]):
        with faults.collect():
            converted.append(convert(value, (*path, place)))
    faults.check()
    return converted


def _version_number(model: str, path: Path) -> int:
    return ids.number(model, "ModelVersion", path)


def _read_answer(product: DataProduct, answer: str, path: Path, as_number: bool) -> str | float | None:
    """Read an answer as predictions store it, or the label of a regression as a number. Raises BadInput."""
    text = served_choices.find_answer(product, answer, path)
    return float(text) if text and as_number and product.problem.has_values else text


def _read_features(
    product: DataProduct, conditions: Sequence[FeatureCondition], faults: Faults, path: Path
) -> dict[str, Condition]:
    """Read conditions on features by name."""
    columns = {names.field(column.name): column for column in (*product.columns, *product.retired)}
    features: dict[str, Condition] = {}
    seen: set[str] = set()
    filter_values.check_number(len(conditions), faults, path)
    for place, condition in enumerate(conditions):
        with faults.collect():
            column = columns.get(condition.feature)
            if column is None or column.name in seen:
                raise _refuse_feature(product, condition.feature, column is None, (*path, place, "feature"))
            seen.add(column.name)
            read = partial(json_values.read_value, product, column)
            members = convert_each(read_condition(condition), read, faults, (*path, place))
            features[column.name] = filter_values.clean_feature(column, members, (*path, place))
    return features


def _refuse_feature(product: DataProduct, name: str, is_unknown: bool, path: Path) -> BadInput:
    reason = f"{product} has no feature" if is_unknown else "There are several conditions on"
    return BadInput(f"{reason} {name!r}.", argument=path)
