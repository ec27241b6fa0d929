"""Scalars: what GraphQL's own types cannot hold."""

import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NewType

import strawberry
from django.utils.dateparse import parse_datetime

BigInt = NewType("BigInt", int)

#: What BigIntegerField holds.
LARGEST = 2**63


def _datetime(value: Any) -> datetime.datetime:
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("it takes ISO 8601 with an offset, as 2026-01-31T12:00:00Z")
    try:
        return moment.astimezone(datetime.UTC)
    except OverflowError:
        raise ValueError("it takes years from 1 to 9999") from None


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("it takes a whole number, as a string or as a number")
    number = int(value) if len(str(value)) <= 20 else LARGEST
    if not -LARGEST <= number < LARGEST:
        raise ValueError("it takes 64 bits")
    return number


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 1_000:
        raise ValueError("it takes a decimal number, as a string or as a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("it takes a decimal number, as a string or as a number") from None
    if not number.is_finite():
        raise ValueError("it takes a finite number")
    return number


#: For `StrawberryConfig.scalar_map`.
SCALARS: dict[object, Any] = {
    datetime.datetime: strawberry.scalar(
        name="DateTime",
        description="A moment: ISO 8601 with an offset.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
        serialize=lambda moment: moment.astimezone(datetime.UTC).isoformat(),
        parse_value=_datetime,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of 64 bits; travels as a string, and is taken as a number too.",
        serialize=str,
        parse_value=_integer,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="A decimal number; travels as a string, and is taken as a number too.",
        serialize=str,
        parse_value=_decimal,
    ),
}
