"""Planning: which models an app has, what its product learns from, and how."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from learning.problem import Classification, Clustering, Problem, Regression, problem_type

from ..ingest.files import FileError, field_names
from ..ingest.files.names import is_reserved
from .inference import InferredColumn, InferredTable, Role
from .inference.deciding import FEW, MOST_CLASSES

#: Parts of the cross-validation, unless a class has fewer examples, and how few it may have.
FOLDS, LEAST = 5, 3
#: What GraphQL types of a product are called already; a category of that name would make another one.
TAKEN = {
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
    """A feature table to be."""

    name: str
    table: InferredTable
    #: None: a hash of the row and its occurrence.
    key: InferredColumn | None
    #: "" for the base rows, else what their rows here are called: one or many of each.
    accessor: str = ""
    many: bool = False


@dataclass(frozen=True, kw_only=True)
class PlannedFeature:
    """A feature of the product, and its declaration as Python text."""

    name: str
    declared: str


@dataclass(frozen=True, kw_only=True)
class PlannedApp:
    """A Django app to be."""

    name: str
    #: The base rows first.
    models: tuple[PlannedModel, ...]
    #: "Classification", "Regression" or "Clustering".
    problem: type[Problem]
    folds: int
    features: tuple[PlannedFeature, ...]

    @property
    def base(self) -> PlannedModel:
        return self.models[0]


def plan(name: str, tables: Sequence[InferredTable], task: str | None = None) -> PlannedApp:
    """The app over tables, of which the first has the label and the others share its key. Raises FileError."""
    base = PlannedModel(name=class_name(tables[0], name), table=tables[0], key=tables[0].key)
    models = [base]
    for table in tables[1:]:
        taken = {model.name for model in models}
        wanted = class_name(table, f"{name} part")
        chosen = next(n for n in (wanted, *(f"{wanted}{i}" for i in range(2, 99))) if n not in taken)
        many = bool(table.key and not table.key.unique)
        models.append(
            PlannedModel(
                name=chosen, table=table, key=table.key, accessor=accessor_of(chosen, many), many=many
            )
        )
    return planned(name, [replace(model, table=_renamed(model, base)) for model in models], task)


def planned(name: str, models: Sequence[PlannedModel], task: str | None) -> PlannedApp:
    """The app of these models, the base rows' first. Raises FileError where there is nothing to learn, or from."""
    base = models[0].table
    problem = _problem(base, problem_type(task.upper()) if task else None)
    features = tuple(_named_apart(_features(models)))
    if not features:
        raise FileError(f"{base.layout.path}: no column is left to learn from.")
    return PlannedApp(
        name=name, models=tuple(models), problem=problem, folds=_folds(base, problem), features=features
    )


def _problem(table: InferredTable, wished: type[Problem] | None) -> type[Problem]:
    label, path = table.label, table.layout.path
    if label is None:
        if wished and wished.learns_from_labels:
            raise FileError(f"{path}: a {wished.task.lower()} needs --label COLUMN.")
        return Clustering
    if wished and not wished.learns_from_labels:
        raise FileError(
            f"{path}: a clustering has no label: say --leave-out {label.header} instead of --label."
        )
    fewest = label.distinct <= FEW and table.rows >= 3 * label.distinct
    numeric = label.type.is_quantity and not (label.type.is_integer and fewest)
    problem = wished or (Regression if numeric else Classification)
    if problem.has_values and not label.type.is_quantity:
        raise FileError(
            f"{path}, column {label.header}: {label.example!r} is no number, so it is no regression."
        )
    if problem.has_classes and (
        (label.type.is_ranged and not label.type.is_integer) or not 2 <= len(table.labels) <= MOST_CLASSES
    ):
        raise FileError(
            f"{path}, column {label.header}: {label.distinct:,} different values as {label.example!r} are no "
            f"classes to choose from (at most {MOST_CLASSES})."
        )
    return problem


def _folds(table: InferredTable, problem: type[Problem]) -> int:
    if not problem.has_classes:
        return FOLDS
    smallest = min(table.labels, key=lambda label: table.labels[label])
    count = table.labels[smallest]
    if count < LEAST:
        line = table.first_lines.get(smallest, table.layout.first_line)
        assert table.label
        raise FileError(
            f"{table.layout.path}, line {line}, column {table.label.header}: {smallest!r} has {count} "
            f"example{'s' * (count > 1)}, and nothing can be learned from fewer than {LEAST}: "
            "take the row out, or empty its label."
        )
    return min(FOLDS, count)


def class_name(table: InferredTable, otherwise: str) -> str:
    """`Customer` for customers.csv."""
    stem = table.layout.path.name.split(".")[0]
    (name,) = field_names([stem])
    if stem == "standard-input" or name == "column_0" or is_reserved(name.removesuffix("_field")):
        (name,) = field_names([otherwise])
    return camel(_singular(name))


def camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _singular(name: str) -> str:
    if name.endswith("ies") and len(name) > 4:
        return f"{name[:-3]}y"
    return name[:-1] if re.search(r"[^suix]s$", name) and len(name) > 3 else name


def accessor_of(class_name: str, many: bool) -> str:
    (name,) = field_names([class_name])
    if not many:
        return name
    return f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", name) else f"{name}s"


def _renamed(model: PlannedModel, base: PlannedModel) -> InferredTable:
    """Django keeps `id` for keys, and a relation's name must be free."""
    taken = {column.name for column in model.table.columns} | {"key"} | {accessor_of(base.name, False)}
    free = next(name for name in ("identifier", "row_id", "given_id") if name not in taken)

    def fitting(column: InferredColumn) -> InferredColumn:
        clashes = column.name == "id" and (column.role is not Role.KEY or model.accessor)
        if clashes:
            return replace(column, name=free)
        if model.accessor and column.role is not Role.KEY and column.name == accessor_of(base.name, False):
            return replace(column, name=f"{column.name}_value")
        return column

    return replace(model.table, columns=tuple(map(fitting, model.table.columns)))


def _features(models: Sequence[PlannedModel]) -> Iterator[PlannedFeature]:
    base = models[0].table
    for model in models:
        if model.many:
            yield from _aggregates(model, base.time is not None)
            continue
        prefix = f"{model.accessor}__" if model.accessor else ""
        for column in model.table.features:
            taken = column.type.is_category and column.name in TAKEN
            name = f"{column.name}_value" if taken else column.name
            yield PlannedFeature(name=name, declared=f'"{prefix}{column.name}"')


def _aggregates(model: PlannedModel, before: bool) -> Iterator[PlannedFeature]:
    """How many rows there are, the averages of their numbers, and what the latest of them says."""
    many = model.accessor
    at = next((column for column in model.table.columns if column.type.has_date and not column.missing), None)
    if before and not at:
        return

    def declared(aggregate: str) -> str:
        return f'Before({aggregate}, at="{many}__{at.name}")' if before and at else aggregate

    yield PlannedFeature(name=f"{many}_count", declared=declared(f'Count("{many}")'))
    for column in model.table.features:
        path = f"{many}__{column.name}"
        if column.type.is_quantity:
            yield PlannedFeature(name=f"{column.name}_average", declared=declared(f'Avg("{path}")'))
        if at and column is not at and not column.type.has_date:
            yield PlannedFeature(
                name=f"{column.name}_latest", declared=f'Latest("{path}", at="{many}__{at.name}")'
            )


def _named_apart(features: Iterator[PlannedFeature]) -> Iterator[PlannedFeature]:
    found = list(features)
    names = field_names(feature.name for feature in found)
    for feature, name in zip(found, names, strict=True):
        yield replace(feature, name=name)
