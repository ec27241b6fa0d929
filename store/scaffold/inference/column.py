"""Inferred columns and tables."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from learning.kinds import Kind

from ...ingest.files import Layout

#: Names of columns whose numbers are codes: no order or distance of theirs means anything.
CODE = re.compile(r"(^|_)(id|code|key|zip|zip_code|zipcode|postcode|postal_code|plz|sku)$")


class Role(StrEnum):
    """The role of a column in the product."""

    KEY = "key"
    LABEL = "label"
    TIME = "time"
    FEATURE = "feature"
    LEFT_OUT = "left out"


@dataclass(frozen=True, kw_only=True)
class InferredColumn:
    """A column of a file with its type, role and values."""

    header: str
    #: The field's name.
    name: str
    #: TEXT where every cell is empty.
    type: Kind
    role: Role = Role.FEATURE
    #: Reasons for the role, and irregularities, a phrase each.
    remarks: tuple[str, ...] = ()
    #: The kinds that the caller may choose instead.
    kinds: tuple[Kind, ...] = ()
    #: The number of empty cells and of cells that stand for a missing value, as `n/a`.
    missing: int
    #: The number of different values; an estimate, within a few percent, beyond 65,536.
    distinct: int
    #: True where no value repeats.
    unique: bool
    example: str
    #: A category's values, sorted; those of any other column where they are few, else empty.
    values: tuple[str, ...] = ()
    #: Characters of the longest cell.
    longest: int
    #: Smallest and largest value of integers.
    low: int = 0
    high: int = 0

    @property
    def is_open(self) -> bool:
        """True for an open category: texts that are names and repeat, and whole numbers that are codes by name."""
        is_code = self.type.is_whole and bool(CODE.search(self.name))
        return self.type.is_open or (is_code and not self.unique and self.distinct > 2)

    @property
    def optional(self) -> bool:
        """True if the field may be null: values are missing, or no model needs them to predict."""
        return bool(self.missing) or self.role in (Role.LABEL, Role.LEFT_OUT)


@dataclass(frozen=True, kw_only=True)
class InferredTable:
    """A file or table with its inferred columns."""

    layout: Layout
    columns: tuple[InferredColumn, ...]
    rows: int
    #: True where 03/04/2024 is in April; None: there are no such dates, or columns differ.
    day_first: bool | None = None
    #: A date that does not show this, where no other of the file does either.
    unclear_date: str = ""
    #: Irregularities of the whole file, a sentence each.
    remarks: tuple[str, ...] = ()
    #: The number of rows with each label, by the label's text; empty where there are too many labels.
    labels: dict[str, int] = field(default_factory=dict)
    #: The line of the first row with each label.
    first_lines: dict[str, int] = field(default_factory=dict)

    @cached_property
    def key(self) -> InferredColumn | None:
        return next((column for column in self.columns if column.role is Role.KEY), None)

    @cached_property
    def label(self) -> InferredColumn | None:
        return next((column for column in self.columns if column.role is Role.LABEL), None)

    @cached_property
    def time(self) -> InferredColumn | None:
        return next((column for column in self.columns if column.role is Role.TIME), None)

    @cached_property
    def features(self) -> tuple[InferredColumn, ...]:
        return tuple(column for column in self.columns if column.role is Role.FEATURE)
