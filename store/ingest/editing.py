"""Editing: feature rows created, replaced and patched by people, checked and with the version they have read."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from ..entities import entities
from ..entities.entities import KEEP, Entity
from ..exceptions import BadInput, Conflict, NotWritable, StaleVersion, UnknownEntity
from ..predictions.feedback import Feedback
from ..products import limits
from ..products.product import DataProduct
from . import values as bulk


@dataclass(frozen=True)
class EditedRow:
    """An entity as somebody gives it."""

    key: str | None
    features: Mapping[str, Any]
    #: KEEP leaves the label as it is.
    label: Any
    at: datetime.datetime | None


@dataclass(frozen=True)
class Upserted:
    """What became of rows: they are new, changed something, or were held just so."""

    inserted: int
    updated: int
    unchanged: int


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


@transaction.atomic
def upsert_many(product: DataProduct, rows: Sequence[EditedRow]) -> Upserted:
    """Make the entities so, whether they exist or not: all of them or none, in few statements.

    Raises NotWritable, OutOfRange where they are too many, and what `create` does with the row's path.
    """
    _writable(product)
    limits.check_size(rows, "rows")
    _check_keys(product, rows)
    values = [_values(product, row, ("rows", place)) for place, row in enumerate(rows)]
    write = _write_at_once if bulk.is_flat(product) else _write_one_by_one
    try:
        with transaction.atomic():
            inserted, updated = write(product, rows, values)
    except IntegrityError as error:
        sentence = f"A row contradicts another one: {entities.database_message(error)}"
        raise Conflict(sentence, argument=("rows",)) from error
    return Upserted(inserted, updated, len(rows) - inserted - updated)


def _write_at_once(
    product: DataProduct, rows: Sequence[EditedRow], values: Sequence[list[Any]]
) -> tuple[int, int]:
    """How many rows were inserted, and how many others changed; labels that are kept are no part of the statements."""
    keys, counts = _keys(product, rows), []
    for labelled in (True, False):
        part = [
            (key, *given, row.label) if labelled else (key, *given)
            for row, key, given in zip(rows, keys, values, strict=True)
            if (row.label is not KEEP) is labelled
        ]
        counts.append(bulk.write(product, part, labelled) if part else (0, 0))
    return sum(n for n, _ in counts), sum(n for _, n in counts)


def _write_one_by_one(
    product: DataProduct, rows: Sequence[EditedRow], values: Sequence[list[Any]]
) -> tuple[int, int]:
    """The same, where rows that the base row points to have to be made first."""
    inserted = updated = 0
    for row, given in zip(rows, values, strict=True):
        base = entities.lock(product, row.key) if row.key is not None else None
        if base is None:
            create(product, row.key, row.features, None if row.label is KEEP else row.label, row.at)
            inserted += 1
        else:
            named = dict(zip(product.feature_names, given, strict=False))
            updated += bool(
                _update(product, base, named, row.label, KEEP if row.at is None else row.at).changed
            )
    return inserted, updated


def _check_keys(product: DataProduct, rows: Sequence[EditedRow]) -> None:
    title = product.join.model._meta.verbose_name
    places: dict[str, int] = {}
    makes_keys = _makes_keys(product.join.model)
    for place, row in enumerate(rows):
        argument = ("rows", place, "key")
        if row.key is None and makes_keys:
            continue
        if row.key is None:
            raise BadInput(f"A {title} needs a key.", argument=argument)
        if not product.is_key(row.key):
            raise BadInput(f"{row.key!r} cannot be the key of a {title}.", argument=argument)
        if (first := places.setdefault(row.key, place)) != place:
            raise BadInput(f"Row {first} has the key {row.key!r} too.", argument=argument)


def _makes_keys(model: type[models.Model]) -> bool:
    return isinstance(model._meta.pk, models.AutoField) or model._meta.pk.has_default()


def _keys(product: DataProduct, rows: Sequence[EditedRow]) -> list[Any]:
    """The rows' keys as their column holds them; the table's own where none was given."""
    n = sum(row.key is None for row in rows)
    new = iter(bulk.new_keys(product.join.model, n) if n else ())
    return [next(new) if row.key is None else product.key_of(row.key) for row in rows]


def _values(product: DataProduct, row: EditedRow, argument: tuple[str | int, ...]) -> list[Any]:
    """The features and the time of a row, cleaned, checked by the models' own validators."""
    values = product.clean(row.features, (*argument, "features"))
    for column, value in zip(product.columns, values, strict=True):
        assert column.path is not None, "the product is writable"
        try:
            if value is not None:
                column.path.column.clean(value, None)
        except ValidationError as error:
            sentence = f"{column.name}: {' '.join(error.messages)}"
            raise BadInput(sentence, argument=(*argument, "features", column.name)) from error
    return [*values, row.at] if product.join.at_path else values


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
