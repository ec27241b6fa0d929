"""Which columns of a file go where: the product's feature tables, found by their fields and the file's headers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db import connection, models
from psycopg2 import sql

from ..exceptions import StoreError
from ..products.product import DataProduct
from .casts import Cast
from .files import Layout, field_names

#: The name under which the key that is made of a row itself stands in the typed rows.
ROW_KEY = "row_key"


class NoTable(StoreError):
    """The file's columns are not those of one feature table."""

    code = "BAD_INPUT"


@dataclass(frozen=True)
class TargetColumn:
    """A column of the file that is loaded."""

    header: str
    #: Its name in the staging table, and of its values in the typed rows.
    staged: str
    cast: Cast


@dataclass(frozen=True)
class TargetTable:
    """A feature table and what of each typed row goes into it."""

    model: type[models.Model]
    #: By which its rows are recognised; None: only by all that they hold.
    key: models.Field | None
    #: The names of the typed values, by field; the key's is among them.
    values: Mapping[models.Field, str]

    @property
    def title(self) -> str:
        return str(self.model._meta.verbose_name)

    @property
    def name(self) -> sql.Composable:
        """As SQL writes it, in another schema too."""
        return named(self.model)

    @property
    def entity(self) -> Any:
        """The column that holds the base row's key."""
        return self.key if self.key and self.key.is_relation else self.model._meta.pk

    @cached_property
    def rest(self) -> dict[models.Field, str]:
        """What is not the key."""
        return {field: staged for field, staged in self.values.items() if field != self.key}

    @cached_property
    def lacking(self) -> tuple[models.Field, ...]:
        """What a new row needs and the file has not."""
        return tuple(f for f in self._absent if not (f.primary_key and f.has_default()) and not _fills(f))

    @cached_property
    def filled(self) -> tuple[models.Field, ...]:
        """What Django fills in where a new row does not say it."""
        return tuple(f for f in self._absent if _fills(f) and not f.has_db_default())

    @property
    def _absent(self) -> list[Any]:
        given = set(self.values)
        return [
            f
            for f in self.model._meta.concrete_fields
            if f not in given and not f.generated and not isinstance(f, models.AutoField)
        ]


def named(model: type[models.Model]) -> sql.Composable:
    return sql.SQL(connection.ops.quote_name(model._meta.db_table))


def _fills(field: Any) -> bool:
    automatic = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    blank = field.blank and field.empty_strings_allowed and not field.primary_key
    return bool(automatic or field.null or field.has_default() or field.has_db_default() or blank)


@dataclass(frozen=True)
class LoadPlan:
    """How one file is loaded."""

    layout: Layout
    columns: tuple[TargetColumn, ...]
    #: Those whose rows others point to come first; all have the same key.
    tables: tuple[TargetTable, ...]
    #: Columns that no table has.
    new_columns: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.layout.path

    @property
    def makes_keys(self) -> bool:
        return ROW_KEY in self.tables[0].values.values()

    @property
    def names(self) -> list[str]:
        """The columns of the staging table: all that the file has."""
        return [f"c{place}" for place in range(len(self.layout.header))]


def plans(product: DataProduct, layouts: Sequence[Layout], day_first: bool | None = None) -> list[LoadPlan]:
    """How each file is loaded, in the order in which that must happen. Raises NoTable."""
    models_ = list(feature_tables(product))
    found = [_plan(product, models_, layout, day_first) for layout in layouts]
    return sorted(found, key=lambda plan: models_.index(plan.tables[0].model))


def feature_tables(product: DataProduct) -> Iterator[type[models.Model]]:
    """Every table that features can come from: those the base rows point to, theirs, those that point to them."""
    base = product.join.model
    reverse = [relation.related_model for relation in base._meta.related_objects]
    hops = [hop for column in product.columns if column.path for hop in column.path.hops]
    forward = [hop.related_model for hop in hops if not hop.auto_created]
    beyond = [hop.related_model for hop in hops if hop.auto_created]
    yield from dict.fromkeys([*forward, base, *reverse, *beyond])


def _plan(
    product: DataProduct, models_: Sequence[type[models.Model]], layout: Layout, day_first: bool | None
) -> LoadPlan:
    matches = [_Match(product, model, layout.header) for model in models_]
    keyed = [found for found in matches if found.has_key]
    if not keyed:
        raise NoTable(_no_table(product, models_, layout))
    most = max(found.size for found in keyed)
    best = [found for found in keyed if found.size == most]
    if len(best) > 1:
        best = [found for found in best if _is_named_after(layout, found.model)] or best
    if len(best) > 1:
        names = ", ".join(found.model.__name__ for found in best)
        raise NoTable(f"{layout.path} could be {names}: name the file after one of them.")
    return _planned(layout, best[0], day_first)


Found = dict[Any, int]  # the place of the column in the file, by the field that it goes to


class _Match:
    """What of a file would go to `model`, and to the one-to-one tables beside it where it is the base."""

    def __init__(self, product: DataProduct, model: type[models.Model], header: Sequence[str]):
        self.model, self.found = model, match(model, header)
        self.is_base = model is product.join.model
        self.beside = _beside(product, self.found, header) if self.found and self.is_base else {}

    @property
    def size(self) -> tuple[int, int]:
        """How many columns, and how many of them `model` itself has."""
        return len(self.found) + sum(map(len, self.beside.values())), len(self.found)

    @property
    def has_key(self) -> bool:
        if not self.found:
            return False
        is_known = any(field in self.found for field in _keys(self.model))
        return is_known or makes_key(self.model) or (not self.is_base and _is_counted(self.model, self.found))


def match(model: type[models.Model], header: Sequence[str]) -> Found:
    """The columns of a file that are `model`'s: by the original header in `help_text`, else by name."""
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    found: Found = {}
    for known_as in (_original, _name, _target):
        for place, names in enumerate(zip(header, field_names(header), strict=True)):
            if place in found.values():
                continue
            for field in fields:
                if field not in found and known_as(field) & {*names, names[0].strip().casefold()}:
                    found[field] = place
                    break
    return found


def _original(field: Any) -> set[str]:
    return {str(field.help_text)} - {""}


def _name(field: Any) -> set[str]:
    return {field.name, field.attname}


def _target(field: Any) -> set[str]:
    """What the key is called that a relation's column holds."""
    if not field.is_relation:
        return set()
    target = field.target_field
    return _target(target) | _original(target) | _name(target)


def _keys(model: type[models.Model]) -> list[Any]:
    """The fields that each recognise a row."""
    unique = [field for field in model._meta.concrete_fields if field.unique and not field.primary_key]
    return [model._meta.pk, *unique]


def makes_key(model: type[models.Model]) -> bool:
    """Whether the key of a row is made of the row: text that nobody edits."""
    key: Any = model._meta.pk
    return isinstance(key, models.CharField) and not key.editable


def _is_counted(model: type[models.Model], found: Found) -> bool:
    """Whether rows are recognised by all that they hold: what belongs to another row and has only a number."""
    numbered = isinstance(model._meta.pk, models.AutoField)
    return numbered and any(f.many_to_one for f in found if f.is_relation)


def _is_named_after(layout: Layout, model: type[models.Model]) -> bool:
    stem = layout.path.name.split(".")[0].casefold()
    return "".join(filter(str.isalnum, stem)) == model.__name__.casefold()


def _beside(product: DataProduct, found: Found, header: Sequence[str]) -> dict[Any, Found]:
    """The file's other columns that are features of one-to-one rows, by the relation to them."""
    places = {name: place for place, name in enumerate(field_names(header)) if place not in found.values()}
    beside: dict[Any, Found] = {}
    for column in product.columns:
        path = column.path
        if path is None or len(path.hops) != 1 or not path.hops[0].auto_created:
            continue
        hop = path.hops[0]
        for name in (column.name, f"{hop.get_accessor_name()}_{path.column.name}"):
            if name in places:
                beside.setdefault(hop, {})[path.column] = places.pop(name)
                break
    return beside


def _planned(layout: Layout, match: _Match, day_first: bool | None) -> LoadPlan:
    model, found, beside = match.model, match.found, match.beside
    places = {**found, **{field: place for one in beside.values() for field, place in one.items()}}
    columns = tuple(
        TargetColumn(layout.header[place], f"c{place}", Cast(field, layout.decimal_comma, day_first))
        for field, place in sorted(places.items(), key=lambda item: item[1])
    )
    key = next((field for field in _keys(model) if field in found), None)
    values = {field: f"c{place}" for field, place in found.items()}
    if key is None and makes_key(model):
        key = model._meta.pk
        values[key] = ROW_KEY
    tables = [TargetTable(model, key, values)]
    for hop, others in beside.items():
        shared = {hop.field: values[hop.field.target_field]} if hop.field.target_field in values else {}
        own = {field: f"c{place}" for field, place in others.items()}
        tables.append(TargetTable(hop.related_model, hop.field, shared | own))
    new = tuple(name for place, name in enumerate(layout.header) if place not in places.values())
    return LoadPlan(layout, columns, tuple(tables), new)


def _no_table(product: DataProduct, models_: Sequence[type[models.Model]], layout: Layout) -> str:
    needed = "; ".join(
        f"{model.__name__} is recognised by {' or '.join(f.name for f in _keys(model))}" for model in models_
    )
    return f"{layout.path} has no column that says which rows of {product} it is about: {needed}."
