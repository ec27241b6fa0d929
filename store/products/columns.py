"""Typed columns from Django fields: kind, range, choices, and the validation of a value."""

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.validators import BaseValidator, MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import connection, models

from learning.columns import Column
from learning.exceptions import InvalidValue, ValueNotFinite, ValueOutOfRange
from learning.kinds import UNLEARNED, Kind, kind_of_field, one_of

from ..exceptions import BadInput, NotFinite, OutOfRange, StoreError
from .choices import Choice, list_choices

#: The store's error for each error of a kind.
REFUSALS: dict[type[InvalidValue], type[StoreError]] = {
    InvalidValue: BadInput,
    ValueNotFinite: NotFinite,
    ValueOutOfRange: OutOfRange,
}

UNIT = re.compile(r"(?:\[([^\]]+)\]|\(([^\s)]{1,12})\))\s*$")


def value_field(field: Any) -> Any:
    """Return the field whose values a column holds: of a foreign key, the one that it references."""
    while field.is_relation:
        field = field.target_field
    return field.output_field if getattr(field, "generated", False) else field


def kind_of_column(field: Any) -> Kind:
    """Return the kind of a column's values; a foreign key's are of the kind of the key that it references."""
    return kind_of_field(type(value_field(field)))


def describe_generated(field: Any) -> Any:
    """Return the field of a generated column's values, under the column's name; any other field as it is."""
    if not getattr(field, "generated", False):
        return field
    values = copy(field.output_field)
    values.name, values.column, values.model = field.name, field.column, field.model
    values.null, values.help_text, values._verbose_name = field.null, field.help_text, field._verbose_name
    return values


def blank_is_null(field: Any) -> bool:
    """Return True where the column holds null instead of an empty text: it may be null, and no choice is empty."""
    return field.null and not (field.blank and any(value == "" for value, _ in field.flatchoices or ()))


def select_stored(field: models.Field) -> str:
    """SQL of a stored value `{0}` as all ways have it; "" where it already is."""
    return kind_of_column(field).stored_sql(blank_is_null(field))


def is_same(field: models.Field, one: Any, other: Any) -> bool:
    """Return True where two values of a column differ at most by the way in which they are written."""
    kind, null = kind_of_column(field), blank_is_null(field)
    return bool(kind.canonical(one, null) == kind.canonical(other, null))


@dataclass(frozen=True, kw_only=True)
class TypedColumn:
    """A column with the properties of its Django field."""

    name: str
    field: models.Field
    nullable: bool
    #: True where each value is declared to be a level of an open category, whatever choices the field has.
    is_open: bool = False

    @cached_property
    def kind(self) -> Kind | None:
        """The column's kind; None where models cannot learn from such a field."""
        if self.is_open:
            return Kind.OPEN_CATEGORY
        kind = Kind.CATEGORY if self.choices else self.field_kind
        return None if kind is UNLEARNED else kind

    @cached_property
    def field_kind(self) -> Kind:
        """The kind of the field without its choices."""
        return kind_of_column(self.field)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        return () if self.is_open else list_choices(self.field)

    @cached_property
    def by_text(self) -> dict[str, Any]:
        return {choice.text: choice.value for choice in self.choices}

    @property
    def declared_title(self) -> str:
        """The `verbose_name` of the field of the same name; "" where none is declared."""
        return str(getattr(self.field, "_verbose_name", None) or "") if self.field.name == self.name else ""

    @property
    def title(self) -> str:
        """The title as it is declared, without its unit; else by the name."""
        declared = self.declared_title
        return UNIT.sub("", declared).strip() or declared or self.name.replace("_", " ").capitalize()

    @property
    def help_text(self) -> str:
        return str(getattr(self.field, "help_text", "") or "")

    @property
    def unit(self) -> str | None:
        """The kind's own; else what ends help text or title in square brackets, or one word in round ones."""
        if self.field_kind.unit:
            return self.field_kind.unit
        match = UNIT.search(self.help_text) or UNIT.search(self.declared_title)
        return (match[1] or match[2]) if match else None

    @cached_property
    def expected(self) -> str:
        """The words for a valid value, with the unit: "a number in mm"."""
        words = (self.kind or UNLEARNED).expected or (
            one_of(list(self.by_text)) if self.choices else "a value"
        )
        return f"{words} in {self.unit}" if self.unit else words

    @property
    def description(self) -> str | None:
        return self.help_text or None

    @cached_property
    def limits(self) -> tuple[float | None, float | None]:
        """The smallest and largest value, by the validators and by what the column can store."""
        if self.kind is None or not self.kind.is_quantity:
            return None, None
        low: list[Any] = [v.limit_value for v in self.field.validators if isinstance(v, MinValueValidator)]
        high: list[Any] = [v.limit_value for v in self.field.validators if isinstance(v, MaxValueValidator)]
        if self.kind.is_integer:
            storable = connection.ops.integer_field_range(self.field.get_internal_type())
            low, high = [*low, storable[0]], [*high, storable[1]]
        if (most := self._largest_decimal) is not None:
            low, high = [*low, -most], [*high, most]
        values = [v() if callable(v) else v for v in low], [v() if callable(v) else v for v in high]
        return max(values[0], default=None), min(values[1], default=None)

    @property
    def moment_limits(self) -> tuple[date | None, date | None]:
        """The first and the last day or moment, by the validators; those that are computed are so at each call."""
        if not self.field_kind.has_date:
            return None, None
        earliest, latest = self._moment_validators
        return max(map(self._moment, earliest), default=None), min(map(self._moment, latest), default=None)

    def _moment(self, validator: BaseValidator) -> date:
        """The limit of a validator as the column's values are: a day, or a moment with an offset."""
        limit = validator.limit_value
        value = limit() if callable(limit) else limit
        if self.field_kind.is_day:
            return value.date() if isinstance(value, datetime) else value
        moment = value if isinstance(value, datetime) else datetime.combine(value, time.min)
        return moment.replace(tzinfo=moment.tzinfo or UTC)

    @cached_property
    def _moment_validators(self) -> tuple[list[MinValueValidator], list[MaxValueValidator]]:
        validators = self.field.validators
        return (
            [v for v in validators if isinstance(v, MinValueValidator)],
            [v for v in validators if isinstance(v, MaxValueValidator)],
        )

    @property
    def _largest_decimal(self) -> Decimal | None:
        """The largest number with the column's digits; None if these are not declared."""
        digits = getattr(self.field, "max_digits", None)
        return None if digits is None else Decimal((0, (9,) * digits, -(self.decimal_places or 0)))

    @cached_property
    def meant_limits(self) -> tuple[float | None, float | None]:
        """The declared limits without those that only follow from the digits of a decimal."""
        (low, high), most = self.declared_limits, self._largest_decimal
        return (
            None if low is None or (most is not None and low == -most) else float(low),
            None if high is None or high == most else float(high),
        )

    @cached_property
    def declared_limits(self) -> tuple[float | None, float | None]:
        """The limits without those that only follow from the width of the column."""
        wide = self.field_kind.is_integer and connection.ops.integer_field_range(
            self.field.get_internal_type()
        )
        low, high = self.limits
        return (
            None if wide and low == wide[0] and low != 0 else low,
            None if wide and high == wide[1] else high,
        )

    @cached_property
    def longest(self) -> int | None:
        """Characters of a text, at most."""
        lengths = [v.limit_value for v in self.field.validators if isinstance(v, MaxLengthValidator)]
        return min([self.field.max_length] * (self.field.max_length is not None) + lengths, default=None)

    @cached_property
    def blank_is_null(self) -> bool:
        """True if an empty text is stored as null."""
        return blank_is_null(self.field)

    @property
    def decimal_places(self) -> int | None:
        places: int | None = getattr(self.field, "decimal_places", None)
        return places

    def learning_column(self) -> Column:
        """Build the column as models know it."""
        assert self.kind is not None
        return Column(
            name=self.name,
            kind=self.kind.learned_as,
            nullable=self.nullable,
            choices=tuple(choice.text for choice in self.choices),
            most=getattr(self.field, "most", None),
        )

    def select(self, expression: Any) -> Any:
        """Select stored values as `clean` returns them: others write texts in another Unicode form, or blank ones."""
        template = select_stored(self.field)
        if not template:
            return expression
        return models.Func(expression, template=template.format("%(expressions)s"), output_field=self.field)

    def select_present(self, expression: Any) -> Any:
        """Select as `select` does, with null for values that models learn as missing."""
        template, selected = self.field_kind.present_sql if self.nullable else "", self.select(expression)
        if not template:
            return selected
        return models.Func(selected, template=template.format("%(expressions)s"), output_field=self.field)

    def canonical(self, stored: Any) -> Any:
        """The value of a stored one, read without `select`; of a char(n) without the blanks that fill it."""
        value = self.field_kind.canonical(stored, self.blank_is_null)
        if (
            isinstance(value, str)
            and value not in self.by_text
            and (text := value.rstrip(" ")) in self.by_text
        ):
            return text
        return value

    def without_missing(self, stored: Any) -> Any:
        """A stored value; None where models learn it as missing."""
        return None if self.nullable and self.field_kind.is_missing(stored) else stored

    def clean(self, value: Any, argument: Sequence[str | int] = ()) -> Any:
        """Validate a value and return its canonical form (−0.0 as 0.0, text in NFC, times in UTC).

        Raises: BadInput, NotFinite or OutOfRange with the input's path `argument`.
        """
        if value is None:
            if self.nullable:
                return None
            raise BadInput(f"{self.title} is required: it must be {self.expected}.", argument=argument)
        kind = self.kind or UNLEARNED
        try:
            return kind.clean(value, self)
        except InvalidValue as error:
            raise REFUSALS[type(error)](
                error.message, argument=argument, minimum=error.minimum, maximum=error.maximum
            ) from None

    @cached_property
    def float_bounds(self) -> tuple[float, float]:
        """Between which `clean` takes any float and changes but −0.0; an empty range where that does not hold."""
        return (self.kind or UNLEARNED).float_bounds(self)

    @property
    def is_plain(self) -> bool:
        """True where validated values are JSON values."""
        return self.field_kind.is_json

    def as_json(self, value: Any) -> Any:
        """Encode a validated value for a stored instance."""
        return self.field_kind.to_json(value)

    def from_json(self, value: Any) -> Any:
        """Decode what `as_json` encoded; None where it no longer fits the column."""
        return self.field_kind.from_json(value)
