"""Scalars for values that GraphQL's own types cannot hold."""

import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NewType

import strawberry
from django.utils.dateparse import parse_datetime

BigInt = NewType("BigInt", int)

#: One more than the greatest value of a BigIntegerField.
BIGINT_LIMIT = 2**63


def _parse_datetime(value: object) -> datetime.datetime:
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


def _parse_integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("it takes a whole number, as a string or as a number")
    number = int(value) if len(str(value)) <= 20 else BIGINT_LIMIT
    if not -BIGINT_LIMIT <= number < BIGINT_LIMIT:
        raise ValueError("it takes 64 bits")
    return number


def _parse_decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 1_000:
        raise ValueError("it takes a decimal number, as a string or as a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("it takes a decimal number, as a string or as a number") from None
    if not number.is_finite():
        raise ValueError("it takes a finite number")
    return number


#: The value of `StrawberryConfig.scalar_map`, whose own type is this loose.
SCALARS: dict[object, Any] = {
    datetime.datetime: strawberry.scalar(
        name="DateTime",
        description="A moment: ISO 8601 with an offset, as 2026-01-31T12:00:00Z.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
        serialize=lambda moment: moment.astimezone(datetime.UTC).isoformat(),
        parse_value=_parse_datetime,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of 64 bits. Answers have it as a string; inputs take a string or a number.",
        serialize=str,
        parse_value=_parse_integer,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="A decimal number. Answers have it as a string; inputs take a string or a number.",
        serialize=str,
        parse_value=_parse_decimal,
    ),
}
