"""Editing: feature rows created, replaced and patched by people, checked and with the version they have read."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from . import entities
from .entities import KEEP, Entity
from .exceptions import BadInput, Conflict, NotWritable, StaleVersion, UnknownEntity
from .feedback import Feedback
from .product import DataProduct


@dataclass(frozen=True)
class Edited:
    """What an edit did."""

    entity: Entity
    created: bool
    #: The features that changed, and `label` and `at`.
    changed: list[str]


@transaction.atomic
def create(
    product: DataProduct,
    key: str | None,
    features: Mapping[str, Any],
    label: Any,
    at: datetime.datetime | None,
) -> Edited:
    """Write a new entity. Raises NotWritable, Conflict where the key exists, BadInput, OutOfRange, NotFinite."""
    _writable(product)
    values = _cleaned(product, features)
    base = entities.insert(product, key, values, at)
    if product.learns_from_labels:
        Feedback.objects.table_says(product, base, label)
    told = ["label"] * (label is not None) + ["at"] * (at is not None)
    return Edited(entities.get(product, str(base.pk)), True, [*values, *told])


@transaction.atomic
def replace(
    product: DataProduct,
    key: str | None,
    features: Mapping[str, Any],
    label: Any,
    at: datetime.datetime | None,
    version: str | None,
) -> Edited:
    """Make the entity exactly this, whether it exists or not; with `version`, only if it is still as it was read.

    Raises what `create` does, and StaleVersion.
    """
    _writable(product)
    if key is None:
        raise BadInput("Name the entity to replace.", argument=("row", "key"))
    base = entities.lock(product, key)
    if base is None and version is not None:
        raise StaleVersion(f"{key} does not exist any more.", argument=("version",))
    if base is None:
        try:
            return create(product, key, features, label, at)
        except Conflict:
            # Somebody else created it meanwhile: then that row is made so.
            if (base := entities.lock(product, key)) is None:
                raise
    _check_version(product, key, version)
    return _update(product, base, _cleaned(product, features), label, KEEP if at is None else at)


@transaction.atomic
def patch(
    product: DataProduct, key: str, features: Mapping[str, Any], label: Any, at: Any, version: str | None
) -> Edited:
    """Change what is given (KEEP: not given). Raises UnknownEntity, StaleVersion, NotWritable, BadInput, OutOfRange."""
    base = entities.lock(product, key)
    if base is None:
        raise UnknownEntity(
            f"No {product.join.model._meta.verbose_name} has the key {key!r}.", argument=("entity",)
        )
    _check_version(product, key, version)
    _check_time(product, at)
    values = {}
    for column in product.columns:
        if column.name not in features:
            continue
        if column.path is None:
            raise NotWritable(
                f"{column.name} is computed, or belongs to a row that others share: change it at its source.",
                argument=("features", column.name),
            )
        values[column.name] = column.clean(features[column.name], ("features", column.name))
    return _update(product, base, values, label, at)


def _update(product: DataProduct, base: Any, values: Mapping[str, Any], label: Any, at: Any) -> Edited:
    changed = entities.update(product, base, values, at)
    told = product.learns_from_labels and label is not KEEP
    if told and Feedback.objects.table_says(product, base, label):
        changed.append("label")
    return Edited(entities.get(product, str(base.pk)), False, changed)


def _cleaned(product: DataProduct, features: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(product.feature_names, product.clean(features, ("row", "features")), strict=True))


def _writable(product: DataProduct) -> None:
    if not product.writable:
        raise NotWritable(
            f"The rows of {product.name} cannot be written as a whole: a feature is computed or shared, "
            f"or these columns have no default: {', '.join(product.join.missing_columns) or 'none'}."
        )


def _check_time(product: DataProduct, at: Any) -> None:
    if at is None and product.join.at_path and not product.join.at_path.column.null:
        raise BadInput("The time may not be null: leave it out to keep it.", argument=("at",))


def _check_version(product: DataProduct, key: str, version: str | None) -> None:
    if version is not None and entities.get(product, key).version != version:
        raise StaleVersion(f"{key} has changed since it was read: read it again.", argument=("version",))
