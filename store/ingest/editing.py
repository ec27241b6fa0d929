"""Editing of entities' rows over the API: create, replace, patch and upsert, with checks of values and versions."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from ..entities import entities
from ..entities.entities import KEEP, Entity
from ..exceptions import BadInput, Conflict, NotWritable, StaleVersion, UnknownEntity
from ..predictions.feedback import Feedback
from ..products import limits
from ..products.product import DataProduct
from . import values as bulk

#: A feature or label as a client sends it, or as its column holds it.
Value = object


@dataclass(frozen=True)
class EditedRow:
    """The requested state of an entity."""

    key: str | None
    features: Mapping[str, Value]
    #: KEEP leaves the label as it is.
    label: Value
    at: datetime.datetime | None


@dataclass(frozen=True)
class UpsertCounts:
    """Counts of upserted rows by result."""

    inserted: int
    updated: int
    unchanged: int


@dataclass(frozen=True)
class EditResult:
    """The entity after an edit, and its changes."""

    entity: Entity
    created: bool
    #: The names of features that changed, and `label` and `at` where they did.
    changed: list[str]


@transaction.atomic
def create(
    product: DataProduct,
    key: str | None,
    features: Mapping[str, Value],
    label: Value,
    at: datetime.datetime | None,
) -> EditResult:
    """Insert an entity. Raises NotWritable, Conflict where the key exists, BadInput, OutOfRange, NotFinite."""
    _check_writable(product)
    values = _clean_features(product, features)
    base = entities.insert(product, key, values, at)
    if product.learns_from_labels:
        Feedback.objects.table_says(product, base, label)
    others = ["label"] * (label is not None) + ["at"] * (at is not None)
    return EditResult(entities.get(product, str(base.pk)), True, [*values, *others])


@transaction.atomic
def replace(
    product: DataProduct,
    key: str | None,
    features: Mapping[str, Value],
    label: Value,
    at: datetime.datetime | None,
    version: str | None,
) -> EditResult:
    """Replace the entity, or create it where it does not exist.

    Args:
        version: the version that the client has read; None: replace any.

    Raises: StaleVersion where the entity has another version, and the errors of `create`.
    """
    _check_writable(product)
    if key is None:
        raise BadInput("Name the entity to replace.", argument=("row", "key"))
    base = entities.lock(product, key)
    if base is None and version is not None:
        raise StaleVersion(f"{key} does not exist any more.", argument=("version",))
    if base is None:
        try:
            return create(product, key, features, label, at)
        except Conflict:
            # Another transaction has created it meanwhile: replace that row.
            if (base := entities.lock(product, key)) is None:
                raise
    _check_version(product, key, version)
    return _update(product, base, _clean_features(product, features), label, KEEP if at is None else at)


@transaction.atomic
def patch(
    product: DataProduct,
    key: str,
    features: Mapping[str, Value],
    label: Value,
    at: Value,
    version: str | None,
) -> EditResult:
    """Change these features, and the label and the time unless they are KEEP.

    Raises: UnknownEntity, StaleVersion, NotWritable, BadInput, OutOfRange.
    """
    base = entities.lock(product, key)
    if base is None:
        raise UnknownEntity(
            f"No {product.join.model._meta.verbose_name} has the key {key!r}.", argument=("entity",)
        )
    _check_version(product, key, version)
    _check_time(product, at)
    return _update(product, base, _clean_changes(product, features), label, at)


def _clean_changes(product: DataProduct, features: Mapping[str, Value]) -> dict[str, Value]:
    """Validate the given features. Raises NotWritable for one that is computed or shared."""
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
    return values


@transaction.atomic
def upsert_many(product: DataProduct, rows: Sequence[EditedRow]) -> UpsertCounts:
    """Insert or replace the entities, all of them or none, in few statements.

    Raises: NotWritable, OutOfRange where they are too many, and the errors of `create` with the row's path.
    """
    _check_writable(product)
    limits.check_size(rows, "rows")
    _check_keys(product, rows)
    values = [_clean_row(product, row, ("rows", place)) for place, row in enumerate(rows)]
    write = _upsert_in_bulk if bulk.is_flat(product) else _upsert_one_by_one
    try:
        with transaction.atomic():
            inserted, updated = write(product, rows, values)
    except IntegrityError as error:
        sentence = f"A row contradicts another one: {entities.database_message(error)}"
        raise Conflict(sentence, argument=("rows",)) from error
    return UpsertCounts(inserted, updated, len(rows) - inserted - updated)


def _upsert_in_bulk(
    product: DataProduct, rows: Sequence[EditedRow], values: Sequence[list[Value]]
) -> tuple[int, int]:
    """Upsert rows with a label and rows whose label is KEEP in a batch each.

    Returns: the number of rows inserted, and of others changed.
    """
    keys, counts = _resolve_keys(product, rows), []
    for labelled in (True, False):
        part = [
            (key, *row_values, row.label) if labelled else (key, *row_values)
            for row, key, row_values in zip(rows, keys, values, strict=True)
            if (row.label is not KEEP) is labelled
        ]
        counts.append(bulk.upsert_rows(product, part, labelled) if part else (0, 0))
    return sum(n for n, _ in counts), sum(n for _, n in counts)


def _upsert_one_by_one(
    product: DataProduct, rows: Sequence[EditedRow], values: Sequence[list[Value]]
) -> tuple[int, int]:
    """Upsert row by row, where rows that the base row references have to be inserted first.

    Returns: the number of rows inserted, and of others changed.
    """
    inserted = updated = 0
    for row, row_values in zip(rows, values, strict=True):
        base = entities.lock(product, row.key) if row.key is not None else None
        if base is None:
            create(product, row.key, row.features, None if row.label is KEEP else row.label, row.at)
            inserted += 1
        else:
            features = dict(zip(product.feature_names, row_values, strict=False))
            at = KEEP if row.at is None else row.at
            updated += bool(_update(product, base, features, row.label, at).changed)
    return inserted, updated


def _check_keys(product: DataProduct, rows: Sequence[EditedRow]) -> None:
    title = product.join.model._meta.verbose_name
    places: dict[str, int] = {}
    has_automatic_keys = _has_automatic_keys(product.join.model)
    for place, row in enumerate(rows):
        argument = ("rows", place, "key")
        if row.key is None and has_automatic_keys:
            continue
        if row.key is None:
            raise BadInput(f"A {title} needs a key.", argument=argument)
        if not product.is_key(row.key):
            raise BadInput(f"{row.key!r} cannot be the key of a {title}.", argument=argument)
        if (first := places.setdefault(row.key, place)) != place:
            raise BadInput(f"Row {first} has the key {row.key!r} too.", argument=argument)


def _has_automatic_keys(model: type[models.Model]) -> bool:
    return isinstance(model._meta.pk, models.AutoField) or model._meta.pk.has_default()


def _resolve_keys(product: DataProduct, rows: Sequence[EditedRow]) -> list[object]:
    """Convert the rows' keys to values of the key column; draw new keys for rows without one."""
    n = sum(row.key is None for row in rows)
    new = iter(bulk.draw_keys(product.join.model, n) if n else ())
    return [next(new) if row.key is None else product.key_of(row.key) for row in rows]


def _clean_row(product: DataProduct, row: EditedRow, argument: tuple[str | int, ...]) -> list[Value]:
    """Validate the features of a row, also by the models' own validators, and append its time."""
    values = product.clean(row.features, (*argument, "features"))
    for column, value in zip(product.columns, values, strict=True):
        assert column.path is not None, "the product is writable"
        try:
            if value is not None:
                column.path.column.clean(value, None)
        except ValidationError as error:
            sentence = f"{column.name}: {' '.join(error.messages)}"
            raise BadInput(sentence, argument=(*argument, "features", column.name)) from error
    return [*values, product.join.stored_moment(row.at)] if product.join.at_path else values


def _update(
    product: DataProduct, base: models.Model, values: Mapping[str, Value], label: Value, at: Value
) -> EditResult:
    changed = entities.update(product, base, values, at)
    has_label = product.learns_from_labels and label is not KEEP
    if has_label and Feedback.objects.table_says(product, base, label):
        changed.append("label")
    return EditResult(entities.get(product, str(base.pk)), False, changed)


def _clean_features(product: DataProduct, features: Mapping[str, Value]) -> dict[str, Value]:
    return dict(zip(product.feature_names, product.clean(features, ("row", "features")), strict=True))


def _check_writable(product: DataProduct) -> None:
    if not product.writable:
        raise NotWritable(
            f"The rows of {product.name} cannot be written as a whole: a feature is computed or shared, "
            f"or these columns have no default: {', '.join(product.join.missing_columns) or 'none'}."
        )


def _check_time(product: DataProduct, at: Value) -> None:
    if at is None and product.join.at_path and not product.join.at_path.column.null:
        raise BadInput("The time may not be null: leave it out to keep it.", argument=("at",))


def _check_version(product: DataProduct, key: str, version: str | None) -> None:
    if version is not None and entities.get(product, key).version != version:
        raise StaleVersion(f"{key} has changed since it was read: read it again.", argument=("version",))
