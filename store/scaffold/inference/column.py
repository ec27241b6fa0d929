"""A column and a table as they were understood."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from learning.kinds import Kind

from ...ingest.files import Layout


class Role(StrEnum):
    """What becomes of a column."""

    KEY = "key"
    LABEL = "label"
    TIME = "time"
    FEATURE = "feature"
    LEFT_OUT = "left out"


@dataclass(frozen=True, kw_only=True)
class InferredColumn:
    """A column of a file: what it holds and what becomes of it."""

    header: str
    #: The field's name.
    name: str
    #: TEXT where nothing is in it.
    type: Kind
    role: Role = Role.FEATURE
    #: Why that became of it, or what is odd about it, a sentence each.
    remarks: tuple[str, ...] = ()
    #: Cells that say nothing.
    missing: int
    #: How many different values; an estimate, within a few percent, beyond 65,536.
    distinct: int
    #: Whether no value was seen twice.
    unique: bool
    example: str
    #: A category's values, sorted; those of any other column while they are few, else empty.
    values: tuple[str, ...] = ()
    #: Characters of its longest cell.
    longest: int
    #: Smallest and largest value of integers.
    low: int = 0
    high: int = 0

    @property
    def optional(self) -> bool:
        """Whether a row may lack it: nobody needs to say what is not learned from."""
        return bool(self.missing) or self.role in (Role.LABEL, Role.LEFT_OUT)


@dataclass(frozen=True, kw_only=True)
class InferredTable:
    """A file or a table, understood."""

    layout: Layout
    columns: tuple[InferredColumn, ...]
    rows: int
    #: Whether 03/04/2024 is in April; None: nothing is written so.
    day_first: bool | None = None
    #: What is odd about the whole, a sentence each.
    remarks: tuple[str, ...] = ()
    #: By the label's value, as text, how many rows have it; empty where they are too many.
    labels: dict[str, int] = field(default_factory=dict)
    #: And the line of the first of them.
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
