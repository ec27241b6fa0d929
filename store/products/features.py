"""The join: typed feature columns over a Django queryset, compiled by Django into one SQL statement."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import InvalidOperation
from functools import cached_property
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.db import DataError, models
from django.db.models import (
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.expressions import BaseExpression, Col, CombinedExpression
from django.db.models.functions import Cast, Coalesce, Extract, FirstValue, Now, Random
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from learning.kinds import MOST_MEMBERS

from ..access.actors import Actor
from ..db.fields import TextSetField
from ..db.team import SCHEMA, is_exemplar_model
from ..exceptions import BadInput, InvalidJoin
from . import annotations, grouped_rows, indicators, json_paths, open_categories, times
from .columns import TypedColumn, describe_generated
from .computation import (
    Computation,
    NotComputable,
    OverInputs,
    Source,
    compile_expression,
    output_field,
)
from .indicators import Choices, Indicator
from .json_paths import Json

Hop = Any  # a relation's field or its reverse: ForeignKey, OneToOneField, OneToOneRel, ManyToOneRel, …


@dataclass(frozen=True)
class Before:
    """An aggregate over those rows of a to-many relation that come strictly before the instance's time."""

    #: A Django aggregate over a path from the base row, as `Count("visits")`; or the name of an annotation of the
    #: queryset with an aggregate in it.
    aggregate: Any
    #: The column with those rows' time, as `"visits__on"`: a moment, or a day, which counts once it is over.
    at: str
    #: The column with the time at which a row became known, as `"visits__entered_at"`, where that is later than `at`.
    #: A row that became known only after the instance's time, or was never, does not count. None: known at once.
    known: str | None = None
    #: Only rows of this many days before the event count. None: all earlier ones.
    days: float | None = None
    #: Only this many of the rows count, the newest of those that are left. None: all.
    last: int | None = None


@dataclass(frozen=True)
class Latest:
    """A column's value in the newest row of a to-many relation; null without rows."""

    #: The path of the column from the base row, as `"labs__marker"`.
    path: str
    #: The column with those rows' time, as `"labs__taken_at"`.
    at: str
    #: A time of the base row: only earlier rows count. None: the Join's `at`; where it has none, all rows count.
    before: str | None = None
    #: The column with the time at which a row became known, as in `Before`.
    known: str | None = None


@dataclass(frozen=True)
class Recency:
    """Days between the newest of those rows of a to-many relation that come before the instance's time, and that time.

    Between a day and a moment they are counted from the start of the day. Null without rows. The Join must have `at`.
    """

    #: The column with those rows' time, as `"visits__on"`.
    at: str
    #: The column with the time at which a row became known, as in `Before`.
    known: str | None = None


@dataclass(frozen=True)
class Trend:
    """Change a day of a number in the rows of a to-many relation: the slope of the line of least squares.

    Only rows before the instance's time count, where the Join has `at`. Null where fewer than two times have a value.
    """

    #: The path of the number from the base row, as `"visits__minutes"`.
    path: str
    #: The column with those rows' time, as `"visits__on"`.
    at: str
    #: The column with the time at which a row became known, as in `Before`.
    known: str | None = None


@dataclass(frozen=True)
class Age:
    """Time from a date or a moment to the event's time; null where that comes first.

    Between a day and a moment it is counted from the start of the day.
    """

    #: A path through to-one relations to the time from which it is counted, as `"born"`.
    path: str
    #: The column up to which it is counted; null where it is later than the Join's `at`. None: the Join's `at`.
    at: str | None = None
    #: `"years"`, leap days counted in the mean, or `"days"`.
    unit: str = "years"


#: Days that a window may reach back, below which PostgreSQL's times end.
MOST_DAYS = 1_000_000
#: Rows that a window may take.
MOST_ROWS = 1_000_000
#: Days of each unit of an age.
AGE_UNITS = {"years": 365.25, "days": 1.0}


@dataclass(frozen=True)
class Category:
    """A column each of whose values is a level of an open category: a city, a product code, the key of a row.

    A text that the column's field has no choices for is one by itself where its values are short and repeat; named so,
    it is one whatever its values are. A foreign key that is named as a feature is one as well, and needs no Category.
    """

    #: The path of the column through to-one relations, as `"city__name"`, or of a foreign key, as `"city"`.
    path: str


class Slope(models.Aggregate):
    """The slope of the line of least squares through pairs of y and x."""

    function = "REGR_SLOPE"
    output_field = FloatField()


#: Seconds of a day.
DAY = 86400.0


def _days(time: Any) -> Any:
    """Build the days of a date or a time since 1970, as a number."""
    return Cast(Extract(time, "epoch"), FloatField()) / Value(DAY)


@dataclass(frozen=True)
class Path:
    """A column reached from the base row: the relations passed, and the field at their end."""

    hops: tuple[Hop, ...]
    column: models.Field

    @cached_property
    def values(self) -> models.Field:
        """The field that says what the values are."""
        field: models.Field = describe_generated(self.column)
        return field

    @property
    def is_generated(self) -> bool:
        """True where PostgreSQL computes the column, which nobody may write."""
        return bool(getattr(self.column, "generated", False))

    @property
    def to_many(self) -> bool:
        return any(hop.one_to_many or hop.many_to_many for hop in self.hops)

    @property
    def one_to_one(self) -> bool:
        return all(hop.one_to_one for hop in self.hops)

    @property
    def nullable(self) -> bool:
        """True where the value may be null. A missing reverse one-to-one row counts as incomplete, not as null."""
        return self.column.null or any(hop.null for hop in self.hops if not hop.auto_created)


def resolve_path(model: type[models.Model], path: str, *, keys: bool = False) -> Path:
    """Resolve a path ("means__radius") from `model`. Raises InvalidJoin, which names what exists instead.

    Args:
        keys: True where the path may end at a foreign key, whose value is the key of the row that it references.
    """
    if not isinstance(path, str):
        raise InvalidJoin(f"{path!r} is no path: write the name of a column as a text, as 'city__name'.")
    hops: list[Hop] = []
    *relations, last = path.split("__")
    for name in relations:
        hop = _field(model, name, path)
        if isinstance(hop, models.JSONField):
            raise InvalidJoin(_is_inside_of_json(path, name))
        if not hop.is_relation:
            raise InvalidJoin(
                f"{path!r}: {name!r} is a column of {model.__name__}, and has no columns of its own."
            )
        hops.append(hop)
        model = hop.related_model
        if is_exemplar_model(model):
            raise InvalidJoin(_belongs_to_exemplar(model, path))
    column = _field(model, last, path)
    if column.is_relation and not (keys and column.concrete and column.many_to_one):
        # A foreign key is found by its column's name too, as city_id; its row's columns are behind city__.
        wanted = "__".join([*relations, column.name, _example_column(column)])
        if keys and column.concrete and column.one_to_one:
            raise InvalidJoin(
                f"{path!r} is a one-to-one relation, whose keys never repeat: name a column, as {wanted}."
            )
        raise InvalidJoin(f"{path!r} is a relation: name a column of it, as {wanted}.")
    return Path(tuple(hops), column)


def _is_inside_of_json(path: str, name: str) -> str:
    return (
        f"{path!r} is inside of the JSON column {name!r}: write Json({path!r}, models.IntegerField()), or another "
        "field of Django with the kind of its values."
    )


def _belongs_to_exemplar(model: type[models.Model], path: str) -> str:
    table = f'"{SCHEMA}"."{model._meta.db_table}"'
    return (
        f"{path!r} leads into {model._meta.label}, whose rows are Exemplar's own and not those of the project that has "
        f"the path: take the column by a Subquery of an unmanaged model over its table, with db_table={table!r}."
    )


def _to_many_prefix(model: type[models.Model], path: str) -> str:
    """Get the part of `path` up to its last to-many relation; empty without one."""
    names, prefix = [], ""
    for name in path.split("__"):
        hop = _field(model, name, path)
        names.append(name)
        if not hop.is_relation:
            break
        if hop.one_to_many or hop.many_to_many:
            prefix = "__".join(names)
        model = hop.related_model
    return prefix


def _field(model: type[models.Model], name: str, path: str) -> Any:
    if name == "pk":
        return model._meta.pk
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        columns = ", ".join(sorted(f.name for f in model._meta.get_fields()))
        raise InvalidJoin(f"{path!r}: {model.__name__} has no column {name!r}; it has {columns}.") from None


def _example_column(relation: Any) -> str:
    fields = relation.related_model._meta.concrete_fields
    return next((f.name for f in fields if not f.is_relation and not f.primary_key), "pk")


def references(expression: Any) -> Iterator[str]:
    """List the paths in a declared feature: the text itself, or those of an unresolved expression."""
    if isinstance(expression, str):
        yield expression
    elif isinstance(expression, F):
        yield expression.name  # type: ignore[attr-defined]
    elif isinstance(expression, BaseExpression):
        for source in expression.get_source_expressions():
            yield from references(source)


def all_references(model: type[models.Model], declared: Any) -> Iterator[str]:
    """List the paths in a declared feature as `references` does, with those in conditions and in `Before`."""
    match declared:
        case str():
            yield declared
        case Category():
            yield declared.path
        case Before():
            yield from all_references(model, declared.aggregate)
        case Age() | Indicator() | Choices():
            yield declared.path
        case Window():  # what it is partitioned and ordered by is no value of it
            yield from all_references(model, declared.get_source_expressions()[0])
        case Json():
            yield json_paths.split(model, declared.path)[0]
        case Q():
            for condition in declared.children:
                yield from _references_of_condition(model, condition)
        case F():
            yield declared.name  # type: ignore[attr-defined]
        case BaseExpression():
            for source in declared.get_source_expressions():
                yield from all_references(model, source)


def _references_of_condition(model: type[models.Model], condition: Any) -> Iterator[str]:
    if not isinstance(condition, tuple):
        yield from all_references(model, condition)
        return
    name, value = condition
    _, path, _ = model._base_manager.all().query.solve_lookup_type(name)
    yield "__".join(path)
    if not isinstance(value, str):
        yield from all_references(model, value)


def _may_be_key(declared: Any) -> bool:
    """Return True where a declared feature may be a foreign key: in an expression the key would be a number."""
    return isinstance(declared, str | Category)


def is_aggregate(expression: Any) -> bool:
    """Return True for an expression with an aggregate in it."""
    if not isinstance(expression, BaseExpression):
        return False
    return isinstance(expression, models.Aggregate) or any(
        map(is_aggregate, expression.get_source_expressions())
    )


@contextmanager
def refusals_explained(join: "Join") -> Iterator[None]:
    """Turn PostgreSQL's refusal to compute a feature, as of a division by zero, into BadInput with what to do."""
    try:
        yield
    except DataError as error:
        names = [column.name for column in join.columns if column.is_expression]
        if not names:
            raise
        raise BadInput(
            f"PostgreSQL cannot compute a feature of some row ({str(error).strip().splitlines()[0]}). It is one of "
            f"{', '.join(names)}: guard it in its declaration, as NullIf(…, 0) guards a divisor."
        ) from error


#: The value of a feature that a caller must say and has left out.
ABSENT: Any = object()


@dataclass(frozen=True, kw_only=True)
class Feature(TypedColumn):
    """A column that models learn from, with the expression that computes it."""

    expression: Any
    #: None unless it is a column of the base row or of a one-to-one relation; only such a column can be written.
    path: Path | None
    #: The column of an open category whose values are no texts, as a foreign key; None: any other feature.
    key: Any = None
    #: The function that computes it from other features; None: it is an input.
    computation: Computation | None = None
    #: The reason why an expression over other columns is an input all the same; empty for all other features.
    not_computable: str = ""

    @property
    def is_expression(self) -> bool:
        """True unless it is a column."""
        return not isinstance(self.expression, F)

    @property
    def required(self) -> bool:
        """True where a caller must say its value: it may not be null, or its absence would not be noticed."""
        return self.computation is None and (not self.nullable or bool(self.not_computable))

    @property
    def absent(self) -> Any:
        """The value that stands for a feature which a caller has left out."""
        return ABSENT if self.not_computable else None

    def clean(self, value: Any, argument: Sequence[str | int] = ()) -> Any:
        """Validate a value as every column does; the text of a key in the form that PostgreSQL gives it."""
        if self.key is not None and value is not None and (value.strip() or not self.blank_is_null):
            value = open_categories.read_key(self.key, self.title, value, argument)
        return super().clean(value, argument)

    def clean_input(self, value: Any, argument: Sequence[str | int] = ()) -> Any:
        """Validate as `clean` does, and raise BadInput where a caller has left out a value that must be said."""
        if value is ABSENT:
            null = ", or null where it has no value" if self.nullable else ""
            raise BadInput(f"{self.title} is required: it must be {self.expected}{null}.", argument=argument)
        return self.clean(value, argument)

    def compute(self, instance: Sequence[Any], argument: Sequence[str | int] = ()) -> Any:
        """Compute the canonical value from the inputs of an instance. Raises BadInput, OutOfRange, NotFinite."""
        assert self.computation is not None
        try:
            value = self.computation.evaluate(instance)
        except ArithmeticError as error:
            inputs = " and ".join(self.computation.titles)
            raise BadInput(
                f"{self.title} cannot be computed from {inputs}: {_describe(error)}.", argument=argument
            ) from error
        return None if value is None else self.clean(value, argument)


def _check_last(name: str, last: Any) -> None:
    if not isinstance(last, int) or isinstance(last, bool) or not 1 <= last <= MOST_ROWS:
        raise InvalidJoin(f"{name}: last={last} takes no row: it is a whole number from 1 to {MOST_ROWS:,}.")


def _check_repeatable(name: str, resolved: Any) -> None:
    """Check that a resolved expression has the same value each time it is read. Raises InvalidJoin."""
    if any(isinstance(part, Now | Random) for part in annotations.walk(resolved)):
        raise InvalidJoin(
            f"{name} is another value each time it is read, and would not be served as it was learned: count a "
            "time by Age, up to the event's."
        )


def _describe(error: ArithmeticError) -> str:
    return "a value is out of range" if isinstance(error, InvalidOperation) else str(error)


@dataclass(frozen=True, eq=False)
class Join:
    """The instances of a data product, and where their features come from."""

    #: The base rows. Each row is one instance; its primary key is the entity's key.
    queryset: QuerySet[Any]
    #: By name: a path through to-one relations, a `Category` over one, an annotation of the queryset, a Django
    #: expression over these, or `Before` or `Latest` over to-many relations. An expression over columns that are
    #: features is computed when serving, and is no input.
    features: Mapping[str, Any]
    #: A column of the base row or of a one-to-one relation. None: no label (clustering).
    label: str | None = None
    #: The column with the event's time. No feature may come from a later moment; of an event that is told by the day,
    #: none may come from that day.
    at: str | None = None
    #: A path through to-one relations to a value that several instances share, as a patient's key. Folds never split a
    #: group. An instance without a value is a group of its own.
    group: str | None = None
    #: Who may see which rows: a function of the `Actor` who asks, which returns the condition as a `Q`. Rows that it
    #: leaves out do not exist for that actor; builds, commands and batch scoring see all. None: everybody sees all.
    visible_to: Callable[[Actor], Q] | None = None
    #: The time zone in which days begin and end, as `"Europe/Berlin"`. None: the one of Django's settings.
    time_zone: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.features, Mapping):  # anything else is for the checks to report
            object.__setattr__(self, "features", indicators.spread(self.features))

    @property
    def is_grouped(self) -> bool:
        """True where an instance is a group of rows, which nothing can be written to."""
        return grouped_rows.is_grouped(self.queryset)

    @cached_property
    def model(self) -> type[models.Model]:
        """The model of the base rows. Raises InvalidJoin where the queryset makes groups that cannot be instances."""
        if not self.is_grouped:
            return self.queryset.model
        return grouped_rows.model_of(self.queryset, dict(self._conditions_of_groups()))

    def _conditions_of_groups(self) -> Iterator[tuple[str, Q]]:
        """Get the conditions by which the aggregates of a group leave out what is not before its time."""
        aggregates = grouped_rows.find_aggregates(self.queryset)
        for name, declared in self.features.items():
            if self.at and isinstance(declared, Before) and declared.aggregate in aggregates:
                columns = {"at": declared.at} | ({"known": declared.known} if declared.known else {})
                instance = grouped_rows.output_field(self.queryset, self.at)
                bounds = {}
                for argument, column in columns.items():
                    row = resolve_path(self.queryset.model, column).column
                    self._check_is_time(name, argument, column, row)
                    bounds[f"{column}__lt"] = times.upper_bound(row, instance, F(self.at), self.zone)
                yield declared.aggregate, Q(**bounds)

    @property
    def annotations(self) -> Mapping[str, Any]:
        """The resolved annotations of the queryset; those of groups are columns."""
        return {} if self.is_grouped else self.queryset.query.annotations

    @cached_property
    def rows(self) -> QuerySet[Any]:
        """The base rows without GROUP BY; annotations that have aggregates are subqueries."""
        return self.model._base_manager.all() if self.is_grouped else annotations.ungrouped(self.queryset)

    def sees_all(self, actor: Actor | None) -> bool:
        """Return True where no row is kept from an actor. Raises InvalidJoin."""
        return not self._visibility(actor)

    def _visibility(self, actor: Actor | None) -> Q:
        """Get the condition of the rows that an actor may see; an empty one for None. Raises InvalidJoin."""
        if self.visible_to is None or actor is None:
            return Q()
        condition: Any = self.visible_to(actor)
        if not isinstance(condition, Q):
            raise InvalidJoin(
                f"visible_to returned a {type(condition).__name__}: return a condition, as Q(owner=actor.name)."
            )
        return condition

    def visible_rows(self, actor: Actor | None) -> QuerySet[Any]:
        """Select the base rows that an actor may see; None sees all. Raises InvalidJoin."""
        condition = self._visibility(actor)
        if not condition:
            return self.rows
        # By a subquery, as a condition over a to-many relation would repeat rows.
        return self.rows.filter(pk__in=self.rows.filter(condition).order_by().values("pk"))

    def paths(self, declared: Any) -> list[tuple[str, Path]]:
        """Resolve the paths in a declared feature; an annotation stands for those that it reads. Raises InvalidJoin."""
        resolved: list[tuple[str, Path]] = []
        for path in all_references(self.model, declared):
            if path in self.annotations:
                resolved += [] if self.annotations[path].contains_aggregate else self._annotation_paths(path)
            else:
                resolved.append((path, resolve_path(self.model, path, keys=_may_be_key(declared))))
        return resolved

    def references(self, declared: Any) -> set[str]:
        """List the paths in a declared feature, those in aggregates too; an annotation stands for those it reads."""
        paths: set[str] = set()
        for path in all_references(self.model, declared):
            paths |= (
                {text for text, _ in self._annotation_paths(path)} if path in self.annotations else {path}
            )
        return paths

    def aggregates(self, declared: Any) -> bool:
        """Check if a declared feature has an aggregate, in itself or in an annotation."""
        read = (self.annotations.get(path) for path in all_references(self.model, declared))
        return (
            isinstance(declared, Before | Indicator | Choices)
            or is_aggregate(declared)
            or any(annotation.contains_aggregate for annotation in read if annotation)
        )

    def _annotation_paths(self, name: str) -> list[tuple[str, Path]]:
        query = self.queryset.query
        columns = annotations.find_columns(query, query.annotations[name])
        reached = [Path(hops, column) for hops, column in columns]
        return [("__".join([*(hop.name for hop in path.hops), path.column.name]), path) for path in reached]

    @cached_property
    def label_path(self) -> Path | None:
        return resolve_path(self.model, self.label, keys=True) if self.label else None

    @cached_property
    def label_column(self) -> TypedColumn | None:
        path = self.label_path
        return TypedColumn(name=path.column.name, field=path.values, nullable=True) if path else None

    @cached_property
    def at_path(self) -> Path | None:
        return resolve_path(self.model, self.at) if self.at else None

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of days. Raises InvalidJoin."""
        name = self.time_zone or settings.TIME_ZONE
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InvalidJoin(
                f"time_zone={name!r} is no time zone: name one of the IANA database, as Europe/Berlin."
            ) from error

    @property
    def moment(self) -> Any:
        """The event's time as the expression of a moment; a day is at its start. Null where there is none."""
        if self.at is None or self.at_path is None:
            return Value(None, models.DateTimeField())
        is_day = times.is_day(self.at_path.column)
        return times.start_of_day(F(self.at), self.zone) if is_day else F(self.at)

    def stored_moment(self, moment: datetime | None) -> date | datetime | None:
        """Convert a moment to a value of the column `at`."""
        return times.as_stored(self.at_path.column, moment, self.zone) if self.at_path else moment

    @cached_property
    def group_path(self) -> Path | None:
        return resolve_path(self.model, self.group, keys=True) if self.group else None

    @cached_property
    def group_column(self) -> TypedColumn | None:
        path = self.group_path
        return TypedColumn(name=path.column.name, field=path.values, nullable=True) if path else None

    @cached_property
    def columns(self) -> tuple[Feature, ...]:
        """The features in the order of their names, which is their order in every model."""
        return tuple(self.column(name) for name in sorted(self.features))

    @cached_property
    def inputs(self) -> tuple[Feature, ...]:
        """The features that a caller gives, in the columns' order; the others are computed from them."""
        return tuple(column for column in self.columns if column.computation is None)

    def column(self, name: str) -> Feature:
        """Compile one declared feature. Raises InvalidJoin, which says what to change."""
        try:
            return self._compile(name, self.features[name])
        except (FieldError, TypeError) as error:
            raise InvalidJoin(f"{name}: Django cannot compile the expression: {error}") from error

    def _compile(self, name: str, declared: Any) -> Feature:
        match declared:
            case str() if declared in self.annotations:
                return self._compile_expression(name, F(declared))
            case str():
                return self._compile_path(name, declared)
            case Before() if isinstance(declared.aggregate, str):
                return self._compile_annotation(name, declared)
            case Category():
                return self._compile_category(name, declared.path)
            case Before():
                return self._compile_aggregate(
                    name, declared.aggregate, declared.at, declared.known, self._moving(name, declared)
                )
            case Latest():
                return self._compile_latest(name, declared)
            case Recency():
                return self._compile_recency(name, declared)
            case Age():
                return self._compile_age(name, declared)
            case Json():
                return self._compile_json(name, declared)
            case Indicator():
                return self._compile_indicator(name, declared)
            case Choices() if declared.is_set:
                return self._compile_set(name, declared)
            case Choices():
                raise InvalidJoin(indicators.explain(name, declared))
            case Trend():
                slope = Slope(declared.path, _days(declared.at))
                return self._compile_aggregate(name, slope, declared.at, declared.known)
            case Window():
                return self._compile_window(name, declared)
        if is_aggregate(declared):
            return self._compile_mixture(name, declared)
        return self._compile_expression(name, declared)

    def _compile_path(self, name: str, path: str, bounded: bool = False) -> Feature:
        resolved = self._resolve_to_one(name, path, bounded)
        if resolved.column.is_relation:
            return self._compile_category(name, path, bounded)
        return Feature(
            name=name,
            field=resolved.values,
            nullable=resolved.nullable,
            expression=F(path),
            path=self._writable(resolved),
        )

    def _compile_category(self, name: str, path: str, bounded: bool = False) -> Feature:
        resolved = self._resolve_to_one(name, path, bounded)
        column = resolved.values
        if not open_categories.can_be(column):
            raise InvalidJoin(
                f"{name}: {path!r} is a {type(column).__name__}, and a Category takes texts, whole numbers, UUIDs and "
                "foreign keys: name the path itself to learn from its values as they are."
            )
        return Feature(
            name=name,
            field=open_categories.text_field(column),
            nullable=resolved.nullable,
            expression=open_categories.select_text(column, path),
            path=self._writable(resolved),
            is_open=True,
            key=None if open_categories.is_text(column) else column,
        )

    def _resolve_to_one(self, name: str, path: str, bounded: bool) -> Path:
        resolved = resolve_path(self.model, path, keys=True)
        if not bounded:
            self._check_groups(name, path)
        if resolved.to_many:
            raise InvalidJoin(
                f"{name}: {path!r} has many rows for one instance. Take one with Latest, or aggregate them."
            )
        return resolved

    def _writable(self, resolved: Path) -> Path | None:
        is_fixed = resolved.column.primary_key or resolved.is_generated or self.is_grouped
        return resolved if resolved.one_to_one and not is_fixed else None

    def _compile_expression(self, name: str, expression: Any) -> Feature:
        paths = [path for _, path in self.paths(expression)]
        if any(path.to_many for path in paths):
            raise InvalidJoin(
                f"{name} uses a to-many relation outside of an aggregate. Use Before or Latest."
            )
        self._check_annotations(name, expression)
        self._check_groups(name, expression)
        if any(self.annotations[read].contains_over_clause for read in self._annotations_in(expression)):
            raise InvalidJoin(f"{name} reads a Window of the queryset: declare that Window as a feature.")
        query = self.rows.annotate(**{f"feature_{name}": expression}).query
        resolved = query.annotations[f"feature_{name}"]
        self._check_subqueries(name, resolved)
        _check_repeatable(name, resolved)
        if resolved.contains_over_clause:
            raise InvalidJoin(
                f"{name} has a Window inside of an expression: make the Window a feature by itself."
            )
        # Only sums and products are known to be null exactly where one of their columns is null.
        nullable = not self._is_arithmetic(expression) or any(path.nullable for path in paths)
        declared = Feature(
            name=name, field=resolved.output_field, nullable=nullable, expression=expression, path=None
        )
        try:
            computation = compile_expression(resolved, self._sources(query))
        except NotComputable as reason:
            return replace(declared, not_computable=str(reason))
        field = output_field(resolved, computation.type)
        return replace(declared, field=field, computation=computation)

    def _is_arithmetic(self, expression: Any) -> bool:
        if isinstance(expression, CombinedExpression):
            return all(map(self._is_arithmetic, expression.get_source_expressions()))
        if isinstance(expression, F):
            annotation = self.annotations.get(expression.name)  # type: ignore[attr-defined]
            return annotation is None or isinstance(annotation, Count) or self._is_arithmetic(annotation)
        return isinstance(expression, Value | Col)

    def _compile_annotation(self, name: str, declared: Before) -> Feature:
        """Compile an annotation with an aggregate, over those rows alone that come before the instance's time."""
        if self.is_grouped and (declared.days or declared.last):
            raise InvalidJoin(
                f"{name}: the rows of a group have no window: aggregate a relation of the group."
            )
        if self.is_grouped:
            return self._compile_path(name, declared.aggregate, bounded=True)
        annotation = self.annotations.get(declared.aggregate)
        if annotation is None or not annotation.contains_aggregate:
            raise InvalidJoin(
                f"{name}: {declared.aggregate!r} has no aggregate: write Before(Count({declared.aggregate!r}), at=…), "
                "or name an annotation of the queryset that has one."
            )
        self._check_inflation(name, self.queryset.query, annotation)
        _check_repeatable(name, annotation)
        read = [path for path, reached in self._annotation_paths(declared.aggregate) if reached.to_many]
        earlier = self._earlier(name, declared.at, declared.known, self.at, read)
        earlier |= self._moving(name, declared)
        value = annotations.isolated(self.queryset, declared.aggregate, Q(**earlier) if earlier else None)
        return Feature(
            name=name,
            field=annotation.output_field,
            nullable=not isinstance(annotation, Count),
            expression=value,
            path=None,
        )

    def _annotations_in(self, expression: Any) -> list[str]:
        return [path for path in all_references(self.model, expression) if path in self.annotations]

    def _check_annotations(self, name: str, expression: Any) -> None:
        """Check the annotations that an expression reads. Raises InvalidJoin."""
        for reference in self._annotations_in(expression):
            annotation = self.annotations[reference]
            self._check_inflation(name, self.queryset.query, annotation)
            if self.at and annotation.contains_aggregate:
                raise InvalidJoin(
                    f"{name} may use rows after {self.at!r}: write Before({reference!r}, at=<their time>)."
                )

    def _check_groups(self, name: str, expression: Any) -> None:
        """Check that nothing is read of a group that may come from after its time. Raises InvalidJoin."""
        if not (self.at and self.is_grouped):
            return
        read = {path.partition("__")[0] for path in all_references(self.model, expression)}
        for aggregate in sorted(read & grouped_rows.find_aggregates(self.queryset)):
            raise InvalidJoin(
                f"{name} may use rows after {self.at!r}: write Before({aggregate!r}, at=<the time of its rows>)."
            )
        for query in sorted(read & grouped_rows.find_subqueries(self.queryset)):
            raise InvalidJoin(
                f"{name} may use rows after {self.at!r}, as {query!r} is a query of its own: use Before or Latest "
                "over a relation of the group."
            )

    def _check_subqueries(self, name: str, resolved: Any) -> None:
        """Check that a query inside of an expression reads nothing from after the event. Raises InvalidJoin."""
        path, label = self.at_path, self.label_path
        for query in annotations.find_subqueries(resolved):
            if path is None:
                if label and annotations.reads(query, label.column):
                    raise InvalidJoin(
                        f"{name} reads the label in a query of its own: remove it, or declare at=."
                    )
                continue
            if not annotations.ends_before(query, path.column):
                raise InvalidJoin(
                    f"{name} may use rows after {self.at!r}: filter its rows by <their time>__lt=OuterRef({self.at!r})"
                    ", a day by Cast(OuterRef(…), DateField()); or use Before or Latest."
                )

    @staticmethod
    def _check_inflation(name: str, query: Any, aggregate: Any) -> None:
        if annotations.inflates(query, aggregate):
            raise InvalidJoin(
                f"{name} aggregates rows of two to-many relations at once, which inflate each other: make two features."
            )

    def _sources(self, query: Any) -> Mapping[tuple[str, str], Source]:
        """Get the features that are columns, by their aliases and names in a query."""
        sources: dict[tuple[str, str], Source] = {}
        for place, name in enumerate(sorted(self.features)):
            if self._is_column(self.features[name]):
                column = query.resolve_ref(self.features[name])
                title = self.column(name).title
                sources.setdefault((column.alias, column.target.column), Source(name, title, place))
        return sources

    def _is_column(self, declared: Any) -> bool:
        try:
            return isinstance(declared, str) and not resolve_path(self.model, declared).to_many
        except InvalidJoin:
            return False

    def _compile_mixture(self, name: str, expression: Any) -> Feature:
        """Compile an expression with an aggregate in it."""
        column = self._compile_aggregate(name, expression, None)
        paths = {path for path in self.features.values() if isinstance(path, str)}
        if paths.isdisjoint(references(expression)):
            return column
        return replace(column, not_computable="an aggregate in it reads rows of another table")

    def _compile_aggregate(
        self,
        name: str,
        aggregate: Any,
        at: str | None,
        known_at: str | None = None,
        moving: Mapping[str, Any] | None = None,
    ) -> Feature:
        """Compile an aggregate to a grouped subquery of its own: two in one SELECT would inflate each other."""
        if self.at and not at:
            raise InvalidJoin(
                f"{name} may use rows after {self.at!r}: write Before({type(aggregate).__name__}(…), at=<their time>)."
            )
        rows = self.model._base_manager.filter(pk=OuterRef("pk"))
        if at:
            earlier = self._earlier(name, at, known_at, self.at, references(aggregate))
            rows = rows.filter(**earlier, **(moving or {}))
        grouped = rows.order_by().values("pk").annotate(feature=aggregate)
        self._check_inflation(name, grouped.query, grouped.query.annotations["feature"])
        _check_repeatable(name, grouped.query.annotations["feature"])
        output = grouped.query.annotations["feature"].output_field
        value: Any = Subquery(grouped.values("feature"), output_field=output)
        counts = isinstance(aggregate, Count)
        expression = Coalesce(value, 0) if counts else value
        return Feature(name=name, field=output, nullable=not counts, expression=expression, path=None)

    def _compile_recency(self, name: str, declared: Recency) -> Feature:
        """Compile the days since the newest row, from a column of the base row and a subquery."""
        if not self.at:
            raise InvalidJoin(f"{name}: Recency needs the time of the instance: declare at= of the Join.")
        row, instance = self._comparable(declared.at, self.at)
        newest = Max(_days(row), output_field=FloatField())
        feature = self._compile_aggregate(name, newest, declared.at, declared.known)
        days = ExpressionWrapper(_days(instance) - feature.expression, output_field=FloatField())
        return replace(feature, expression=days)

    def _compile_age(self, name: str, age: Age) -> Feature:
        """Compile the time from one column to another, neither of which may come after the event."""
        if age.unit not in AGE_UNITS:
            raise InvalidJoin(f"{name}: unit={age.unit!r} is unknown: it is one of {', '.join(AGE_UNITS)}.")
        if not (end := age.at or self.at):
            raise InvalidJoin(
                f"{name}: an age grows by the day. Name the column up to which it is counted, as "
                f"Age({age.path!r}, at='taken_at'), or declare at= of the Join."
            )
        for path in (age.path, end):
            resolved = resolve_path(self.model, path)
            if resolved.to_many:
                raise InvalidJoin(f"{name}: {path!r} has many rows for one instance: use Recency.")
            self._check_is_time(name, "at" if path == end else "path", path, resolved.column)
            self._check_groups(name, path)
        start, stop, limit = map(_days, self._comparable(age.path, end, self.at or end))
        known = GreaterThanOrEqual(stop, start) & LessThanOrEqual(stop, limit)
        days = ExpressionWrapper((stop - start) / Value(AGE_UNITS[age.unit]), output_field=FloatField())
        field = FloatField(help_text=f"From {age.path} to {end} [{age.unit}]")
        return Feature(
            name=name,
            field=field,
            nullable=True,
            expression=Case(When(known, then=days), output_field=field),
            path=None,
            not_computable="it is counted up to the event's time"
            if age.path in self.features.values()
            else "",
        )

    def _compile_indicator(self, name: str, declared: Indicator) -> Feature:
        """Compile whether a row of a to-many relation has a value."""
        path, rows = self._related_rows(name, declared.path, declared.at, declared.known_at)
        if declared.value is None:
            raise InvalidJoin(
                f"{name}: None is no value that a row has: declare Count({declared.path!r}) instead."
            )
        try:
            value = path.column.to_python(declared.value)
        except ValidationError as error:
            raise InvalidJoin(f"{name}: {declared.value!r} is no value of {declared.path!r}.") from error
        having = self.model._base_manager.filter(rows, **{declared.path: value})
        field = models.BooleanField(f"{path.column.verbose_name}: {declared.value}".capitalize())
        field.name = name
        return Feature(name=name, field=field, nullable=False, expression=Exists(having), path=None)

    def _compile_set(self, name: str, declared: Choices) -> Feature:
        """Compile the set of the values that rows of a to-many relation have; the empty set without rows."""
        path, rows = self._related_rows(name, declared.path, declared.at, declared.known)
        if not open_categories.can_be(path.column):
            raise InvalidJoin(
                f"{name}: {declared.path!r} is a {type(path.column).__name__}, and a set takes texts, whole numbers "
                "and UUIDs: name the values, as Choices(path, [value, …])."
            )
        most = indicators.check_most(name, declared.most)
        related = self.model._base_manager.filter(rows).annotate(
            member=indicators.select_member(declared.path)
        )
        members = related.filter(member__isnull=False).order_by("member").values("member").distinct()
        field = TextSetField(most=most, help_text=f"The values of {declared.path}.")
        field.set_attributes_from_name(name)
        expression = indicators.Members(members[:MOST_MEMBERS], output_field=field)
        return Feature(name=name, field=field, nullable=False, expression=expression, path=None)

    def _related_rows(self, name: str, path: str, at: str | None, known_at: str | None) -> tuple[Path, Q]:
        """Resolve a path to a to-many relation, and build the condition of the rows that count. Raises InvalidJoin."""
        resolved = resolve_path(self.model, path)
        if not resolved.to_many:
            raise InvalidJoin(indicators.refuse_to_one(name, path, open_categories.can_be(resolved.column)))
        if self.at and not at:
            raise InvalidJoin(f"{name} may use rows after {self.at!r}: write Choices(…, at=<their time>).")
        earlier = self._earlier(name, at, known_at, self.at, [path]) if at else {}
        return resolved, Q(pk=OuterRef("pk"), **earlier)

    def _compile_json(self, name: str, declared: Json) -> Feature:
        """Compile a value inside of a JSON column; it may be absent in any row."""
        column, keys = json_paths.split(self.model, declared.path)
        if resolve_path(self.model, column).to_many:
            raise InvalidJoin(f"{name}: {column!r} has many rows for one instance: annotate one of them.")
        self._check_groups(name, column)
        field = declared.field.clone()
        field.name = name
        expression = json_paths.expression(column, keys, field)
        return Feature(name=name, field=field, nullable=True, expression=expression, path=None)

    def _comparable(self, *paths: str) -> list[Any]:
        """Build times of one kind: days where all are days, else moments, a day's being its start."""
        are_days = [times.is_day(resolve_path(self.model, path).column) for path in paths]
        if all(are_days):
            return list(map(F, paths))
        pairs = zip(paths, are_days, strict=True)
        return [times.start_of_day(F(path), self.zone) if is_day else F(path) for path, is_day in pairs]

    def _compile_latest(self, name: str, latest: Latest) -> Feature:
        column = resolve_path(self.model, latest.path).values
        before = latest.before or self.at
        earlier = self._earlier(name, latest.at, latest.known, before, [latest.path])
        limit = earlier or {f"{latest.at}__isnull": False}
        rows = self.model._base_manager.filter(pk=OuterRef("pk"))
        newest = rows.filter(**limit).order_by(f"-{latest.at}", f"-{latest.path.rpartition('__')[0]}__pk")
        expression = Subquery(newest.values(latest.path)[:1])
        return Feature(name=name, field=column, nullable=True, expression=expression, path=None)

    def _moving(self, name: str, declared: Before) -> dict[str, Any]:
        """Build the conditions of the rows in the window that moves with the event. Raises InvalidJoin."""
        conditions: dict[str, Any] = {}
        if not _to_many_prefix(self.model, declared.at):
            return conditions  # refused where the rows are aggregated
        if declared.days is not None:
            if not self.at or isinstance(declared.days, bool) or not 0 < declared.days < MOST_DAYS:
                raise InvalidJoin(
                    f"{name}: days={declared.days} needs at= of the Join, and a number above 0."
                )
            bound = self._bound(name, declared.at, self.at)
            conditions[f"{declared.at}__gte"] = times.days_before(bound, declared.days)
        if declared.last is not None:
            _check_last(name, declared.last)
            earlier = self._earlier(name, declared.at, declared.known, self.at, [])
            known = {f"{declared.at}__isnull": False}  # PostgreSQL places null above each time
            relation = _to_many_prefix(self.model, declared.at)
            rows = self.model._base_manager.filter(pk=OuterRef("pk"), **known, **earlier, **conditions)
            newest = rows.order_by(f"-{declared.at}", f"-{relation}__pk")
            conditions[f"{relation}__pk__in"] = newest.values(f"{relation}__pk")[: declared.last]
        return conditions

    def _compile_window(self, name: str, window: Window) -> Feature:
        """Compile a window over the base rows of the same partition, none of which comes after the instance.

        By a subquery for each row: one row that is read alone has the value that it has among all.
        """
        partition: list[Any] = window.partition_by.get_source_expressions() if window.partition_by else []
        if not partition or not all(isinstance(part, F) for part in partition):
            raise InvalidJoin(
                f"{name}: a Window needs columns in partition_by, as Window(…, partition_by='customer')."
            )
        self._check_window(name, window)
        self._check_groups(name, window)
        rows = self.rows.order_by().filter(**{part.name: OuterRef(part.name) for part in partition})
        if self.at:
            rows = rows.filter(Q(**{f"{self.at}__lt": OuterRef(self.at)}) | Q(pk=OuterRef("pk")))
        rows = rows.annotate(window_value=window, window_key=Window(FirstValue("pk"), partition_by=[F("pk")]))
        resolved = rows.query.annotations["window_value"]
        self._check_subqueries(name, resolved)
        _check_repeatable(name, resolved)
        output = resolved.output_field
        value = Subquery(rows.filter(window_key=OuterRef("pk")).values("window_value"), output_field=output)
        return Feature(name=name, field=output, nullable=True, expression=value, path=None)

    def _check_window(self, name: str, window: Window) -> None:
        """Check what a Window reads, also to partition and to order its rows. Raises InvalidJoin."""
        parts = [part for part in window.get_source_expressions() if part is not None]
        read = {path for part in parts for path in all_references(self.model, part)}
        for path in sorted(read & set(self.annotations)):
            if self.at and self.annotations[path].contains_aggregate:
                raise InvalidJoin(
                    f"{name} may use rows after {self.at!r}, as its Window reads the aggregate {path!r}: leave it out."
                )
            self._check_annotations(name, F(path))
        reached = [pair for path in sorted(read) for pair in self._reached(path)]
        for path, column in reached:
            if column.to_many:
                raise InvalidJoin(
                    f"{name}: {path!r} in its Window has many rows for one instance: annotate the queryset with an "
                    "aggregate of them, and name that."
                )
        if self.label in {path for path, _ in reached}:
            raise InvalidJoin(f"{name} reads the label in its Window, and would tell it: leave it out.")

    def _reached(self, path: str) -> list[tuple[str, Path]]:
        """Resolve a path; an annotation to those that it reads of the base row and its to-one relations."""
        if path not in self.annotations:
            return [(path, resolve_path(self.model, path, keys=True))]
        return [] if self.annotations[path].contains_aggregate else self._annotation_paths(path)

    def _earlier(
        self, name: str, at: str, known_at: str | None, before: str | None, paths: Iterable[str]
    ) -> dict[str, Any]:
        """Build the conditions of rows that happened, and were known, before a time of the base row."""
        if known_at and not before:
            raise InvalidJoin(
                f"{name}: known={known_at!r} needs an event's time to come before: declare at=."
            )
        columns = {"at": at} | ({"known": known_at} if known_at else {})
        paths = tuple(paths)
        for argument, column in columns.items():
            self._check_time(name, argument, column, paths)
        return {f"{column}__lt": self._bound(name, column, before) for column in columns.values() if before}

    def _bound(self, name: str, column: str, before: str) -> Any:
        row, instance = (resolve_path(self.model, path).column for path in (column, before))
        if not times.is_time(instance):
            raise InvalidJoin(
                f"{name}: {before!r} is a {type(instance).__name__}; name a DateTimeField or a DateField."
            )
        return times.upper_bound(row, instance, OuterRef(before), self.zone)

    def _check_time(self, name: str, argument: str, at: str, paths: Iterable[str]) -> None:
        """Check that a time is a column of the aggregated rows: two to-many relations would inflate each other."""
        column, rows = resolve_path(self.model, at).column, _to_many_prefix(self.model, at)
        self._check_is_time(name, argument, at, column)
        for path in paths:
            many = _to_many_prefix(self.model, path)
            if not many:
                raise InvalidJoin(f"{name}: {path!r} has one value for each instance and needs no time.")
            if not rows or not f"{many}__".startswith(f"{rows}__"):
                raise InvalidJoin(
                    f"{name}: {argument}={at!r} is not a column of {many!r}. "
                    f"Name a column of {many!r} with its time."
                )

    @staticmethod
    def _check_is_time(name: str, argument: str, at: str, column: models.Field) -> None:
        if not times.is_time(column):
            raise InvalidJoin(
                f"{name}: {argument}={at!r} is a {type(column).__name__}; name a column with their time."
            )

    @cached_property
    def own_relations(self) -> frozenset[tuple[Hop, ...]]:
        """The relations to rows that refer to the base row one to one: they belong to it alone."""
        paths = filter(None, (*(column.path for column in self.inputs), self.label_path, self.at_path))
        chains = (
            tuple(takewhile(lambda hop: hop.one_to_one and hop.auto_created, path.hops)) for path in paths
        )
        return frozenset(chain[:depth] for chain in chains for depth in range(1, len(chain) + 1))

    @cached_property
    def required_rows(self) -> tuple[str, ...]:
        """The reverse one-to-one relations that every complete instance has, as lookup paths."""
        relations: dict[str, None] = {}
        for declared in self.features.values():
            for path, reached in () if self.aggregates(declared) else self.paths(declared):
                names = path.split("__")[:-1]
                for depth, hop in enumerate(reached.hops, 1):
                    if hop.one_to_one and hop.auto_created:
                        relations["__".join(names[:depth])] = None
        return tuple(relations)

    def complete(self) -> QuerySet[Any]:
        """Select the base rows that have all their one-to-one rows."""
        return self.rows.filter(**{f"{relation}__isnull": False for relation in self.required_rows})

    def instances(self, rows: QuerySet[Any] | None = None) -> QuerySet[Any]:
        """Annotate `rows` (default: the complete ones) with their features as `feature_<name>`."""
        return self._annotated(self.complete() if rows is None else rows, self.columns)

    def inputs_of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Annotate `rows` with their inputs alone: a computed feature of one row cannot fail those of the others."""
        return self._annotated(rows, self.inputs)

    def with_features(self, rows: QuerySet[Any], columns: Iterable[Feature]) -> QuerySet[Any]:
        """Annotate `rows` with some features as `feature_<name>`."""
        return self._annotated(rows, columns)

    def _annotated(self, rows: QuerySet[Any], columns: Iterable[Feature]) -> QuerySet[Any]:
        return rows.order_by().annotate(
            **{f"feature_{column.name}": column.select(self._expression(column)) for column in columns}
        )

    def _expression(self, column: Feature) -> Any:
        """Get the expression of a column; a computed one reads its inputs as they are validated."""
        if column.computation is None:
            return column.expression
        names = column.computation.inputs
        inputs = {self.features[input_.name]: input_ for input_ in self.inputs if input_.name in names}
        return OverInputs(
            column.expression, column.field, {path: c.select_present for path, c in inputs.items()}
        )

    @cached_property
    def selected(self) -> tuple[str, ...]:
        """The columns of an instance for `values_list`: key, label, time, then the features."""
        fixed = ("pk", self.label, self.at)
        return tuple(name for name in fixed if name) + tuple(
            f"feature_{column.name}" for column in self.columns
        )

    @cached_property
    def writable(self) -> bool:
        """True where an instance can be inserted: every input has a path, every other column a default."""
        if any(column.path is None for column in self.inputs):
            return False
        return not self.missing_columns

    @cached_property
    def missing_columns(self) -> tuple[str, ...]:
        """The required columns of an instance's rows that are no features and have no default."""
        declared = {(c.path.column.model, c.path.column.name) for c in self.columns if c.path}
        # An instance is stored before its label is known.
        if self.at_path:
            declared.add((self.at_path.column.model, self.at_path.column.name))
        models_ = {self.model} | {hop.related_model for c in self.columns if c.path for hop in c.path.hops}
        return tuple(
            f"{model.__name__}.{column.name}"
            for model in sorted(models_, key=lambda m: m.__name__)
            for column in model._meta.concrete_fields
            if (column.model, column.name) not in declared and not _has_value_by_itself(column, models_)
        )


def _has_value_by_itself(column: Any, written: set[type[models.Model]]) -> bool:
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
