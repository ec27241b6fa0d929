"""Entities: the join's base rows with their features, read in one query and written back to their tables."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet, Value

from ..db import pagination
from ..exceptions import BadInput, Conflict, UnknownEntity
from ..products.product import DataProduct

#: Stands for "leave it as it is", where None means null.
KEEP: Any = object()


@dataclass(frozen=True, eq=False)
class Entity:
    """One base row with its features, as the tables hold them now."""

    product: DataProduct
    key: str
    #: In the columns' order; what an incomplete entity lacks is None.
    instance: tuple[Any, ...]
    #: The label column's value.
    label: Any
    at: datetime.datetime | None
    #: Whether it has all the one-to-one rows that its features come from.
    complete: bool

    @cached_property
    def version(self) -> str:
        """A hash of all that can be written: whoever changes the row gives the version that was read."""
        values = [*self.instance, self.label, self.at, self.complete]
        return blake2b(orjson.dumps(values, default=str), digest_size=12).hexdigest()

    @property
    def features(self) -> dict[str, Any]:
        return dict(zip(self.product.feature_names, self.instance, strict=True))


def find(product: DataProduct, keys: Iterable[str]) -> dict[str, Entity]:
    """The entities with these keys, in one query; those that do not exist are absent."""
    wanted = [product.key_of(key) for key in keys if product.is_key(key)]
    rows = _rows(product, product.join.queryset.filter(pk__in=wanted)) if wanted else ()
    return {entity.key: entity for entity in rows}


def after(product: DataProduct, key: Any, most: int) -> list[Entity]:
    """Those behind a base row's key (None: from the first), in the order of the keys."""
    rows = product.join.queryset.order_by("pk")
    rows = rows if key is None else rows.filter(pk__gt=key)
    keys = list(rows.values_list("pk", flat=True)[:most])
    if not keys:
        return []
    by_key = {entity.key: entity for entity in _rows(product, rows.filter(pk__lte=keys[-1]))}
    return [by_key[str(key)] for key in keys if str(key) in by_key]


def existing(product: DataProduct, keys: Iterable[str]) -> set[str]:
    """Those of the keys that have a base row."""
    wanted = [product.key_of(key) for key in keys if product.is_key(key)]
    return {str(key) for key in product.join.queryset.filter(pk__in=wanted).values_list("pk", flat=True)}


def get(product: DataProduct, key: str, argument: Sequence[str | int] = ("entity",)) -> Entity:
    """The entity with this key. Raises UnknownEntity."""
    if found := find(product, [key]).get(key):
        return found
    raise UnknownEntity(f"No {product.join.model._meta.verbose_name} has the key {key!r}.", argument=argument)


def page(product: DataProduct, first: int | None, after: str | None) -> pagination.Page[Entity]:
    """The entities in the order of their keys."""
    first = pagination.size(first)
    rows = product.join.queryset
    total, ordered = rows.count, rows.order_by("pk")
    if after is not None:
        ordered = ordered.filter(pk__gt=_key_from(product, after))
    keys = list(ordered.values_list("pk", flat=True)[: first + 1])
    by_key = find(product, map(str, keys[:first]))
    nodes = [by_key[str(key)] for key in keys[:first] if str(key) in by_key]
    return pagination.Page(nodes, _cursor, len(keys) > first, after is not None, total)


def _cursor(entity: Entity) -> str:
    return pagination.encode([entity.key])


def _key_from(product: DataProduct, cursor: str) -> Any:
    decoded = pagination.decode(cursor)
    if isinstance(decoded, list) and len(decoded) == 1:
        try:
            return product.key_of(str(decoded[0]))
        except ValueError:
            pass
    raise BadInput("This is no cursor of this list: take one from `pageInfo`.", argument=("after",))


def _rows(product: DataProduct, rows: QuerySet[Any]) -> Iterable[Entity]:
    join = product.join
    whole = Q(*(Q(**{f"{relation}__isnull": False}) for relation in join.required_rows))
    complete = ExpressionWrapper(whole, BooleanField()) if whole else Value(True)
    label, at = (
        F(join.label) if join.label else Value(None, models.TextField()),
        F(join.at) if join.at else None,
    )
    extra = {
        "entity_label": label,
        "entity_at": at or Value(None, models.DateTimeField()),
        "entity_complete": complete,
    }
    selected = ["pk", *extra, *(f"feature_{name}" for name in product.feature_names)]
    for key, label, at, complete, *instance in join.instances(rows).annotate(**extra).values_list(*selected):
        yield Entity(product, str(key), tuple(instance), label, at, complete)


def lock(product: DataProduct, key: str) -> Any:
    """The base row, held until the transaction ends; None where there is none."""
    if not product.is_key(key):
        return None
    rows = product.join.model._base_manager.select_for_update(of=("self",))
    return rows.filter(pk=product.key_of(key)).first()


@transaction.atomic
def insert(
    product: DataProduct, key: str | None, values: Mapping[str, Any], at: datetime.datetime | None
) -> Any:
    """Write a new base row with its one-to-one rows; `values` are cleaned features by name.

    Without `key` the table makes one. Returns the base row. Raises BadInput, and Conflict where the key exists.
    """
    model = product.join.model
    base = model()
    if key is not None:
        base.pk = _new_key(product, key)
    elif not isinstance(model._meta.pk, models.AutoField) and not model._meta.pk.has_default():
        raise BadInput(f"A {model._meta.verbose_name} needs a key.", argument=("row", "key"))
    rows = _WrittenRows(base)
    for column in product.columns:
        rows.set(column.path, values[column.name])
    if product.join.at_path:
        rows.set(product.join.at_path, at)
    try:
        with transaction.atomic():
            rows.save()
    except IntegrityError as error:
        raise Conflict(
            f"{model._meta.verbose_name} {key} contradicts another row: {sentence(error)}", argument=("row",)
        ) from error
    if key is not None:
        _advance_sequence(model, base.pk)
    return base


def _new_key(product: DataProduct, key: str) -> Any:
    model = product.join.model
    if not product.is_key(key):
        raise BadInput(f"{key!r} cannot be the key of a {model._meta.verbose_name}.", argument=("row", "key"))
    wanted = product.key_of(key)
    if model._base_manager.filter(pk=wanted).exists():
        raise Conflict(
            f"A {model._meta.verbose_name} with the key {key!r} exists already.", argument=("row", "key")
        )
    return wanted


def _advance_sequence(model: type[models.Model], given: Any) -> None:
    """Keep the table's own numbering ahead of a number that was given, and never set it back."""
    pk = model._meta.pk
    if not isinstance(pk, models.AutoField):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT setval(sequence, greatest(%s, pg_sequence_last_value(sequence), 1))
            FROM CAST(pg_get_serial_sequence(%s, %s) AS regclass) AS sequence""",
            [given, connection.ops.quote_name(model._meta.db_table), pk.column],
        )


@transaction.atomic
def update(product: DataProduct, base: Any, values: Mapping[str, Any], at: Any = KEEP) -> list[str]:
    """Write changed features (cleaned, by name) of a locked base row; returns the names of those that changed.

    A one-to-one row that was missing is made when all its columns are given. Raises BadInput, Conflict.
    """
    rows, changed = _WrittenRows(base), []
    for column in product.columns:
        if column.name in values and rows.set(column.path, values[column.name]):
            changed.append(column.name)
    if at is not KEEP and product.join.at_path and rows.set(product.join.at_path, at):
        changed.append("at")
    try:
        with transaction.atomic():
            rows.save()
    except IntegrityError as error:
        raise Conflict(f"The row contradicts another one: {sentence(error)}") from error
    return changed


def write_label(product: DataProduct, base: Any, label: Any) -> int:
    """Set the label column of a locked base row; returns how many rows that changed."""
    rows = _WrittenRows(base)
    if not rows.set(product.join.label_path, label):
        return 0
    rows.save(check=False)  # what the table held before counts again, whatever is declared by now
    return 1


def read_label(product: DataProduct, base: Any) -> Any:
    return _WrittenRows(base).get(product.join.label_path)


def sentence(error: Exception) -> str:
    """What the database says of a row that it refuses."""
    return str(error).strip().splitlines()[-1].removeprefix("DETAIL:").strip()


def _check(row: Any, changed: set[str]) -> None:
    """What the models' own validators say of the columns that were changed. Raises BadInput."""
    fields = [f for f in row._meta.concrete_fields if f.name in changed or row._state.adding]
    null = {f for f in fields if not f.primary_key and getattr(row, f.attname) is None}
    if missing := [f.name for f in fields if f in null and not f.null]:
        raise BadInput(f"A {row._meta.verbose_name} needs {', '.join(missing)} too.", argument=("row",))
    try:
        unchanged = [f.name for f in row._meta.fields if f.name not in changed or f in null]
        row.full_clean(exclude=unchanged, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise BadInput(" ".join(error.messages), argument=("row",)) from error


class _WrittenRows:
    """A base row and the one-to-one rows around it, changed in memory and saved in the order of their keys."""

    def __init__(self, base: Any):
        self.rows: dict[tuple[Any, ...], Any] = {(): base}
        self.dirty: dict[tuple[Any, ...], list[str]] = {(): []} if base._state.adding else {}

    def row(self, hops: tuple[Any, ...]) -> Any:
        if hops not in self.rows:
            parent, hop = self.row(hops[:-1]), hops[-1]
            accessor = hop.get_accessor_name() if hop.auto_created else hop.name
            existing = None if parent._state.adding else getattr(parent, accessor, None)
            self.rows[hops] = existing or hop.related_model()
            if existing is None and self._before(hops):
                self.dirty.setdefault(hops[:-1], []).append(hop.name)
        return self.rows[hops]

    def get(self, path: Any) -> Any:
        return getattr(self.row(path.hops), path.column.attname)

    def set(self, path: Any, value: Any) -> bool:
        """Whether that changes the column."""
        row = self.row(path.hops)
        if not row._state.adding and getattr(row, path.column.attname) == value:
            return False
        setattr(row, path.column.attname, value)
        self.dirty.setdefault(path.hops, []).append(path.column.name)
        return True

    def save(self, check: bool = True) -> None:
        """Parents that the base row points to first, then the base row, then the rows that point to it."""
        for hops in sorted(self.dirty, key=lambda hops: (not self._before(hops), len(hops))):
            self._save(hops, check)

    def _before(self, hops: tuple[Any, ...]) -> bool:
        return bool(hops) and not hops[-1].auto_created

    def _save(self, hops: tuple[Any, ...], check: bool) -> None:
        row, new = self.rows[hops], self.rows[hops]._state.adding
        if new and hops and hops[-1].auto_created:
            setattr(row, hops[-1].field.name, self.rows[hops[:-1]])
        for other, related in self.rows.items():
            if other[:-1] == hops and self._before(other):
                setattr(row, other[-1].name, related)
        if check:
            _check(row, set(self.dirty[hops]))
        row.save(force_insert=new) if new else row.save(update_fields=self.dirty[hops])
