"""Entities: base rows of the join with their features, read in one query and written to their tables."""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, models, transaction
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet, Value

from ..db import pagination
from ..exceptions import BadInput, Conflict, NotWritten, RowsMultiplied, StoreError, UnknownEntity
from ..products.columns import is_same
from ..products.features import refusals_explained
from ..products.product import ROWS, DataProduct
from . import base_rows

#: Marks a value that stays unchanged, where None means null.
KEEP: object = object()


@dataclass(frozen=True, eq=False)
class Entity:
    """One base row with its features, as the tables hold them now."""

    product: DataProduct
    key: str
    #: The inputs in their order; None where an incomplete entity lacks a row.
    inputs: tuple[Any, ...]
    #: The label column's value.
    label: Any
    at: datetime.datetime | None
    #: True where it has all one-to-one rows that hold its features.
    complete: bool

    @property
    def pk(self) -> str:
        """The key, under the name that rows have it."""
        return self.key

    @property
    def order_at(self) -> datetime.datetime | None:
        """The time of the event, under the name by which rows are ordered by it."""
        return self.at

    @property
    def order_label(self) -> str | float | None:
        """The label by which rows are ordered: the class as text, or the number."""
        answer = self.product.stored_answer(self.label)
        return float(answer) if answer is not None and self.product.problem.has_values else answer

    @cached_property
    def version(self) -> str:
        """A hash of all values that can be written; a change must name the version that it has read."""
        values = [*self.inputs, self.label, self.at, self.complete]
        return blake2b(orjson.dumps(values, default=str), digest_size=12).hexdigest()

    @cached_property
    def instance(self) -> tuple[Any, ...]:
        """The features in the columns' order, with the computed ones."""
        return self.product.complete_if_possible(self.inputs)

    @property
    def features(self) -> dict[str, object]:
        return dict(zip(self.product.feature_names, self.instance, strict=True))


def find(product: DataProduct, keys: Iterable[str]) -> dict[str, Entity]:
    """Find the entities with these keys in one query; missing ones are absent from the result."""
    return _by_key(product, _read(product, base_rows.select_keys(product, keys)))


def find_each(product: DataProduct, keys: Sequence[str]) -> dict[str, Entity | StoreError]:
    """Find entities as `find` does; one that cannot be read, or comes twice, has its error, and is found by halving."""
    try:
        return {**find(product, keys)}
    except StoreError as refusal:
        if len(keys) == 1:
            return {keys[0]: refusal}
    middle = len(keys) // 2
    return find_each(product, keys[:middle]) | find_each(product, keys[middle:])


def _by_key(product: DataProduct, rows: Iterable[Entity]) -> dict[str, Entity]:
    """Map entities by key. Raises RowsMultiplied where one comes twice: no copy is more right than another."""
    by_key: dict[str, Entity] = {}
    for entity in rows:
        if by_key.setdefault(entity.key, entity) is not entity:
            raise RowsMultiplied(
                f"The rows of {product} have the key {entity.key} more than once: run ./dev check --database default."
            )
    return by_key


def after(product: DataProduct, key: object, most: int) -> list[Entity]:
    """List at most `most` entities in the order of their keys, after the key `key` (None: from the first)."""
    keys = keys_after(product, key, most)
    if not keys:
        return []
    rows = _rows_after(product, key).filter(pk__lte=keys[-1])
    by_key = _by_key(product, _read(product, rows))
    return [by_key[str(key)] for key in keys if str(key) in by_key]


def keys_after(product: DataProduct, key: object, most: int) -> list[object]:
    """List the primary keys of what `after` lists, although a row may not be readable."""
    return list(_rows_after(product, key).values_list("pk", flat=True)[:most])


def _rows_after(product: DataProduct, key: object) -> QuerySet[Any]:
    rows = base_rows.select(product).order_by("pk")
    return rows if key is None else rows.filter(pk__gt=key)


def get(product: DataProduct, key: str, argument: Sequence[str | int] = ("entity",)) -> Entity:
    """Get the entity with this key. Raises UnknownEntity."""
    if entity := find(product, [key]).get(key):
        return entity
    raise UnknownEntity(f"No {product.join.model._meta.verbose_name} has the key {key!r}.", argument=argument)


def page(
    product: DataProduct,
    request: pagination.PageRequest = pagination.FIRST_PAGE,
    rows: QuerySet[Any] | None = None,
    order: Sequence[str] = ("pk",),
) -> pagination.Page[Entity]:
    """List a page of the entities in base rows (None: all that the actor of this thread may see).

    Args:
        order: columns of the rows that Entity has too, as `pagination.page` takes them.

    Raises: OutOfRange, BadInput.
    """

    def load(rows: QuerySet[Any]) -> list[Entity | None]:
        keys = [str(key) for key in rows.values_list("pk", flat=True)]
        by_key = find(product, keys)
        return [by_key.get(key) for key in keys]

    with refusals_explained(product.join):
        return pagination.page_of([base_rows.select(product) if rows is None else rows], order, request, load)


def _read(product: DataProduct, rows: QuerySet[Any]) -> Iterable[Entity]:
    join = product.join
    has_all_rows = Q(*(Q(**{f"{relation}__isnull": False}) for relation in join.required_rows))
    complete = ExpressionWrapper(has_all_rows, BooleanField()) if has_all_rows else Value(True)
    label = join.label_column.select(F(join.label)) if join.label and join.label_column else None
    extra = {
        "entity_label": label or Value(None, models.TextField()),
        "entity_at": join.moment,
        "entity_complete": complete,
    }
    selected = ["pk", *extra, *(f"feature_{name}" for name in product.input_names)]
    with refusals_explained(join):
        for key, label, at, complete, *inputs in (
            join.inputs_of(rows).annotate(**extra).values_list(*selected)
        ):
            yield Entity(product, str(key), tuple(inputs), label, at, complete)


@transaction.atomic
def insert(
    product: DataProduct, key: str | None, values: Mapping[str, object], at: datetime.datetime | None
) -> Any:
    """Insert a base row with its one-to-one rows.

    Args:
        key: the entity's key; None lets the table generate one.
        values: validated inputs by name.
        at: the event time, where the join has one.

    Returns: the base row.
    Raises: BadInput; Conflict where the key exists.
    """
    model = product.join.model
    base = model()
    if key is not None:
        base.pk = _new_key(product, key)
    elif not isinstance(model._meta.pk, models.AutoField) and not model._meta.pk.has_default():
        raise BadInput(f"A {model._meta.verbose_name} needs a key.", argument=("key",))
    rows = _WrittenRows(base)
    for column in product.inputs:
        rows.set(column.path, values[column.name])
    if product.join.at_path:
        rows.set(product.join.at_path, product.join.stored_moment(at))
    try:
        with transaction.atomic():
            rows.save()
    except IntegrityError as error:
        raise Conflict(
            f"{model._meta.verbose_name} {key} contradicts another row: {database_message(error)}"
        ) from error
    if key is not None:
        _advance_sequence(model, base.pk)
    return base


def _new_key(product: DataProduct, key: str) -> object:
    model = product.join.model
    if not product.is_key(key):
        raise BadInput(f"{key!r} cannot be the key of a {model._meta.verbose_name}.", argument=("key",))
    primary_key = product.key_of(key)
    if base_rows.is_taken(product, primary_key):
        raise taken(product, key, ("key",))
    return primary_key


def taken(product: DataProduct, key: str, argument: Sequence[str | int]) -> Conflict:
    """Build the error for the key of a new row that a row of the table has, be it the product's or hidden."""
    return Conflict(
        f"A {product.join.model._meta.verbose_name} with the key {key!r} exists already.", argument=argument
    )


def _advance_sequence(model: type[models.Model], inserted: Any) -> None:
    """Advance the table's sequence beyond an inserted key; never set it back."""
    pk = model._meta.pk
    if not isinstance(pk, models.AutoField):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT setval(sequence, greatest(%s, pg_sequence_last_value(sequence), 1))
            FROM CAST(pg_get_serial_sequence(%s, %s) AS regclass) AS sequence""",
            [inserted, connection.ops.quote_name(model._meta.db_table), pk.column],
        )


@transaction.atomic
def update(product: DataProduct, base: Any, values: Mapping[str, object], at: Any = KEEP) -> list[str]:
    """Write features of a locked base row.

    A missing one-to-one row is inserted where all its columns are given.

    Args:
        values: validated features by name.
        at: the event time; KEEP leaves it unchanged.

    Returns: the names of the columns that changed.
    Raises: BadInput, Conflict.
    """
    rows, changed = _WrittenRows(base), []
    for column in product.inputs:
        if column.name in values and rows.set(column.path, values[column.name]):
            changed.append(column.name)
    if at is not KEEP and product.join.at_path:
        changed += ["at"] if rows.set(product.join.at_path, product.join.stored_moment(at)) else []
    try:
        with transaction.atomic():
            rows.save()
    except IntegrityError as error:
        raise Conflict(f"The row contradicts another one: {database_message(error)}") from error
    return changed


def write_label(product: DataProduct, base: Any, label: object) -> int:
    """Set the label column of a locked base row.

    Returns: the number of changed rows, 0 or 1.
    Raises: Conflict, NotOneRow; PostgreSQL's refusal where the label cannot be written, whatever it is.
    """
    rows = _WrittenRows(base)
    if not rows.set(product.join.label_path, label):
        return 0
    _save_label(product, base, rows)
    return 1


def write_labels(product: DataProduct, labels: Iterable[tuple[Any, object]]) -> list[Any]:
    """Set the label columns of locked base rows as `write_label` does, by one statement where all their rows exist.

    Args:
        labels: base rows, each once, with the labels to write.

    Returns: the base rows whose label has changed.
    Raises: what `write_label` raises.
    """
    path = product.join.label_path
    assert path is not None
    changed = [(base, rows) for base, label in labels if (rows := _WrittenRows(base)).set(path, label)]
    targets = [rows.row(path.hops) for _, rows in changed]
    if any(rows.are_new for _, rows in changed) or not base_rows.is_column_of(path.column, targets):
        for base, rows in changed:
            _save_label(product, base, rows)
    elif targets:
        with _contradictions_refused(path):
            base_rows.save_column(path.column, targets)
    return [base for base, _ in changed]


def _save_label(product: DataProduct, base: Any, rows: "_WrittenRows") -> None:
    """Save the row whose label was set."""
    if product.writes != ROWS and rows.are_new:
        raise NotWritten(
            f"The {base._meta.verbose_name} {base.pk} has no row with its label, and of {product} only labels are "
            "written."
        )
    with _contradictions_refused(product.join.label_path):
        rows.save(check=False)  # a restored value may contradict what is declared today


@contextmanager
def _contradictions_refused(path: Any) -> Iterator[None]:
    """Turn a refusal of PostgreSQL to store a label into Conflict, also one that would only come at the end."""
    try:
        with transaction.atomic():
            yield
            if path.column.is_relation:
                connection.check_constraints()
    except (IntegrityError, DataError) as error:
        raise Conflict(f"The label contradicts the table: {database_message(error)}") from error


def read_label(product: DataProduct, base: Any) -> object:
    """Read the label column of a base row."""
    return _WrittenRows(base).get(product.join.label_path)


def database_message(error: Exception) -> str:
    """Get the detail of an IntegrityError in one line; where that is the whole row, the message."""
    lines = str(error).strip().splitlines()
    detail = lines[-1].removeprefix("DETAIL:").strip()
    return lines[0].strip() if detail.startswith("Failing row contains") else detail


def _check(row: Any, changed: set[str]) -> None:
    """Run the model's validators on the changed columns. Raises BadInput."""
    fields = [f for f in row._meta.concrete_fields if f.name in changed or row._state.adding]
    null = {f for f in fields if not f.primary_key and getattr(row, f.attname) is None}
    if missing := [f.name for f in fields if f in null and not f.null]:
        raise BadInput(f"A {row._meta.verbose_name} needs {', '.join(missing)} too.")
    try:
        unchanged = [f.name for f in row._meta.fields if f.name not in changed or f in null]
        row.full_clean(exclude=unchanged, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise BadInput(" ".join(error.messages)) from error


class _WrittenRows:
    """A base row and its one-to-one rows, changed in memory and saved in the order of their foreign keys."""

    def __init__(self, base: Any):
        self.rows: dict[tuple[Any, ...], Any] = {(): base}
        self.dirty: dict[tuple[Any, ...], list[str]] = {(): []} if base._state.adding else {}

    def row(self, hops: tuple[Any, ...]) -> Any:
        """Get the row behind these relations; a new one where it is missing."""
        if hops not in self.rows:
            parent, hop = self.row(hops[:-1]), hops[-1]
            accessor = hop.get_accessor_name() if hop.auto_created else hop.name
            with base_rows.several_rows_refused(hop.related_model, f"of {parent.pk}"):
                existing = None if parent._state.adding else getattr(parent, accessor, None)
            self.rows[hops] = existing or hop.related_model()
            if existing is None and self._is_parent(hops):
                self.dirty.setdefault(hops[:-1], []).append(hop.name)
        return self.rows[hops]

    def get(self, path: Any) -> object:
        return getattr(self.row(path.hops), path.column.attname)

    def set(self, path: Any, value: object) -> bool:
        """Set a column. Returns: True where its value changes, not only the way in which it is written."""
        row = self.row(path.hops)
        if isinstance(value, str):
            value = path.column.to_python(
                value
            )  # a key that is learned from is a text, whatever its column holds
        if not row._state.adding and is_same(path.column, getattr(row, path.column.attname), value):
            return False
        setattr(row, path.column.attname, value)
        self.dirty.setdefault(path.hops, []).append(path.column.name)
        return True

    @property
    def are_new(self) -> bool:
        """True where saving would insert a row."""
        return any(self.rows[hops]._state.adding for hops in self.dirty)

    def save(self, check: bool = True) -> None:
        """Save the rows that the base row refers to, then the base row, then the rows that refer to it."""
        for hops in sorted(self.dirty, key=lambda hops: (not self._is_parent(hops), len(hops))):
            self._save(hops, check)

    def _is_parent(self, hops: tuple[Any, ...]) -> bool:
        return bool(hops) and not hops[-1].auto_created

    def _save(self, hops: tuple[Any, ...], check: bool) -> None:
        row, new = self.rows[hops], self.rows[hops]._state.adding
        if new and hops and hops[-1].auto_created:
            setattr(row, hops[-1].field.name, self.rows[hops[:-1]])
        for other, related in self.rows.items():
            if other[:-1] == hops and self._is_parent(other):
                setattr(row, other[-1].name, related)
        if check:
            _check(row, set(self.dirty[hops]))
        base_rows.save(row, None if new else self.dirty[hops])
