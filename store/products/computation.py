"""Computed features: an expression over other features, compiled once to a Python function over an instance.

The compiler reads the expression as Django has resolved it, with PostgreSQL's type of each part. It knows the classes
in `HANDLERS` alone, as a subclass may have other SQL. Whatever else it meets raises NotComputable with the reason, and
the feature stays an input.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import FullResultSet
from django.db import connection, models
from django.db.models import Case, ExpressionWrapper, Value, lookups
from django.db.models import functions as sql
from django.db.models.expressions import Col, CombinedExpression, Func, NegatedExpression, TemporalSubtraction
from django.db.models.sql.where import AND, OR, WhereNode
from django.utils import timezone

from learning.kinds import kind_of_field

from . import sql_operators
from .sql_operators import BITS, NUMBERS, PARTS, PERIODS, SqlType
from .terms import (
    ORDERED,
    Evaluate,
    Instance,
    NotComputable,
    Term,
    applied,
    as_text,
    compared,
    constant,
    first_of,
    folded,
    joined,
    literal,
    negated,
    null_if_equal,
    strict,
    unified,
)


@dataclass(frozen=True)
class Computation:
    """The function that computes a feature."""

    #: The names of the features that it reads, sorted.
    inputs: tuple[str, ...]
    #: Their titles.
    titles: tuple[str, ...]
    type: SqlType
    #: Raises ArithmeticError where PostgreSQL would refuse: by division by zero, or beyond a type's range.
    evaluate: Evaluate


@dataclass(frozen=True)
class Source:
    """A feature that is a column."""

    name: str
    title: str
    #: Its place in an instance.
    place: int


#: The features that are columns, by alias and name of the column in the resolved query.
Sources = Mapping[tuple[str, str], Source]


def compile_expression(resolved: Any, sources: Sources) -> Computation:
    """Compile a resolved expression. Raises NotComputable."""
    compiler = ExpressionCompiler(sources)
    term = compiler.compile(resolved)
    if not compiler.used:
        raise NotComputable("it refers to no feature")
    inputs = sorted(compiler.used, key=lambda source: source.place)
    return Computation(
        tuple(source.name for source in inputs),
        tuple(source.title for source in inputs),
        term.type,
        _as_declared(term, resolved.output_field),
    )


class ExpressionCompiler:
    """Compiles the parts of one expression."""

    def __init__(self, sources: Sources):
        self.sources = sources
        #: The features that were read.
        self.used: set[Source] = set()
        #: The number of parts that depend on a row, among those that were compiled.
        self.variables = 0

    def compile(self, node: object) -> Term:
        """Compile one part. Raises NotComputable."""
        handler = HANDLERS.get(type(node))
        if handler is None:
            raise NotComputable(_describe_unknown(node))
        if getattr(node, "extra", None):
            raise NotComputable(f"{type(node).__name__} has SQL of its own")
        before = self.variables
        term = handler(self, node)
        if self.variables == before and not term.constant:
            term = folded(term)
        self.variables = before + (not term.constant)
        return term

    def compile_all(self, nodes: Iterable[object]) -> list[Term]:
        return [self.compile(node) for node in nodes]

    def column(self, node: Col) -> Term:
        source = self.sources.get((str(node.alias), str(node.target.column)))
        if source is None:
            model = node.target.model.__name__
            raise NotComputable(f"it refers to {model}.{node.target.name}, and no feature is that column")
        self.used.add(source)
        self.variables += 1
        return Term(_type_of_field(node.target), operator.itemgetter(source.place))

    def value(self, node: Any) -> Term:
        value = node.value
        field = node._output_field_or_none
        if field is not None and value is not None:
            value = field.get_db_prep_value(value, connection=connection)
        return literal(value)

    def wrapped(self, node: Any) -> Term:
        return self.compile(node.expression)

    def negated(self, node: NegatedExpression) -> Term:
        return negated(self.compile(node.expression))

    def arithmetic(self, node: CombinedExpression) -> Term:
        left, right = self.compile(node.lhs), self.compile(node.rhs)
        symbol = {"%%": "%"}.get(node.connector, node.connector)
        if symbol not in ARITHMETIC:
            raise NotComputable(f"the operator {symbol} is not computed")
        [left, right], type_ = unified([left, right], f"the operator {symbol}", NUMBERS)
        apply = sql_operators.binary(symbol, type_)
        if apply is None:
            raise NotComputable(f"PostgreSQL has no {symbol} for {type_.value}")
        return applied(apply, left, right, type_=type_, whole=left.whole and right.whole and symbol != "/")

    def difference(self, node: TemporalSubtraction) -> Term:
        left, right = self.compile(node.lhs), self.compile(node.rhs)
        if left.type is not right.type or left.type not in (SqlType.DATE, SqlType.MOMENT):
            raise NotComputable(f"a difference of {left.type.value} and {right.type.value} is not computed")
        return applied(_microseconds_between, left, right, type_=SqlType.INTERVAL)

    def coalesce(self, node: Func) -> Term:
        terms, type_ = unified(self.compile_all(node.get_source_expressions()), "Coalesce")
        return Term(type_, first_of([term.evaluate for term in terms]), all(term.whole for term in terms))

    def greatest(self, node: Func) -> Term:
        return self._extreme(node, max)

    def least(self, node: Func) -> Term:
        return self._extreme(node, min)

    def _extreme(self, node: Func, choose: Callable[[Iterable[Any]], Any]) -> Term:
        name = type(node).__name__
        terms, type_ = unified(self.compile_all(node.get_source_expressions()), name, ORDERED)
        evaluations = [term.evaluate for term in terms]

        def evaluate(instance: Instance) -> object:
            values = [value for part in evaluations if (value := part(instance)) is not None]
            return choose(values) if values else None

        return Term(type_, evaluate, all(term.whole for term in terms))

    def null_if(self, node: Func) -> Term:
        left, right = self.compile_all(node.get_source_expressions())
        [first, second], type_ = unified([left, right], "NullIf")
        # PostgreSQL compares integers of two widths as they are.
        result = left if type_ in BITS else first
        return Term(result.type, null_if_equal(first.evaluate, second.evaluate), result.whole)

    def absolute(self, node: Func) -> Term:
        [[term], type_] = unified(self.compile_all(node.get_source_expressions()), "Abs", NUMBERS)
        return applied(sql_operators.absolute(type_), term, type_=type_, whole=term.whole)

    def concatenation(self, node: Func) -> Term:
        parts = [as_text(term).evaluate for term in self.compile_all(node.get_source_expressions())]

        def evaluate(instance: Instance) -> str:
            return "".join([text for part in parts if (text := part(instance)) is not None])

        return Term(SqlType.TEXT, evaluate)

    def cast(self, node: Func) -> Term:
        [term] = self.compile_all(node.get_source_expressions())
        field = node.output_field
        type_ = _type_of_field(field)
        if type_ is SqlType.TEXT:
            text, longest = as_text(term), field.max_length
            return text if longest is None else applied(lambda value: value[:longest], text, type_=type_)
        if type_ not in NUMBERS or term.type not in NUMBERS:
            raise NotComputable(f"a cast from {term.type.value} to {type_.value} is not computed")
        return applied(_number_cast(type_, field), term, type_=type_)

    def case(self, node: Case) -> Term:
        conditions = [self.condition(when.condition).evaluate for when in node.cases]
        results = self.compile_all([*(when.result for when in node.cases), node.default])
        terms, type_ = unified(results, "Case")
        *branches, default = [term.evaluate for term in terms]
        pairs = list(zip(conditions, branches, strict=True))

        def evaluate(instance: Instance) -> object:
            for condition, branch in pairs:
                if condition(instance):
                    return branch(instance)
            return default(instance)

        return Term(type_, evaluate, all(term.whole for term in terms))

    def extract(self, node: Any) -> Term:
        term = self.compile(node.lhs)
        part = PARTS[term.type].get(node.lookup_name) if term.type in PARTS else None
        if part is None:
            raise NotComputable(f"the part {node.lookup_name!r} of {term.type.value} is not computed")
        scale = sql_operators.PART_SCALES.get(node.lookup_name, 0)
        return applied(
            lambda value: Decimal(part(value) * 10**scale).scaleb(-scale),
            _in_zone(term, node),
            type_=SqlType.NUMERIC,
            whole=True,
        )

    def truncation(self, node: Any) -> Term:
        term = self.compile(node.lhs)
        start = PERIODS.get(node.kind)
        if start is None or term.type is not SqlType.DATE:
            raise NotComputable(f"{type(node).__name__} of {term.type.value} is not computed")
        return applied(start, term, type_=SqlType.PERIOD)

    def date_of(self, node: Any) -> Term:
        return self._component(node, SqlType.DATE, datetime.date)

    def time_of(self, node: Any) -> Term:
        return self._component(node, SqlType.TIME, datetime.time)

    def _component(self, node: Any, type_: SqlType, read: Callable[[Any], Any]) -> Term:
        term = self.compile(node.lhs)
        if term.type is not SqlType.MOMENT:
            raise NotComputable(f"{type(node).__name__} of {term.type.value} is not computed")
        return applied(read, _in_zone(term, node), type_=type_)

    def condition(self, node: object) -> Term:
        """Compile a condition: True, False, or None where PostgreSQL says unknown. Raises NotComputable."""
        term = self.compile(node)
        if term.type is not SqlType.BOOLEAN:
            raise NotComputable(f"a condition of type {term.type.value} is not computed")
        return term

    def where(self, node: WhereNode) -> Term:
        parts = [self.condition(child) for child in node.children]
        if node.connector not in (AND, OR):
            raise NotComputable(f"conditions joined by {node.connector} are not computed")
        term = joined(parts, decisive=node.connector == OR)
        return negated(term) if node.negated else term

    def comparison(self, node: lookups.Lookup) -> Term:
        decided = _decided_by_range(node)
        if decided is not None:
            return Term(SqlType.BOOLEAN, constant(decided), constant=True)
        left, right = self.compile(node.lhs), self.operand(node, node.rhs)
        return compared(COMPARISONS[type(node)], left, right)

    def operand(self, node: lookups.Lookup, value: object) -> Term:
        """Compile the right side of a lookup: an expression, or a value of the left side's field."""
        if hasattr(value, "resolve_expression"):
            return self.compile(value)
        field = node.lhs.output_field
        return literal(field.get_db_prep_value(value, connection=connection, prepared=True))

    def membership(self, node: lookups.In) -> Term:
        if not isinstance(node.rhs, Iterable) or hasattr(node.rhs, "resolve_expression"):
            raise NotComputable("a condition with `in` over rows is not computed")
        left = self.compile(node.lhs)
        choices = [self.operand(node, value) for value in node.rhs if value is not None]
        equal = [compared(operator.eq, left, choice) for choice in choices]
        return joined(equal, decisive=True)

    def between(self, node: lookups.Range) -> Term:
        if hasattr(node.rhs, "resolve_expression"):
            raise NotComputable("a range between expressions is not computed")
        left, (low, high) = self.compile(node.lhs), (self.operand(node, value) for value in node.rhs)
        parts = [compared(operator.ge, left, low), compared(operator.le, left, high)]
        return joined(parts, decisive=False)

    def nullness(self, node: lookups.IsNull) -> Term:
        evaluate, null = self.compile(node.lhs).evaluate, bool(node.rhs)
        return Term(SqlType.BOOLEAN, lambda instance: (evaluate(instance) is None) is null)


class OverInputs(ExpressionWrapper):
    """An expression that reads its columns as the inputs of a prediction are validated: texts in normal form."""

    def __init__(
        self, expression: Any, output_field: models.Field, inputs: Mapping[str, Callable[[Any], Any]]
    ):
        """Wrap an expression.

        Args:
            inputs: by the columns' paths, how each is selected.
        """
        super().__init__(expression, output_field=output_field)
        self.inputs = inputs

    def resolve_expression(self, query: Any = None, *args: Any, **options: Any) -> Any:
        resolved = self.expression.resolve_expression(query, *args, **options)
        columns = {query.resolve_ref(path): select for path, select in self.inputs.items()}
        selected = {column: select(column) for column, select in columns.items()}
        return resolved.replace_expressions(
            {column: expression for column, expression in selected.items() if expression is not column}
        )


def _decided_by_range(node: Any) -> bool | None:
    """Decide a comparison with a number beyond the column's range as Django does, without a look at the row."""
    if not (issubclass(type(node), lookups.IntegerFieldOverflow) and isinstance(node.rhs, int)):
        return None
    low, high = connection.ops.integer_field_range(node.lhs.output_field.get_internal_type())
    if low <= node.rhs <= high:
        return None
    decision = node.underflow_exception if node.rhs < low else node.overflow_exception
    return bool(decision is FullResultSet)


def _describe_unknown(node: object) -> str:
    name = type(node).__name__
    if isinstance(node, models.Aggregate) or getattr(node, "contains_aggregate", False):
        return f"{name} reads rows of another table"
    if isinstance(node, models.Subquery):
        return f"{name} is a query of its own"
    return f"{name} is computed by PostgreSQL alone"


def _type_of_field(field: models.Field) -> SqlType:
    """Find PostgreSQL's type of a column. Raises NotComputable for a field that converts its values."""
    type_ = TYPES.get(field.get_internal_type())
    if type_ is None or hasattr(field, "from_db_value"):
        raise NotComputable(f"a {type(field).__name__} is not computed with")
    return type_


def _number_cast(type_: SqlType, field: Any) -> Callable[[Any], Any]:
    if type_ in BITS:
        return sql_operators.to_integer(type_)
    if type_ is SqlType.FLOAT8:
        return sql_operators.to_float
    if field.max_digits is None:
        raise NotComputable("a cast to a DecimalField needs max_digits and decimal_places")
    return sql_operators.to_numeric(field.max_digits, field.decimal_places)


def _in_zone(term: Term, node: Any) -> Term:
    """Convert a moment to the time zone that the expression names, else the project's."""
    if term.type is not SqlType.MOMENT:
        return term
    zone = node.tzinfo or timezone.get_current_timezone()
    return applied(lambda moment: moment.astimezone(zone), term, type_=term.type)


def _microseconds_between(later: Any, earlier: Any) -> int:
    return (later - earlier) // timedelta(microseconds=1)


def _as_declared(term: Term, field: models.Field) -> Evaluate:
    """Convert the result to the type that Django reads. Raises NotComputable where it would read another value."""
    declared = field.get_internal_type()
    type_ = TYPES.get(declared)
    evaluate = term.evaluate
    if type_ is SqlType.FLOAT8 and term.type in NUMBERS:
        return strict(sql_operators.to_float, evaluate)
    if type_ is SqlType.NUMERIC and term.type in NUMBERS:
        return strict(lambda number: Decimal(str(number)), evaluate) if term.type is not type_ else evaluate
    if type_ in BITS and term.type in BITS:
        return evaluate
    if type_ in BITS and term.type is SqlType.NUMERIC and term.whole:
        return strict(int, evaluate)
    if declared == "DurationField" and term.type is SqlType.INTERVAL:
        return strict(lambda microseconds: timedelta(microseconds=microseconds), evaluate)
    if type_ is term.type or (type_ is SqlType.DATE and term.type is SqlType.PERIOD):
        return evaluate
    raise NotComputable(
        f"it is {term.type.value} in PostgreSQL, and Django reads a {declared}: name output_field"
    )


def output_field(expression: Any, type_: SqlType) -> models.Field:
    """Build the field of a computed value: limits of the columns that it is computed from do not hold for it."""
    field: models.Field = expression.output_field
    # Of parts that are joined, Django takes the first one's field with its choices.
    if field.choices and not isinstance(expression, sql.Concat):
        return field
    declared = field.get_internal_type()
    if type_ in BITS and kind_of_field(type(field)).is_integer:
        declared = WHOLE_FIELDS[type_]
    output: models.Field = getattr(models, UNLIMITED_FIELDS.get(declared, declared))(
        verbose_name=field._verbose_name,  # type: ignore[attr-defined]
        help_text=field.help_text,
    )
    return output


#: PostgreSQL's types by Django's fields.
TYPES: Mapping[str, SqlType] = {
    "SmallIntegerField": SqlType.INT2,
    "PositiveSmallIntegerField": SqlType.INT2,
    "SmallAutoField": SqlType.INT2,
    "IntegerField": SqlType.INT4,
    "PositiveIntegerField": SqlType.INT4,
    "AutoField": SqlType.INT4,
    "BigIntegerField": SqlType.INT8,
    "PositiveBigIntegerField": SqlType.INT8,
    "BigAutoField": SqlType.INT8,
    "DecimalField": SqlType.NUMERIC,
    "FloatField": SqlType.FLOAT8,
    "CharField": SqlType.TEXT,
    "SlugField": SqlType.TEXT,
    "TextField": SqlType.TEXT,
    "BooleanField": SqlType.BOOLEAN,
    "DateField": SqlType.DATE,
    "DateTimeField": SqlType.MOMENT,
    "TimeField": SqlType.TIME,
}
#: Django's fields for whole numbers, by PostgreSQL's type.
WHOLE_FIELDS: Mapping[SqlType, str] = {
    SqlType.INT2: "SmallIntegerField",
    SqlType.INT4: "IntegerField",
    SqlType.INT8: "BigIntegerField",
}

#: Django's fields without the limits that others have by themselves.
UNLIMITED_FIELDS: Mapping[str, str] = {
    "SlugField": "CharField",
    "PositiveSmallIntegerField": "SmallIntegerField",
    "PositiveIntegerField": "IntegerField",
    "PositiveBigIntegerField": "BigIntegerField",
}
ARITHMETIC = ("+", "-", "*", "/", "%")

COMPARISONS: Mapping[type, Callable[[Any, Any], bool]] = {
    lookups.Exact: operator.eq,
    lookups.IntegerFieldExact: operator.eq,
    lookups.GreaterThan: operator.gt,
    lookups.IntegerGreaterThan: operator.gt,
    lookups.GreaterThanOrEqual: operator.ge,
    lookups.IntegerGreaterThanOrEqual: operator.ge,
    lookups.LessThan: operator.lt,
    lookups.IntegerLessThan: operator.lt,
    lookups.LessThanOrEqual: operator.le,
    lookups.IntegerLessThanOrEqual: operator.le,
}
_EXTRACTS = (
    sql.Extract,
    sql.ExtractYear,
    sql.ExtractIsoYear,
    sql.ExtractQuarter,
    sql.ExtractMonth,
    sql.ExtractWeek,
    sql.ExtractDay,
    sql.ExtractWeekDay,
    sql.ExtractIsoWeekDay,
    sql.ExtractHour,
    sql.ExtractMinute,
    sql.ExtractSecond,
)
_TRUNCATIONS = (sql.Trunc, sql.TruncYear, sql.TruncQuarter, sql.TruncMonth, sql.TruncWeek, sql.TruncDay)
#: The classes of Django's expressions that are computed, and no subclass of them.
HANDLERS: Mapping[type, Callable[[ExpressionCompiler, Any], Term]] = {
    Col: ExpressionCompiler.column,
    Value: ExpressionCompiler.value,
    ExpressionWrapper: ExpressionCompiler.wrapped,
    NegatedExpression: ExpressionCompiler.negated,
    CombinedExpression: ExpressionCompiler.arithmetic,
    TemporalSubtraction: ExpressionCompiler.difference,
    sql.Coalesce: ExpressionCompiler.coalesce,
    sql.Greatest: ExpressionCompiler.greatest,
    sql.Least: ExpressionCompiler.least,
    sql.NullIf: ExpressionCompiler.null_if,
    sql.Abs: ExpressionCompiler.absolute,
    sql.Concat: ExpressionCompiler.concatenation,
    sql.ConcatPair: ExpressionCompiler.concatenation,
    sql.Cast: ExpressionCompiler.cast,
    Case: ExpressionCompiler.case,
    **dict.fromkeys(_EXTRACTS, ExpressionCompiler.extract),
    **dict.fromkeys(_TRUNCATIONS, ExpressionCompiler.truncation),
    sql.TruncDate: ExpressionCompiler.date_of,
    sql.TruncTime: ExpressionCompiler.time_of,
    WhereNode: ExpressionCompiler.where,
    **dict.fromkeys(COMPARISONS, ExpressionCompiler.comparison),
    lookups.In: ExpressionCompiler.membership,
    lookups.Range: ExpressionCompiler.between,
    lookups.IsNull: ExpressionCompiler.nullness,
}
