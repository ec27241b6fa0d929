"""Editing of entities' rows over the API: create, replace, patch and upsert, with checks of values and versions."""

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from ..access import acting
from ..access.permissions import Permission
from ..entities import base_rows, entities
from ..entities.entities import KEEP, Entity
from ..exceptions import (
    BadInput,
    Conflict,
    Faults,
    NotWritable,
    StaleVersion,
    StoreError,
    UnknownEntity,
)
from ..predictions import truth
from ..predictions.feedback import Feedback
from ..products import limits
from ..products.features import Feature
from ..products.product import NOTHING, ROWS, DataProduct
from . import upsert
from . import values as bulk

P = ParamSpec("P")
R = TypeVar("R")

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
    #: The keys of the rows, in their order.
    keys: Sequence[str] = field(default=(), compare=False)


@dataclass(frozen=True)
class EditResult:
    """The entity after an edit, and its changes."""

    entity: Entity
    created: bool
    #: The names of features that changed, and `label` and `at` where they did.
    changed: list[str]


def _writing(edit: Callable[Concatenate[DataProduct, P], R]) -> Callable[Concatenate[DataProduct, P], R]:
    """Edit in one transaction; what PostgreSQL refuses to write is NotWritable."""

    @wraps(edit)
    def edit_in_transaction(product: DataProduct, *args: P.args, **kwargs: P.kwargs) -> R:
        with base_rows.refusals_explained(product), transaction.atomic():
            if product.learns_from_labels:
                truth.hold_policy(product)  # before any row is locked
            return edit(product, *args, **kwargs)

    return edit_in_transaction


@_writing
def create(
    product: DataProduct,
    key: str | None,
    features: Mapping[str, Value],
    label: Value,
    at: datetime.datetime | None,
    faults: Faults | None = None,
) -> EditResult:
    """Insert an entity.

    Args:
        faults: the errors of other parts of the input.

    Raises: NotWritable, Conflict where the key exists, BadInput, OutOfRange, NotFinite; SeveralFaults.
    """
    check_writable(product)
    faults = faults or Faults()
    faults.errors += _key_faults(product, key, ("key",))
    values = _clean_features(product, features, faults)
    base = entities.insert(product, key, values, at)
    if product.learns_from_labels:
        Feedback.objects.table_says(product, base, label)
    base_rows.check_written(product, base)
    others = ["label"] * (label is not None) + ["at"] * (at is not None)
    return EditResult(entities.get(product, str(base.pk)), True, [*values, *others])


@_writing
def replace(
    product: DataProduct,
    key: str | None,
    features: Mapping[str, Value],
    label: Value,
    at: datetime.datetime | None,
    version: str | None,
    faults: Faults | None = None,
) -> EditResult:
    """Replace the entity, or create it where it does not exist.

    Args:
        version: the version that the client has read; None: replace any.
        faults: the errors of other parts of the input.

    Raises: StaleVersion where the entity has another version, and the errors of `create`.
    """
    check_writable(product)
    faults = faults or Faults()
    if key is None:
        faults.errors.append(BadInput("Name the entity to replace.", argument=("key",)))
        _clean_features(product, features, faults)
        raise faults.error
    base = base_rows.lock(product, key)
    if base is None and version is not None:
        raise StaleVersion(f"{key} does not exist any more.", argument=("version",))
    if base is None:
        try:
            return create(product, key, features, label, at, faults)
        except Conflict:
            # Another transaction has created it meanwhile: replace that row.
            if (base := base_rows.lock(product, key)) is None:
                raise
    check_version(product, key, version)
    values = _clean_features(product, features, faults)
    return _update(product, base, values, label, KEEP if at is None else at)


@_writing
def patch(
    product: DataProduct,
    key: str,
    features: Mapping[str, Value],
    label: Value,
    at: Value,
    version: str | None,
    faults: Faults | None = None,
) -> EditResult:
    """Change these features, and the label and the time unless they are KEEP.

    Args:
        faults: the errors of other parts of the input.

    Raises: UnknownEntity, StaleVersion, NotWritable, BadInput, OutOfRange, SeveralFaults.
    """
    _check_changes(product, {"features": features, "at": at is not KEEP}, label is not KEEP)
    faults = faults or Faults()
    base = base_rows.lock(product, key)
    if base is None:
        raise unknown_entity(product, key)
    check_version(product, key, version)
    with faults.collect():
        _check_time(product, at)
    values = _clean_changes(product, features, faults)
    faults.check()
    return _update(product, base, values, label, at)


def _clean_changes(product: DataProduct, features: Mapping[str, Value], faults: Faults) -> dict[str, Value]:
    """Validate the given features; collect a NotWritable for each one that is computed or shared."""
    values = {}
    for column in product.inputs:
        if column.name in features:
            with faults.collect():
                values[column.name] = _clean_change(column, features[column.name])
    return values


def _clean_change(column: Feature, value: Value) -> Value:
    if column.path is None:
        raise NotWritable(
            f"{column.title} is computed, or belongs to a row that others share: change it at its source.",
            argument=("features", column.name),
        )
    return _clean_value(column, value, ("features",))


@_writing
def upsert_many(
    product: DataProduct, rows: Sequence[EditedRow], faults: Faults | None = None
) -> UpsertCounts:
    """Insert or replace the entities, all of them or none, in few statements.

    Args:
        faults: the errors of other parts of the input.

    Raises: NotWritable, OutOfRange where they are too many, and the errors of `create` with the row's path.
    """
    check_writable(product)
    limits.check_size(rows, "rows")
    values = _clean_rows(product, rows, faults or Faults())
    write = _upsert_in_bulk if bulk.is_flat(product) and bulk.has_unique_keys(product) else _upsert_one_by_one
    try:
        with transaction.atomic():
            keys, inserted, updated = write(product, rows, values)
    except IntegrityError as error:
        sentence = f"A row contradicts another one: {entities.database_message(error)}"
        raise Conflict(sentence, argument=("rows",)) from error
    return UpsertCounts(inserted, updated, len(rows) - inserted - updated, keys)


def _upsert_in_bulk(
    product: DataProduct, rows: Sequence[EditedRow], values: Sequence[list[Value]]
) -> tuple[list[str], int, int]:
    """Upsert rows with a label and rows whose label is KEEP in a batch each.

    Returns: the keys of the rows, the number of those inserted, and of others changed.
    """
    keys, counts = _resolve_keys(product, rows), []
    own = base_rows.lock_each(product, map(str, keys))
    for labelled in (True, False):
        part = [
            (key, *row_values, row.label) if labelled else (key, *row_values)
            for row, key, row_values in zip(rows, keys, values, strict=True)
            if (row.label is not KEEP) is labelled
        ]
        if part:
            counts.append(bulk.upsert_rows(product, part, labelled))
            _check_own(product, own)
    _check_left_out(product, keys)
    return list(map(str, keys)), sum(n for n, _ in counts), sum(n for _, n in counts)


def _upsert_one_by_one(
    product: DataProduct, rows: Sequence[EditedRow], values: Sequence[list[Value]]
) -> tuple[list[str], int, int]:
    """Upsert row by row, where rows that the base row references have to be inserted first.

    Returns: the keys of the rows, the number of those inserted, and of others changed.
    """
    results = []
    for place, (row, row_values) in enumerate(zip(rows, values, strict=True)):
        try:
            results.append(_upsert_row(product, row, row_values))
        except StoreError as refusal:
            refusal.locate(("rows", place))
            raise
    inserted = sum(result.created for result in results)
    updated = sum(bool(result.changed) and not result.created for result in results)
    return [result.entity.key for result in results], inserted, updated


def _upsert_row(product: DataProduct, row: EditedRow, values: Sequence[Value]) -> EditResult:
    """Insert the row, or update the one that has its key; `values` are validated."""
    base = base_rows.lock(product, row.key) if row.key is not None else None
    if base is None:
        return create(product, row.key, row.features, None if row.label is KEEP else row.label, row.at)
    features = dict(zip(product.input_names, values, strict=False))
    return _update(product, base, features, row.label, KEEP if row.at is None else row.at)


def _clean_rows(product: DataProduct, rows: Sequence[EditedRow], faults: Faults) -> list[list[Value]]:
    """Validate the keys and the features of all rows, and raise all of their faults at once."""
    faults.errors += _repeated_keys(rows)
    values = []
    for place, row in enumerate(rows):
        faults.errors += _key_faults(product, row.key, ("rows", place, "key"))
        try:
            values.append(_clean_row(product, row, ("rows", place)))
        except StoreError as error:
            faults.errors += error.faults
    faults.errors += _hidden_keys(product, rows)
    faults.check()
    return values


def _hidden_keys(product: DataProduct, rows: Sequence[EditedRow]) -> Iterator[Conflict]:
    """Yield a fault for each key of a row that the product's queryset leaves out: it cannot be another row's."""
    hidden = base_rows.hidden(product, [row.key for row in rows if row.key is not None])
    for place, row in enumerate(rows) if hidden else ():
        if row.key in hidden:
            yield entities.taken(product, row.key, ("rows", place, "key"))


def _check_own(product: DataProduct, own: Collection[str] | None) -> None:
    """Raise Conflict where a row was changed that was none of the product's when its rows were locked."""
    if own is not None and not upsert.find_changed() <= set(own):
        raise Conflict(
            f"A row with one of these keys was inserted, or became none of {product}'s, meanwhile: try again.",
            argument=("rows",),
        )


def _check_left_out(product: DataProduct, keys: Sequence[object]) -> None:
    """Raise NotWritable for each row that, now that it is written, the product's queryset leaves out."""
    faults, texts = Faults(), list(map(str, keys))
    hidden = base_rows.hidden(product, texts)
    faults.errors += [
        base_rows.left_out(product, key, ("rows", place)) for place, key in enumerate(texts) if key in hidden
    ]
    faults.check()


def _repeated_keys(rows: Sequence[EditedRow]) -> Iterator[BadInput]:
    places: dict[str, int] = {}
    for place, row in enumerate(rows):
        if row.key is not None and (first := places.setdefault(row.key, place)) != place:
            yield BadInput(f"Row {first} has the key {row.key!r} too.", argument=("rows", place, "key"))


def _key_faults(product: DataProduct, key: str | None, argument: tuple[str | int, ...]) -> Iterator[BadInput]:
    title = product.join.model._meta.verbose_name
    if key is None:
        if not _has_automatic_keys(product.join.model):
            yield BadInput(f"A {title} needs a key.", argument=argument)
    elif not product.is_key(key):
        yield BadInput(f"{key!r} cannot be the key of a {title}.", argument=argument)


def _has_automatic_keys(model: type[models.Model]) -> bool:
    return isinstance(model._meta.pk, models.AutoField) or model._meta.pk.has_default()


def _resolve_keys(product: DataProduct, rows: Sequence[EditedRow]) -> list[object]:
    """Convert the rows' keys to values of the key column; draw new keys for rows without one."""
    n = sum(row.key is None for row in rows)
    new = iter(bulk.draw_keys(product.join.model, n) if n else ())
    return [next(new) if row.key is None else product.key_of(row.key) for row in rows]


def _clean_row(product: DataProduct, row: EditedRow, argument: tuple[str | int, ...]) -> list[Value]:
    """Validate the inputs of a row, also by the models' own validators, and append its time."""
    values = _clean(product, row.features, (*argument, "features"))
    return [*values, product.join.stored_moment(row.at)] if product.join.at_path else values


def _clean(product: DataProduct, features: Mapping[str, Value], path: tuple[str | int, ...]) -> list[Value]:
    """Validate all inputs, also by the models' own validators. Raises all faults at once."""
    try:
        instance = dict(zip(product.feature_names, product.clean(features, path), strict=True))
        values = [instance[name] for name in product.input_names]
        for column, value in zip(product.inputs, values, strict=True):
            _run_validators(column, value, path)
        return values
    except StoreError:
        faults = Faults()
        for column, value in zip(product.inputs, product.instance(features), strict=True):
            with faults.collect():
                _clean_value(column, value, path)
        if not faults.errors:
            raise  # a feature cannot be computed from valid inputs
        raise faults.error from None


def _clean_value(column: Feature, value: Value, path: tuple[str | int, ...]) -> Value:
    """Validate a value, also by the model's own validators."""
    cleaned: Value = column.clean(value, (*path, column.name))
    _run_validators(column, cleaned, path)
    return cleaned


def _run_validators(column: Feature, value: Value, path: tuple[str | int, ...]) -> None:
    assert column.path is not None, "the product is writable"
    try:
        if value is not None:
            column.path.column.clean(value, None)
    except ValidationError as error:
        sentence = f"{column.title}: {' '.join(error.messages)}"
        raise BadInput(sentence, argument=(*path, column.name)) from error


def _update(
    product: DataProduct, base: models.Model, values: Mapping[str, Value], label: Value, at: Value
) -> EditResult:
    changed = entities.update(product, base, values, at)
    has_label = product.learns_from_labels and label is not KEEP
    if has_label and Feedback.objects.table_says(product, base, label):
        changed.append("label")
    base_rows.check_written(product, base)
    return EditResult(entities.get(product, str(base.pk)), False, changed)


def _clean_features(product: DataProduct, features: Mapping[str, Value], faults: Faults) -> dict[str, Value]:
    """Validate the inputs of one row. Raises their faults together with those found before."""
    values: list[Value] = []
    with faults.collect():
        values = _clean(product, features, ("features",))
    faults.check()
    return dict(zip(product.input_names, values, strict=True))


def unknown_entity(product: DataProduct, key: str) -> UnknownEntity:
    """Build the error for a key without a row."""
    noun = product.join.model._meta.verbose_name
    return UnknownEntity(f"No {noun} has the key {key!r}.", argument=("entity",))


def check_writable(product: DataProduct) -> None:
    """Check that the actor of this thread may write whole rows. Raises NotWritable, Forbidden, Unauthenticated."""
    acting.require(Permission.FEEDBACK, product.name)
    check_declared(product)
    if not product.writable:
        raise NotWritable(
            f"The rows of {product} cannot be written as a whole: a feature is computed or shared, "
            f"or these columns have no default: {', '.join(product.join.missing_columns) or 'none'}."
        )


def check_declared(product: DataProduct) -> None:
    """Check that rows may be written. Raises NotWritable."""
    if product.writes != ROWS:
        raise NotWritable(f"No rows of {product} are written: it is declared with {_declared(product)}.")


def _check_changes(product: DataProduct, changes: Mapping[str, object], has_label: bool) -> None:
    """Check that what a patch changes may be written. Raises NotWritable."""
    if changed := [name for name, value in changes.items() if value and product.writes != ROWS]:
        raise NotWritable(
            f"The rows of {product} are not written: it is declared with {_declared(product)}.",
            argument=(changed[0],),
        )
    if has_label and product.writes == NOTHING:
        raise NotWritable(
            f"The label of {product} is not written: it is declared with {_declared(product)}. Give feedback instead, "
            "which counts all the same."
        )


def _declared(product: DataProduct) -> str:
    return f'writes="{product.writes}"'


def _check_time(product: DataProduct, at: Value) -> None:
    if at is None and product.join.at_path and not product.join.at_path.column.null:
        raise BadInput("The time may not be null: leave it out to keep it.", argument=("at",))


def check_version(product: DataProduct, key: str, version: str | None) -> None:
    """Check that a locked row has the version that a client has read. Raises StaleVersion."""
    if version is not None and entities.get(product, key).version != version:
        raise StaleVersion(f"{key} has changed since it was read: read it again.", argument=("version",))
