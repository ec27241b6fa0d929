"""The declaration of a form field."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FormField:
    """The field of a form that shows a feature. What is None follows from the feature's column."""

    #: The title of the group of fields that it stands in. None: the table that the column comes from.
    group: str | None = None
    #: The distance between two numbers that are offered. None: 1 for whole numbers, a decimal's last digit.
    step: float | None = None
    #: The value that a new form has. None: the default of the column, if it has one.
    default: Any = None
    #: A value to show as an example. None: that of a typical row of the champion's snapshot.
    example: Any = None


#: Of a feature of which the declaration says nothing.
DERIVED = FormField()
