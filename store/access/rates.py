"""Rates: how many operations a caller may send in a span of time, as `100/second`."""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from django.core.exceptions import ValidationError

from learning.lazy_imports import LazyModule

if TYPE_CHECKING:
    import limits
else:
    limits = LazyModule("limits")

#: The word for no limit.
UNLIMITED = "unlimited"
#: The largest amount and the longest window in seconds: headers have no larger numbers, and Valkey counts none.
LARGEST = 10**12


class Rate(NamedTuple):
    """At most `amount` operations in each window of `seconds`."""

    amount: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.amount:,} operations in {describe_seconds(self.seconds)}"


def describe_seconds(seconds: int) -> str:
    """Describe a span of time in the largest unit that divides it, as `1 day`."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds > size else ''}"
    return f"{seconds} second{'s' if seconds > 1 else ''}"


@lru_cache(1_000)
def parse(text: str) -> Rate | None:
    """Parse a rate in the notation of `limits`; None for no limit. Raises ValueError with a sentence."""
    if text.strip().lower() == UNLIMITED:
        return None
    try:
        [item] = limits.parse_many(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a rate: write 100/second, 5000 per 5 minutes or 1000000/day, or {UNLIMITED}."
        ) from None
    if item.amount < 1:
        raise ValueError(f"{text!r} allows nothing: to shut somebody out, revoke the permissions instead.")
    if max(item.amount, item.get_expiry()) > LARGEST:
        raise ValueError(f"{text!r} has a number that is too large to count to: write {UNLIMITED}.")
    return Rate(item.amount, item.get_expiry())


def validate(text: str) -> None:
    """Validate a rate of a form. Raises ValidationError."""
    try:
        parse(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None
