"""Load plans: which columns of a file go to which feature tables of the product."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from django.db import connection, models
from psycopg2 import sql

from ..exceptions import StoreError
from ..products.features import Hop
from ..products.product import DataProduct
from .casts import Cast
from .files import Layout, field_names

#: The column of the typed rows with keys that are derived from the rows' values.
ROW_KEY = "row_key"

#: Positions of a file's columns, by the fields that they are loaded into.
ColumnPlaces = dict[models.Field, int]


class NoTable(StoreError):
    """The file's columns are not those of one feature table."""

    code = "BAD_INPUT"


@dataclass(frozen=True)
class TargetColumn:
    """A column of the file that is loaded."""

    header: str
    #: Its name in the staging table and in the typed rows.
    staged: str
    cast: Cast


@dataclass(frozen=True)
class TargetTable:
    """A feature table and the columns of the typed rows that are loaded into it."""

    model: type[models.Model]
    #: Identifies a row; None: only all its values together do.
    key: models.Field | None
    #: Columns of the typed rows, by field; the key is among them.
    values: Mapping[models.Field, str]

    @property
    def title(self) -> str:
        return str(self.model._meta.verbose_name)

    @property
    def name(self) -> sql.Composable:
        """The quoted name in SQL, with its schema."""
        return table_name(self.model)

    @property
    def entity(self) -> models.Field:
        """The column that holds the base row's key."""
        return self.key if self.key and self.key.is_relation else self.model._meta.pk

    @cached_property
    def updated_values(self) -> dict[models.Field, str]:
        """Columns of the typed rows by field, without the key."""
        return {field: staged for field, staged in self.values.items() if field != self.key}

    @cached_property
    def missing_fields(self) -> tuple[models.Field, ...]:
        """Fields that a new row needs and the file lacks."""
        return tuple(f for f in self._absent if not (f.primary_key and f.has_default()) and not _has_value(f))

    @cached_property
    def default_fields(self) -> tuple[models.Field, ...]:
        """Fields that the file lacks and Django fills in new rows."""
        return tuple(f for f in self._absent if _has_value(f) and not f.has_db_default())

    @property
    def _absent(self) -> list[models.Field]:
        present = set(self.values)
        return [
            f
            for f in self.model._meta.concrete_fields
            if f not in present and not f.generated and not isinstance(f, models.AutoField)
        ]


def table_name(model: type[models.Model]) -> sql.Composable:
    """Quote the name of the model's table for SQL."""
    return sql.SQL(connection.ops.quote_name(model._meta.db_table))


def _has_value(field: models.Field) -> bool:
    """Return True where a new row has a value of the field without being given one."""
    automatic = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    blank = field.blank and field.empty_strings_allowed and not field.primary_key
    return bool(automatic or field.null or field.has_default() or field.has_db_default() or blank)


@dataclass(frozen=True)
class LoadPlan:
    """The columns and tables of one file."""

    layout: Layout
    columns: tuple[TargetColumn, ...]
    #: Referenced tables come first; all have the same key. None for rows that go to no feature table.
    tables: tuple[TargetTable, ...]
    #: Columns that no table has.
    new_columns: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.layout.path

    @property
    def derives_keys(self) -> bool:
        return any(ROW_KEY in table.values.values() for table in self.tables[:1])

    @property
    def names(self) -> list[str]:
        """The columns of the staging table: one for each of the file."""
        return [f"c{place}" for place in range(len(self.layout.header))]


def plan_loads(
    product: DataProduct, layouts: Sequence[Layout], day_first: bool | None = None
) -> list[LoadPlan]:
    """Plan the load of each file; files of referenced tables come first. Raises NoTable."""
    models_ = list(find_feature_tables(product))
    load_plans = [_plan_load(product, models_, layout, day_first) for layout in layouts]
    return sorted(load_plans, key=lambda plan: models_.index(plan.tables[0].model))


def find_feature_tables(product: DataProduct) -> Iterator[type[models.Model]]:
    """Find every table that features can come from; referenced tables come first."""
    base = product.join.model
    reverse = [relation.related_model for relation in base._meta.related_objects]
    hops = [hop for column in product.columns if column.path for hop in column.path.hops]
    forward = [hop.related_model for hop in hops if not hop.auto_created]
    beyond = [hop.related_model for hop in hops if hop.auto_created]
    yield from dict.fromkeys([*forward, base, *reverse, *beyond])


def _plan_load(
    product: DataProduct, models_: Sequence[type[models.Model]], layout: Layout, day_first: bool | None
) -> LoadPlan:
    matches = [_TableMatch(product, model, layout.header) for model in models_]
    with_key = [match for match in matches if match.has_key]
    if not with_key:
        raise NoTable(_describe_keys(product, models_, layout))
    most = max(match.size for match in with_key)
    best = [match for match in with_key if match.size == most]
    if len(best) > 1:
        best = [match for match in best if _is_named_after(layout, match.model)] or best
    if len(best) > 1:
        names = ", ".join(match.model.__name__ for match in best)
        raise NoTable(f"{layout.path} could be {names}: name the file after one of them.")
    return _build_plan(layout, best[0], day_first)


class _TableMatch:
    """The file's columns that would go to `model` and, where it is the base, to its one-to-one tables."""

    def __init__(self, product: DataProduct, model: type[models.Model], header: Sequence[str]):
        self.model, self.places = model, match_columns(model, header)
        self.is_base = model is product.join.model
        self.one_to_one: dict[Hop, ColumnPlaces] = {}
        if self.places and self.is_base:
            self.one_to_one = _match_one_to_one_columns(product, self.places, header)

    @property
    def size(self) -> tuple[int, int]:
        """The number of columns of all tables, and of `model` alone."""
        return len(self.places) + sum(map(len, self.one_to_one.values())), len(self.places)

    @property
    def has_key(self) -> bool:
        if not self.places:
            return False
        if any(field in self.places for field in _find_unique_fields(self.model)) or derives_key(self.model):
            return True
        return not self.is_base and _is_identified_by_values(self.model, self.places)


def match_columns(model: type[models.Model], header: Sequence[str]) -> ColumnPlaces:
    """Match the file's columns with the model's fields.

    A field matches its title, which is its `verbose_name` or `help_text`, else its name, else the name of the key
    that it references.
    """
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    places: ColumnPlaces = {}
    for list_titles in (_list_original_header, _list_names, _list_target_names):
        for place, names in enumerate(zip(header, field_names(header), strict=True)):
            if place in places.values():
                continue
            for field in fields:
                if field not in places and list_titles(field) & {*names, names[0].strip().casefold()}:
                    places[field] = place
                    break
    return places


def _list_original_header(field: models.Field) -> set[str]:
    return {str(field.help_text), str(getattr(field, "_verbose_name", None) or "")} - {""}


def _list_names(field: models.Field) -> set[str]:
    return {field.name, field.attname}


def _list_target_names(field: models.Field) -> set[str]:
    """List the names of the key that a relation's column references."""
    if not isinstance(field, models.ForeignKey):
        return set()
    target = field.target_field
    return _list_target_names(target) | _list_original_header(target) | _list_names(target)


def _find_unique_fields(model: type[models.Model]) -> list[models.Field]:
    """Find the fields that identify a row, the primary key first."""
    unique = [field for field in model._meta.concrete_fields if field.unique and not field.primary_key]
    return [model._meta.pk, *unique]


def derives_key(model: type[models.Model]) -> bool:
    """Return True where keys are derived from the rows' values: the key is text that nobody edits."""
    key = model._meta.pk
    return isinstance(key, models.CharField) and not key.editable


def _is_identified_by_values(model: type[models.Model], places: ColumnPlaces) -> bool:
    """Return True where only all values together identify a row: it references another and has an automatic key."""
    has_automatic_key = isinstance(model._meta.pk, models.AutoField)
    return has_automatic_key and any(field.many_to_one for field in places if field.is_relation)


def _is_named_after(layout: Layout, model: type[models.Model]) -> bool:
    return "".join(filter(str.isalnum, layout.stem.casefold())) == model.__name__.casefold()


def _match_one_to_one_columns(
    product: DataProduct, base_places: ColumnPlaces, header: Sequence[str]
) -> dict[Hop, ColumnPlaces]:
    """Match the file's other columns with features of one-to-one rows, by the relation to these."""
    free = {
        name: place for place, name in enumerate(field_names(header)) if place not in base_places.values()
    }
    matches: dict[Hop, ColumnPlaces] = {}
    for column in product.columns:
        path = column.path
        if path is None or len(path.hops) != 1 or not path.hops[0].auto_created:
            continue
        hop = path.hops[0]
        for name in (column.name, f"{hop.get_accessor_name()}_{path.column.name}"):
            if name in free:
                matches.setdefault(hop, {})[path.column] = free.pop(name)
                break
    return matches


def _build_plan(layout: Layout, match: _TableMatch, day_first: bool | None) -> LoadPlan:
    places = match.places | {
        field: place for fields in match.one_to_one.values() for field, place in fields.items()
    }
    columns = tuple(
        TargetColumn(layout.header[place], f"c{place}", Cast(field, layout.decimal_comma, day_first))
        for field, place in sorted(places.items(), key=lambda item: item[1])
    )
    new = tuple(name for place, name in enumerate(layout.header) if place not in places.values())
    return LoadPlan(layout, columns, tuple(_build_tables(match)), new)


def _build_tables(match: _TableMatch) -> Iterator[TargetTable]:
    """Build the target tables of a match: the model's own, then its one-to-one tables, which share its key."""
    model = match.model
    key = next((field for field in _find_unique_fields(model) if field in match.places), None)
    values = {field: f"c{place}" for field, place in match.places.items()}
    if key is None and derives_key(model):
        key = model._meta.pk
        values[key] = ROW_KEY
    yield TargetTable(model, key, values)
    for hop, places in match.one_to_one.items():
        target = hop.field.target_field
        shared_key = {hop.field: values[target]} if target in values else {}
        own = {field: f"c{place}" for field, place in places.items()}
        yield TargetTable(hop.related_model, hop.field, shared_key | own)


def _describe_keys(product: DataProduct, models_: Sequence[type[models.Model]], layout: Layout) -> str:
    keys = "; ".join(map(_describe_key, models_))
    return f"{layout.path} has no column that says which rows of {product} it is about: {keys}."


def _describe_key(model: type[models.Model]) -> str:
    single = [field.name for field in _find_unique_fields(model) if field in model._meta.concrete_fields]
    if single:
        return f"{model.__name__} is recognised by {' or '.join(single)}"
    several = ", ".join(field.name for field in model._meta.pk_fields)
    return (
        f"{model.__name__}, whose key has several columns ({several}), is written by SQL and not from files"
    )
