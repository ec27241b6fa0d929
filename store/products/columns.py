"""Typed columns out of Django's fields: kind, range, choices, and how one value of it is checked."""

import datetime
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import connection, models
from django.utils.dateparse import parse_date, parse_datetime

from learning.dataset import Column, Kind

from ..exceptions import BadInput, NotFinite, OutOfRange

#: The first class that a field is an instance of decides; order matters (BooleanField is no integer, text comes last).
KINDS: tuple[tuple[type[models.Field], Kind], ...] = (
    (models.BooleanField, Kind.BOOLEAN),
    (models.IntegerField, Kind.INTEGER),
    (models.FloatField, Kind.NUMBER),
    (models.DecimalField, Kind.NUMBER),
    (models.DateTimeField, Kind.DATETIME),
    (models.DateField, Kind.DATE),
    (models.CharField, Kind.TEXT),
    (models.TextField, Kind.TEXT),
)


UNIT = re.compile(r"(?:\[([^\]]+)\]|\(([^\s)]{1,12})\))\s*$")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value that a category or a label can take."""

    value: Any
    title: str

    @property
    def text(self) -> str:
        """The value as it is stored with answers and given to the models."""
        return str(self.value)


@dataclass(frozen=True, kw_only=True)
class TypedColumn:
    """One column with all that its Django field says about it."""

    name: str
    field: models.Field
    nullable: bool

    @cached_property
    def kind(self) -> Kind | None:
        """None: nothing can be learned from such a field."""
        if self.choices:
            return Kind.CATEGORY
        return next((kind for of, kind in KINDS if isinstance(self.field, of)), None)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        flat = getattr(self.field, "flatchoices", None) or ()
        return tuple(
            Choice(value=value, title=str(title)) for value, title in flat if value not in (None, "")
        )

    @cached_property
    def by_text(self) -> dict[str, Any]:
        return {choice.text: choice.value for choice in self.choices}

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def help_text(self) -> str:
        return str(getattr(self.field, "help_text", "") or "")

    @property
    def unit(self) -> str | None:
        """What stands in square brackets at the end of `help_text`, or one word in round ones: "Pressure (mmHg)"."""
        found = UNIT.search(self.help_text)
        return (found[1] or found[2]) if found else None

    @property
    def description(self) -> str | None:
        return self.help_text or None

    @cached_property
    def limits(self) -> tuple[float | None, float | None]:
        """Smallest and largest value: what the validators say, and what the column can hold."""
        if self.kind not in (Kind.NUMBER, Kind.INTEGER):
            return None, None
        low: list[Any] = [v.limit_value for v in self.field.validators if isinstance(v, MinValueValidator)]
        high: list[Any] = [v.limit_value for v in self.field.validators if isinstance(v, MaxValueValidator)]
        if isinstance(self.field, models.IntegerField):
            held = connection.ops.integer_field_range(self.field.get_internal_type())
            low, high = [*low, held[0]], [*high, held[1]]
        if isinstance(self.field, models.DecimalField) and self.field.max_digits is not None:
            places = self.field.decimal_places or 0
            most = Decimal((0, (9,) * self.field.max_digits, -places))
            low, high = [*low, -most], [*high, most]
        values = [v() if callable(v) else v for v in low], [v() if callable(v) else v for v in high]
        return max(values[0], default=None), min(values[1], default=None)

    @cached_property
    def declared_limits(self) -> tuple[float | None, float | None]:
        """The limits that say something about the question, not about the width of the column."""
        wide = isinstance(self.field, models.IntegerField) and connection.ops.integer_field_range(
            self.field.get_internal_type()
        )
        low, high = self.limits
        return (
            None if wide and low == wide[0] and low != 0 else low,
            None if wide and high == wide[1] else high,
        )

    @cached_property
    def longest(self) -> int | None:
        """Characters that a text may have."""
        lengths = [v.limit_value for v in self.field.validators if isinstance(v, MaxLengthValidator)]
        return min([self.field.max_length] * (self.field.max_length is not None) + lengths, default=None)

    def learning_column(self) -> Column:
        assert self.kind is not None
        return Column(
            name=self.name,
            kind=self.kind,
            nullable=self.nullable,
            choices=tuple(choice.text for choice in self.choices),
        )

    def clean(self, value: Any, argument: Sequence[str | int] = ()) -> Any:
        """The canonical value (−0.0 as 0.0, text in NFC, times in UTC).

        Raises BadInput, NotFinite or OutOfRange with a sentence and the input's path `argument`.
        """
        if value is None:
            if self.nullable:
                return None
            raise BadInput(f"{self.name} must be given: it may not be null.", argument=argument)
        match self.kind:
            case Kind.CATEGORY:
                return self._category(value, argument)
            case Kind.NUMBER | Kind.INTEGER:
                return self._number(value, argument)
            case Kind.TEXT:
                return self._text(value, argument)
            case Kind.BOOLEAN:
                return bool(value)
            case Kind.DATETIME:
                return value.astimezone(datetime.UTC)
        return value

    def _category(self, value: Any, argument: Sequence[str | int]) -> Any:
        if (text := str(value)) not in self.by_text:
            known = ", ".join(self.by_text)
            raise BadInput(f"{text!r} is no value of {self.name}: it takes {known}.", argument=argument)
        return self.by_text[text]

    def _number(self, value: Any, argument: Sequence[str | int]) -> Any:
        if self.kind is Kind.NUMBER and not _is_finite(value):
            raise NotFinite(f"{self.name} must be a finite number.", argument=argument)
        low, high = self.limits
        if (low is not None and value < low) or (high is not None and value > high):
            raise OutOfRange(
                f"{self.name} must {between(low, high)}, and {value} is not.",
                argument=argument,
                minimum=None if low is None else float(low),
                maximum=None if high is None else float(high),
            )
        return self._rounded(value)

    def _rounded(self, value: Any) -> Any:
        if isinstance(self.field, models.DecimalField):
            places, number = self.field.decimal_places, Decimal(str(value))
            return (number if places is None else round(number, places)) + 0
        return value + 0.0 if self.kind is Kind.NUMBER else int(value)

    def _text(self, value: str, argument: Sequence[str | int]) -> str:
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise BadInput(
                f"{self.name} holds a character that cannot be stored (NUL or half a pair).",
                argument=argument,
            )
        text = unicodedata.normalize("NFC", value)
        if self.longest is not None and len(text) > self.longest:
            raise BadInput(
                f"{self.name} may have {self.longest} characters, and has {len(text)}.", argument=argument
            )
        return text

    @property
    def is_plain(self) -> bool:
        """Whether cleaned values stand in JSON as they are."""
        return not isinstance(self.field, models.DecimalField | models.DateField)

    def as_json(self, value: Any) -> Any:
        """The cleaned value as it stands in a stored instance."""
        match value:
            case Decimal():
                return str(value)
            case datetime.datetime() | datetime.date():
                return value.isoformat()
        return value

    def from_json(self, value: Any) -> Any:
        """The Python value of what `as_json` wrote; None where it no longer fits."""
        if value is None:
            return None
        match self.field:
            case models.DateTimeField():
                return parse_datetime(value)
            case models.DateField():
                return parse_date(value)
            case models.DecimalField():
                return Decimal(value)
        return value


def _is_finite(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    try:
        return math.isfinite(value)
    except OverflowError:
        return False  # an integer longer than any float


def between(low: float | None, high: float | None) -> str:
    if low is None:
        return f"be at most {high}"
    if high is None:
        return f"be at least {low}"
    return f"lie between {low} and {high}"
