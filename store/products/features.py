"""The join: typed feature columns out of a Django queryset, compiled by Django into one statement."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import models
from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.expressions import BaseExpression, CombinedExpression
from django.db.models.functions import Coalesce

from learning.kinds import kind_of_field

from ..exceptions import StoreError
from .columns import TypedColumn

Hop = Any  # a relation's field or its reverse: ForeignKey, OneToOneField, OneToOneRel, ManyToOneRel, …


class InvalidJoin(StoreError):
    """The join is declared in a way that cannot be compiled."""

    code = "BAD_INPUT"


@dataclass(frozen=True)
class Before:
    """An aggregate over a to-many relation, of what happened strictly before the instance's time."""

    #: A Django aggregate of rows that are named from the base row, as `Count("visits")`.
    aggregate: Any
    #: The column with the time of those rows, as `"visits__on"`.
    at: str


@dataclass(frozen=True)
class Latest:
    """The value of a to-many relation's column in its newest row; null where there is none."""

    #: The column, named from the base row, as `"labs__marker"`.
    path: str
    #: The column with the time of those rows, as `"labs__taken_at"`.
    at: str
    #: A time of the base row: only rows before it count. None: the Join's `at`; without that, all rows.
    before: str | None = None


@dataclass(frozen=True)
class Path:
    """A column reached from the base row: the relations on the way, and the field at their end."""

    hops: tuple[Hop, ...]
    column: models.Field

    @property
    def to_many(self) -> bool:
        return any(hop.one_to_many or hop.many_to_many for hop in self.hops)

    @property
    def one_to_one(self) -> bool:
        return all(hop.one_to_one for hop in self.hops)

    @property
    def nullable(self) -> bool:
        """A missing reverse one-to-one row makes its instance incomplete, so it makes nothing null."""
        return self.column.null or any(hop.null for hop in self.hops if not hop.auto_created)


def walk(model: type[models.Model], path: str) -> Path:
    """Follow `path` ("means__radius") from `model`. Raises InvalidJoin with what stands there instead."""
    hops: list[Hop] = []
    *relations, last = path.split("__")
    for name in relations:
        hop = _field(model, name, path)
        if not hop.is_relation:
            raise InvalidJoin(
                f"{path!r}: {name!r} is a column of {model.__name__}, and nothing can follow it."
            )
        hops.append(hop)
        model = hop.related_model
    column = _field(model, last, path)
    if column.is_relation:
        raise InvalidJoin(f"{path!r} is a relation: name a column of it, as {path}__{_some_column(column)}.")
    return Path(tuple(hops), column)


def _many(model: type[models.Model], path: str) -> str:
    """What of `path` leads from `model` to many rows: up to its last to-many relation, empty where there is none."""
    names, many = [], ""
    for name in path.split("__"):
        hop = _field(model, name, path)
        names.append(name)
        if not hop.is_relation:
            break
        if hop.one_to_many or hop.many_to_many:
            many = "__".join(names)
        model = hop.related_model
    return many


def _field(model: type[models.Model], name: str, path: str) -> Any:
    if name == "pk":
        return model._meta.pk
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        known = ", ".join(sorted(f.name for f in model._meta.get_fields()))
        raise InvalidJoin(f"{path!r}: {model.__name__} has no column {name!r}; it has {known}.") from None


def _some_column(relation: Any) -> str:
    fields = relation.related_model._meta.concrete_fields
    return next((f.name for f in fields if not f.is_relation and not f.primary_key), "pk")


def references(expression: Any) -> Iterator[str]:
    """The paths that a declared feature names: itself, or those in an unresolved expression."""
    if isinstance(expression, str):
        yield expression
    elif isinstance(expression, F):
        yield expression.name  # type: ignore[attr-defined]
    elif isinstance(expression, BaseExpression):
        for source in expression.get_source_expressions():
            yield from references(source)


def _is_arithmetic(expression: Any) -> bool:
    if isinstance(expression, CombinedExpression):
        return all(map(_is_arithmetic, expression.get_source_expressions()))
    return isinstance(expression, F | Value)


def _is_aggregate(expression: Any) -> bool:
    if not isinstance(expression, BaseExpression):
        return False
    return isinstance(expression, models.Aggregate) or any(
        map(_is_aggregate, expression.get_source_expressions())
    )


@dataclass(frozen=True, kw_only=True)
class Feature(TypedColumn):
    """One column that models learn from, and how the join computes it."""

    expression: Any
    #: None where it is more than one column of the base row or of a one-to-one relation: then it cannot be written.
    path: Path | None


@dataclass(frozen=True, eq=False)
class Join:
    """Which rows are instances, and where their features come from."""

    #: The base rows. One row is one instance; its primary key names the entity.
    queryset: QuerySet[Any]
    #: By name: a path through to-one relations, a Django expression over such paths, or `Before` or `Latest` over
    #: to-many relations.
    features: Mapping[str, Any]
    #: A column of the base row or of a one-to-one relation. None: there is no label (clustering).
    label: str | None = None
    #: The column with the event's time. No feature may come from after it.
    at: str | None = None
    #: A path through to-one relations to what several instances share, as a patient's key. Models are validated on
    #: groups that they have not seen. An instance without a group is a group of its own.
    group: str | None = None

    @property
    def model(self) -> type[models.Model]:
        return self.queryset.model

    @cached_property
    def label_path(self) -> Path | None:
        return walk(self.model, self.label) if self.label else None

    @cached_property
    def label_column(self) -> TypedColumn | None:
        path = self.label_path
        return TypedColumn(name=path.column.name, field=path.column, nullable=True) if path else None

    @cached_property
    def at_path(self) -> Path | None:
        return walk(self.model, self.at) if self.at else None

    @cached_property
    def group_path(self) -> Path | None:
        return walk(self.model, self.group) if self.group else None

    @cached_property
    def columns(self) -> tuple[Feature, ...]:
        """The features in the order of their names, which is the order models know them in."""
        return tuple(self.column(name) for name in sorted(self.features))

    def column(self, name: str) -> Feature:
        """Compile one declared feature. Raises InvalidJoin with a sentence that says what to change."""
        try:
            return self._compiled(name, self.features[name])
        except (FieldError, TypeError) as error:
            raise InvalidJoin(f"{name} is nothing that Django can compile: {error}") from error

    def _compiled(self, name: str, declared: Any) -> Feature:
        match declared:
            case str():
                return self._plain(name, declared)
            case Before():
                return self._aggregated(name, declared.aggregate, declared.at)
            case Latest():
                return self._latest(name, declared)
        if _is_aggregate(declared):
            return self._aggregated(name, declared, None)
        return self._computed(name, declared)

    def _plain(self, name: str, path: str) -> Feature:
        found = walk(self.model, path)
        if found.to_many:
            raise InvalidJoin(
                f"{name}: {path!r} has many rows for one instance: take one with Latest, or count or average them."
            )
        writable = found if found.one_to_one and not found.column.primary_key else None
        return Feature(
            name=name, field=found.column, nullable=found.nullable, expression=F(path), path=writable
        )

    def _computed(self, name: str, expression: Any) -> Feature:
        paths = [walk(self.model, reference) for reference in references(expression)]
        if any(path.to_many for path in paths):
            raise InvalidJoin(
                f"{name} names a to-many relation outside of an aggregate: use Before or Latest."
            )
        output = self.queryset.model._base_manager.annotate(**{f"feature_{name}": expression})
        resolved = output.query.annotations[f"feature_{name}"].output_field
        # Only of sums and products it is known that they are null where one of their columns is, and nowhere else.
        nullable = not _is_arithmetic(expression) or any(path.nullable for path in paths)
        return Feature(name=name, field=resolved, nullable=nullable, expression=expression, path=None)

    def _aggregated(self, name: str, aggregate: Any, at: str | None) -> Feature:
        """Each aggregate is a grouped subquery of its own: two in one SELECT would inflate each other."""
        if self.at and not at:
            raise InvalidJoin(
                f"{name} can come from after {self.at!r}: write Before({type(aggregate).__name__}(…), at=<its time>)."
            )
        rows = self.model._base_manager.filter(pk=OuterRef("pk"))
        if at:
            self._check_time(name, at, references(aggregate))
            rows = rows.filter(**{f"{at}__lt": OuterRef(self.at)}) if self.at else rows
        grouped = rows.order_by().values("pk").annotate(feature=aggregate)
        output = grouped.query.annotations["feature"].output_field
        value: Any = Subquery(grouped.values("feature"), output_field=output)
        counts = isinstance(aggregate, Count)
        expression = Coalesce(value, 0) if counts else value
        return Feature(name=name, field=output, nullable=not counts, expression=expression, path=None)

    def _latest(self, name: str, latest: Latest) -> Feature:
        column = walk(self.model, latest.path).column
        self._check_time(name, latest.at, [latest.path])
        before = latest.before or self.at
        rows = self.model._base_manager.filter(pk=OuterRef("pk"))
        limit = {f"{latest.at}__lt": OuterRef(before)} if before else {f"{latest.at}__isnull": False}
        newest = rows.filter(**limit).order_by(f"-{latest.at}", f"-{latest.path.rpartition('__')[0]}__pk")
        expression = Subquery(newest.values(latest.path)[:1])
        return Feature(name=name, field=column, nullable=True, expression=expression, path=None)

    def _check_time(self, name: str, at: str, paths: Iterable[str]) -> None:
        """The time must be one of the very rows that are taken: two to-many relations would inflate each other."""
        column, rows = walk(self.model, at).column, _many(self.model, at)
        if not kind_of_field(type(column)).has_date:
            raise InvalidJoin(f"{name}: at={at!r} is a {type(column).__name__}; name the time of those rows.")
        for path in paths:
            many = _many(self.model, path)
            if not many:
                raise InvalidJoin(f"{name}: {path!r} is one value for each instance: name it without a time.")
            if not rows or not f"{many}__".startswith(f"{rows}__"):
                raise InvalidJoin(
                    f"{name}: at={at!r} is no time of {many!r}: name a column of {many!r} as its time."
                )

    @cached_property
    def required_rows(self) -> tuple[str, ...]:
        """The reverse one-to-one relations without whose row an instance is incomplete, as lookup paths."""
        found: dict[str, None] = {}
        for declared in self.features.values():
            for path in () if _is_aggregate(declared) else references(declared):
                names = path.split("__")[:-1]
                for depth, hop in enumerate(walk(self.model, path).hops, 1):
                    if hop.one_to_one and hop.auto_created:
                        found["__".join(names[:depth])] = None
        return tuple(found)

    def complete(self) -> QuerySet[Any]:
        """The base rows that have all their one-to-one rows."""
        return self.queryset.filter(**{f"{relation}__isnull": False for relation in self.required_rows})

    def instances(self, rows: QuerySet[Any] | None = None) -> QuerySet[Any]:
        """`rows` (default: the complete ones) with their features as annotations `feature_<name>`."""
        annotations = {f"feature_{column.name}": column.expression for column in self.columns}
        return (self.complete() if rows is None else rows).order_by().annotate(**annotations)

    @cached_property
    def selected(self) -> tuple[str, ...]:
        """What `values_list` selects of an instance: key, label, time, then the features."""
        fixed = ("pk", self.label, self.at)
        return tuple(name for name in fixed if name) + tuple(
            f"feature_{column.name}" for column in self.columns
        )

    @cached_property
    def writable(self) -> bool:
        """Whether a whole instance can be written: every feature has a path, every other column a default."""
        if any(column.path is None for column in self.columns):
            return False
        return not self.missing_columns

    @cached_property
    def missing_columns(self) -> tuple[str, ...]:
        """Required columns of the instance's rows that the product does not know and that have no default."""
        known = {(c.path.column.model, c.path.column.name) for c in self.columns if c.path}
        known |= {(p.column.model, p.column.name) for p in (self.label_path, self.at_path) if p}
        models_ = {self.model} | {hop.related_model for c in self.columns if c.path for hop in c.path.hops}
        return tuple(
            f"{model.__name__}.{column.name}"
            for model in sorted(models_, key=lambda m: m.__name__)
            for column in model._meta.concrete_fields
            if (column.model, column.name) not in known and not _fills_itself(column, models_)
        )


def _fills_itself(column: Any, written: set[type[models.Model]]) -> bool:
    if column.primary_key or column.null or column.has_default() or column.has_db_default():
        return True
    if getattr(column, "auto_now", False) or getattr(column, "auto_now_add", False) or column.generated:
        return True
    if column.one_to_one and column.related_model in written:
        return True
    return bool(
        column.blank
        and column.empty_strings_allowed
        and isinstance(column, models.CharField | models.TextField)
    )
