"""What `manage.py check` refuses: products that could not be built, each with a sentence that says what to change."""

from collections.abc import Generator, Iterator
from typing import Any

from django.core import checks
from django.db import models

from learning import checks as learning

from . import catalogue
from .features import InvalidJoin, references, walk
from .product import DataProduct


@checks.register("exemplar")
def check_products(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """Every declared product, whichever apps are asked about: they meet in one schema."""
    found: list[checks.CheckMessage] = [
        checks.Error(sentence, id="exemplar.E001") for sentence in catalogue.refused
    ]
    for product in catalogue.products():
        found += [
            checks.Error(
                f"The product {product.name!r}: {sentence}", obj=product.join.model, id="exemplar.E002"
            )
            for sentence in problems(product)
        ]
    return found


def problems(product: DataProduct) -> Iterator[str]:
    """Why `product` could not be built, a sentence each."""
    compiled = yield from _features(product)
    fits = yield from _label(product)
    yield from _time(product)
    yield from _group(product)
    yield from _retrain(product)
    if compiled and fits:
        labels = tuple(label.text for label in product.labels) if product.problem.has_classes else None
        yield from learning.problems(product.problem, labels)


def _features(product: DataProduct) -> Generator[str, None, bool]:
    """Yields what is wrong; returns whether every feature compiles."""
    join, right = product.join, True
    if join.queryset.query.is_sliced or join.queryset.query.combinator:
        yield "its queryset is a slice or a union, which cannot be joined any further: narrow it with filter()."
    if not join.features:
        yield "it has no features: name at least one column in features={…}."
        right = False
    for name in join.features:
        try:
            column = join.column(name)
        except InvalidJoin as error:
            yield str(error)
            right = False
            continue
        if column.kind is None:
            yield f"{name} is a {type(column.field).__name__}, which nothing learns from: leave it out or convert it."
            right = False
        yield from _leak(product, name)
    return right


def _leak(product: DataProduct, name: str) -> Iterator[str]:
    paths = set(references(product.join.features[name]))
    if product.join.label in paths:
        yield f"the feature {name} is the label itself: take it out of features."
    if product.join.at in paths:
        yield f"the feature {name} is the event's own time, which tells apart what should be alike: take it out."


def _label(product: DataProduct) -> Generator[str, None, bool]:
    join = product.join
    if not product.learns_from_labels:
        if join.label:
            yield f"a clustering has no label: take label={join.label!r} out, or make it a Classification."
        return False
    if not join.label:
        yield f"a {product.task.lower()} needs label=<a column>; without one it is a Clustering."
        return False
    try:
        path, column = join.label_path, join.label_column
    except InvalidJoin as error:
        yield f"label: {error}"
        return False
    assert path is not None and column is not None
    if not path.one_to_one:
        yield f"label={join.label!r} is no column of the base row or of a one-to-one relation: no feedback reaches it."
    if not path.column.null:
        yield f"label={join.label!r} must allow null: it is not known before somebody says it."
    if product.problem.has_classes and not product.labels:
        yield f"label={join.label!r} has no choices: give the field choices=[…], they become the enum of answers."
        return False
    if product.problem.has_values and not (column.kind and column.kind.is_quantity):
        yield f"label={join.label!r} is no number: a Regression learns a FloatField, DecimalField or IntegerField."
        return False
    return True


def _time(product: DataProduct) -> Iterator[str]:
    if product.join.at is None:
        return
    try:
        column = walk(product.join.model, product.join.at).column
    except InvalidJoin as error:
        yield f"at: {error}"
        return
    if not isinstance(column, models.DateTimeField):
        yield f"at={product.join.at!r} is a {type(column).__name__}: the event's time must be a DateTimeField."
    elif column.null:
        yield f"at={product.join.at!r} may be null, and then nothing is known to have come before it: make it required."


def _group(product: DataProduct) -> Iterator[str]:
    join = product.join
    try:
        path = join.group_path
    except InvalidJoin as error:
        yield f"group: {error}"
        return
    if path and path.to_many:
        yield f"group={join.group!r} has many rows for one instance, which belongs to one group: take a to-one path."
    elif path and join.group == join.label:
        yield f"group={join.group!r} is the label: no model is validated on labels that it has not seen."


def _retrain(product: DataProduct) -> Iterator[str]:
    for rule in product.retrain:
        if rule.needs_labels and not product.learns_from_labels:
            yield f"retrain={rule} waits for words about a label, and a clustering has none: use Every."
    if len(set(map(str, product.retrain))) < len(product.retrain):
        yield "retrain names the same rule twice: take one out."
