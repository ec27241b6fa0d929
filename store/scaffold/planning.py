"""Plans of apps: their models, and the features and the problem of their product."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from learning.problem import Classification, Clustering, Problem, Regression, problem_type

from ..ingest.files import FileError, field_names
from ..products.product import ROWS
from .inference import InferredColumn, InferredTable, Role
from .inference.roles import MAX_CLASSES, MAX_INTEGER_CLASSES
from .limits import Limits, limits_for
from .positive import find_positive
from .row_names import RowName, name_rows

#: Folds of the cross-validation, unless a class has fewer examples; and the fewest examples of a class.
FOLDS, MIN_EXAMPLES = 5, 3
#: Names of GraphQL types that each product has; the type of a category must not repeat one.
RESERVED_TYPES = {
    "label",
    "features",
    "entity",
    "feedback",
    "prediction",
    "product",
    "instance",
    "probability",
    "cluster",
}


@dataclass(frozen=True, kw_only=True)
class PlannedModel:
    """A feature table of the planned app."""

    rows: RowName
    table: InferredTable
    #: None: a hash of the row and its occurrence.
    key: InferredColumn | None
    #: The accessor of these rows on a base row; "" for the base rows.
    accessor: str = ""
    #: True where a base row has many of these rows.
    many: bool = False
    #: The declaration of the category that stands for a row of a lookup table; "": of any other table.
    category: str = ""
    #: The path of the time of the rows that these belong to; "": they have none.
    outer_time: str = ""

    @property
    def own_time(self) -> InferredColumn | None:
        """The column with these rows' time."""
        columns = self.table.columns
        return next((column for column in columns if column.type.has_date and not column.missing), None)

    @property
    def time(self) -> str:
        """The path of these rows' time, their own or that of the rows that they belong to; "": there is none."""
        own = self.own_time
        return f"{self.accessor}__{own.name}" if own else self.outer_time

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.rows.class_name


@dataclass(frozen=True, kw_only=True)
class PlannedFeature:
    """A feature of the product, and its declaration as Python text."""

    name: str
    declared: str


@dataclass(frozen=True, kw_only=True)
class PlannedApp:
    """A Django app that is not written yet."""

    name: str
    #: The product's title; "": its name as words.
    title: str = ""
    #: The base rows first.
    models: tuple[PlannedModel, ...]
    #: "Classification", "Regression" or "Clustering".
    problem: type[Problem]
    folds: int
    #: The positive one of two classes; "": the label has more classes, or none.
    positive: str = ""
    #: The classes of a label that is a foreign key: titles by key; empty for any other label.
    classes: Mapping[str, str] = field(default_factory=dict)
    #: What may be written into its tables, as a product declares it.
    writes: str = ROWS
    #: None: few rows need no limits.
    limits: Limits | None = None
    features: tuple[PlannedFeature, ...]

    @property
    def base(self) -> PlannedModel:
        return self.models[0]


def plan_app(name: str, tables: Sequence[InferredTable], task: str | None = None) -> PlannedApp:
    """Plan an app over tables, of which the first has the label and the others share its key. Raises FileError."""
    key = tables[0].key
    base = PlannedModel(rows=name_rows(tables[0].layout, name, key), table=tables[0], key=key)
    models = [base]
    for table in tables[1:]:
        used = {model.name for model in models}
        wanted = name_rows(table.layout, f"{name} part")
        names = (wanted.class_name, *(f"{wanted.class_name}{i}" for i in range(2, 99)))
        rows = replace(wanted, class_name=next(free for free in names if free not in used))
        many = bool(table.key and not table.key.unique)
        accessor = build_accessor(rows.class_name, many)
        models.append(PlannedModel(rows=rows, table=table, key=table.key, accessor=accessor, many=many))
    return build_app(name, [replace(model, table=_rename_columns(model, base)) for model in models], task)


def build_app(name: str, models: Sequence[PlannedModel], task: str | None) -> PlannedApp:
    """Build the plan of an app from its models, the base rows' first.

    Raises: FileError where a label, enough examples, or a feature is missing.
    """
    base = models[0].table
    problem = _select_problem(base, problem_type(task.upper()) if task else None)
    features = tuple(_make_names_differ(_list_features(models)))
    if not features:
        raise FileError(f"{base.layout.path}: no column is left to learn from.")
    return PlannedApp(
        name=name,
        models=tuple(models),
        problem=problem,
        folds=_count_folds(base, problem),
        positive=_select_positive(base.label, problem),
        limits=limits_for(base.rows, [column.type for column in base.features]),
        features=features,
    )


def _select_problem(table: InferredTable, requested: type[Problem] | None) -> type[Problem]:
    """Select the requested problem, or the one that fits the label. Raises FileError where the label does not fit."""
    label, path = table.label, table.layout.path
    if label is None:
        if requested and requested.learns_from_labels:
            raise FileError(f"{path}: a {requested.task.lower()} needs --label COLUMN.")
        return Clustering
    if requested and not requested.learns_from_labels:
        raise FileError(
            f"{path}: a clustering has no label: use --leave-out {label.header} instead of --label."
        )
    has_few_values = label.distinct <= MAX_INTEGER_CLASSES and table.rows >= 3 * label.distinct
    is_numeric = label.type.is_quantity and not (label.type.is_integer and has_few_values)
    problem = requested or (Regression if is_numeric else Classification)
    _check_label(table, label, problem)
    return problem


def _check_label(table: InferredTable, label: InferredColumn, problem: type[Problem]) -> None:
    path = table.layout.path
    if problem.has_values and not label.type.is_quantity:
        raise FileError(
            f"{path}, column {label.header}: {label.example!r} is no number, so it is no regression."
        )
    if problem.has_classes and (
        (label.type.is_ranged and not label.type.is_integer) or not 2 <= len(table.labels) <= MAX_CLASSES
    ):
        raise FileError(
            f"{path}, column {label.header}: {label.distinct:,} different values as {label.example!r} are no "
            f"classes to choose from (at most {MAX_CLASSES})."
        )


def _select_positive(label: InferredColumn | None, problem: type[Problem]) -> str:
    """Select the positive class; of a boolean, it is true."""
    if label is None or not problem.has_classes or label.type.is_boolean or len(label.values) != 2:
        return ""
    return find_positive(label.values)


def _count_folds(table: InferredTable, problem: type[Problem]) -> int:
    """Count the folds that the smallest class allows. Raises FileError below MIN_EXAMPLES."""
    if not problem.has_classes:
        return FOLDS
    smallest = min(table.labels, key=lambda label: table.labels[label])
    count = table.labels[smallest]
    if count < MIN_EXAMPLES:
        line = table.first_lines.get(smallest, table.layout.first_line)
        assert table.label
        raise FileError(
            f"{table.layout.path}, line {line}, column {table.label.header}: {smallest!r} has {count} "
            f"example{'s' * (count > 1)}, and nothing can be learned from fewer than {MIN_EXAMPLES}: "
            "take the row out, or empty its label."
        )
    return min(FOLDS, count)


def build_accessor(class_name: str, many: bool) -> str:
    """Build the accessor of related rows: `visit` for one `Visit`, `visits` for many."""
    (name,) = field_names([class_name])
    if not many:
        return name
    return f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", name) else f"{name}s"


def _rename_columns(model: PlannedModel, base: PlannedModel) -> InferredTable:
    """Rename columns called `id`, which Django reserves for keys, or like the relation to the base row."""
    used = {column.name for column in model.table.columns} | {"key"} | {build_accessor(base.name, False)}
    free = next(name for name in ("identifier", "row_id", "given_id") if name not in used)

    def rename(column: InferredColumn) -> InferredColumn:
        clashes = column.name == "id" and (column.role is not Role.KEY or model.accessor)
        if clashes:
            return replace(column, name=free)
        if model.accessor and column.role is not Role.KEY and column.name == build_accessor(base.name, False):
            return replace(column, name=f"{column.name}_value")
        return column

    return replace(model.table, columns=tuple(map(rename, model.table.columns)))


def _list_features(models: Sequence[PlannedModel]) -> Iterator[PlannedFeature]:
    base = models[0].table
    for model in models:
        if model.many:
            yield from _list_aggregates(model, base.time is not None)
            continue
        prefix = f"{model.accessor}__" if model.accessor else ""
        if model.category:
            yield PlannedFeature(name=model.accessor.rpartition("__")[2], declared=model.category)
        for column in model.table.features:
            is_enum = column.type.is_category and not column.type.is_open
            name = f"{column.name}_value" if is_enum and column.name in RESERVED_TYPES else column.name
            path = f'"{prefix}{column.name}"'
            yield PlannedFeature(name=name, declared=f"Category({path})" if column.is_open else path)


def _list_aggregates(model: PlannedModel, before: bool) -> Iterator[PlannedFeature]:
    """List aggregates over many rows: their count and recency; averages, sums and trends of numbers; latest values.

    Args:
        before: True where only rows before the base row's time may count.
    """
    many, own_time = model.accessor, model.own_time
    if before and not model.time:
        return
    time = f'"{model.time}"'

    def restrict(aggregate: str) -> str:
        return f"Before({aggregate}, at={time})" if before else aggregate

    name = many.rpartition("__")[2]
    yield PlannedFeature(name=f"{name}_count", declared=restrict(f'Count("{many}")'))
    if before and own_time:
        yield PlannedFeature(name=f"{name}_recency", declared=f"Recency({time})")
    for column in model.table.features:
        path = f'"{many}__{column.name}"'
        if column.type.is_quantity:
            yield PlannedFeature(name=f"{column.name}_average", declared=restrict(f"Avg({path})"))
            yield PlannedFeature(
                name=f"{column.name}_sum", declared=restrict(_render_sum(path, model, column))
            )
            if model.time:
                yield PlannedFeature(name=f"{column.name}_trend", declared=f"Trend({path}, at={time})")
        if model.time and column is not own_time and not column.type.has_date:
            yield PlannedFeature(name=f"{column.name}_latest", declared=f"Latest({path}, at={time})")


def _render_sum(path: str, model: PlannedModel, column: InferredColumn) -> str:
    """Render a sum; one that integers of 32 bits may not hold is a float."""
    largest = max(abs(column.low), abs(column.high)) * model.table.rows
    is_small = not column.type.is_whole or largest < 2**31
    return f"Sum({path})" if is_small else f"Sum({path}, output_field=FloatField())"


def _make_names_differ(features: Iterator[PlannedFeature]) -> Iterator[PlannedFeature]:
    planned = list(features)
    names = field_names(feature.name for feature in planned)
    for feature, name in zip(planned, names, strict=True):
        yield replace(feature, name=name)
