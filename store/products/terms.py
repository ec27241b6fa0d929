"""Terms: compiled parts of an SQL expression, and how PostgreSQL combines them; null is None."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from . import sql_operators
from .sql_operators import BITS, NUMBERS, SqlType

#: Values in the order of the product's columns.
Instance = Sequence[Any]
Evaluate = Callable[[Instance], Any]

#: Types whose values Python orders as PostgreSQL does; the order of texts is the database's collation.
ORDERED = (*NUMBERS, SqlType.BOOLEAN, SqlType.DATE, SqlType.MOMENT, SqlType.TIME, SqlType.INTERVAL)
#: How PostgreSQL writes values as text; None: they are texts.
TEXTS: Mapping[SqlType, Callable[[Any], str] | None] = {
    SqlType.UNKNOWN: None,
    SqlType.TEXT: None,
    SqlType.INT2: str,
    SqlType.INT4: str,
    SqlType.INT8: str,
    SqlType.NUMERIC: "{:f}".format,
    SqlType.BOOLEAN: lambda value: "true" if value else "false",
    SqlType.DATE: date.isoformat,
}


class NotComputable(Exception):
    """An expression that only PostgreSQL computes; its text says why, as the end of a sentence."""


@dataclass(frozen=True)
class Term:
    """A compiled part of an expression."""

    type: SqlType
    evaluate: Evaluate
    #: True for a numeric that never has digits behind the point.
    whole: bool = False
    #: True where it depends on no column: PostgreSQL computes it before it looks at a row.
    constant: bool = False

    @property
    def value(self) -> Any:
        """The value of a constant."""
        return self.evaluate(())


def literal(value: object) -> Term:
    """Compile a value as the driver writes it into SQL: a float is a decimal literal there. Raises NotComputable."""
    match value:
        case None:
            return Term(SqlType.UNKNOWN, constant(None))
        case bool():
            return Term(SqlType.BOOLEAN, constant(value))
        case int():
            type_ = sql_operators.integer_literal(value)
            exact = Decimal(value) if type_ is SqlType.NUMERIC else value
            return Term(type_, constant(exact), whole=type_ is SqlType.NUMERIC)
        case float() | Decimal():
            return Term(SqlType.NUMERIC, constant(_decimal_literal(value)))
        case str():
            return Term(SqlType.TEXT, constant(value))
        case datetime() if value.tzinfo is not None:
            return Term(SqlType.MOMENT, constant(value))
        case date() if not isinstance(value, datetime):
            return Term(SqlType.DATE, constant(value))
        case time() if value.tzinfo is None:
            return Term(SqlType.TIME, constant(value))
    raise NotComputable(f"a value of type {type(value).__name__} is not computed with")


def _decimal_literal(value: float | Decimal) -> Decimal:
    exact = sql_operators.without_negative_zero(Decimal(repr(value) if isinstance(value, float) else value))
    if not exact.is_finite():
        raise NotComputable(f"{value} is no finite number")
    return (
        exact
        if sql_operators.scale_of(exact) >= 0
        else exact.quantize(Decimal(1), context=sql_operators.EXACT)
    )


def unified(
    terms: Sequence[Term], name: str, allowed: Sequence[SqlType] | None = None
) -> tuple[list[Term], SqlType]:
    """Convert the terms to the type that PostgreSQL finds for all of them. Raises NotComputable."""
    type_ = sql_operators.common_type([term.type for term in terms])
    if type_ is None or (allowed is not None and type_ not in allowed):
        types = " and ".join(dict.fromkeys(term.type.value for term in terms))
        raise NotComputable(f"{name} over {types} is not computed")
    return [converted(term, type_) for term in terms], type_


def converted(term: Term, type_: SqlType) -> Term:
    """Convert a term to a type that is at least as wide."""
    if term.type is SqlType.UNKNOWN:
        return replace(term, type=type_, whole=True)
    convert = sql_operators.converter(term.type, type_)
    whole = term.whole or term.type in BITS
    result = Term(type_, strict(convert, term.evaluate) if convert else term.evaluate, whole)
    return folded(result) if term.constant else result


def compared(compare: Callable[[Any, Any], bool], left: Term, right: Term) -> Term:
    """Compile a comparison. Raises NotComputable."""
    [left, right], type_ = unified([left, right], "a comparison")
    if compare is not operator.eq and type_ not in ORDERED:
        raise NotComputable(f"the order of {type_.value} is the database's own")
    return applied(compare, left, right, type_=SqlType.BOOLEAN)


def folded(term: Term) -> Term:
    """Compute a constant. Raises NotComputable where PostgreSQL would refuse every row."""
    try:
        return replace(term, evaluate=constant(term.value), constant=True)
    except ArithmeticError as error:
        raise NotComputable(f"a constant in it has no value: {error}") from error


def constant(value: object) -> Evaluate:
    """Evaluate to the same value for every instance."""
    return lambda instance: value


def strict(function: Callable[[Any], Any], evaluate: Evaluate) -> Evaluate:
    """Apply a function to what is not null."""

    def apply(instance: Instance) -> object:
        value = evaluate(instance)
        return None if value is None else function(value)

    return apply


def applied(function: Callable[..., Any], *terms: Term, type_: SqlType, whole: bool = False) -> Term:
    """Apply a function of one or two values; null where one of them is null."""
    if any(term.constant and term.value is None for term in terms):
        return Term(type_, constant(None), whole, constant=True)  # PostgreSQL does not compute the other
    if len(terms) == 1:
        return Term(type_, strict(function, terms[0].evaluate), whole)
    first, second = (term.evaluate for term in terms)

    def evaluate(instance: Instance) -> object:
        one, other = first(instance), second(instance)
        return None if one is None or other is None else function(one, other)

    return Term(type_, evaluate, whole)


def first_of(evaluations: Sequence[Evaluate]) -> Evaluate:
    """Evaluate to the first value that is not null."""

    def evaluate(instance: Instance) -> object:
        for part in evaluations:
            if (value := part(instance)) is not None:
                return value
        return None

    return evaluate


def null_if_equal(first: Evaluate, second: Evaluate) -> Evaluate:
    """Evaluate to the first value; null where the second is the same."""

    def evaluate(instance: Instance) -> object:
        value, other = first(instance), second(instance)
        return None if value is not None and other is not None and value == other else value

    return evaluate


def negated(term: Term) -> Term:
    """Negate a condition; the opposite of null is null."""
    return applied(operator.not_, term, type_=SqlType.BOOLEAN)


def joined(parts: Sequence[Term], decisive: bool) -> Term:
    """Join conditions in three-valued logic: by OR where True decides, by AND where False does."""
    if any(part.constant and part.value is decisive for part in parts):
        return Term(SqlType.BOOLEAN, constant(decisive), constant=True)  # whatever the others are
    evaluations = [part.evaluate for part in parts]

    def evaluate(instance: Instance) -> bool | None:
        result: bool | None = not decisive
        for part in evaluations:
            value = part(instance)
            if value is decisive:
                return decisive
            if value is None:
                result = None
        return result

    return Term(SqlType.BOOLEAN, evaluate)


def as_text(term: Term) -> Term:
    """Convert to text as PostgreSQL writes it. Raises NotComputable."""
    if term.type not in TEXTS:
        raise NotComputable(f"{term.type.value} is not computed as text")
    write = TEXTS[term.type]
    return applied(write, term, type_=SqlType.TEXT) if write else term
