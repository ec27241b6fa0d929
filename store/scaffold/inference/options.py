"""Choices of the caller about columns, and the places of these columns in a file."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from learning.kinds import Kind

from ...ingest import files
from ...ingest.files import FileError, Layout


@dataclass(frozen=True, kw_only=True)
class ColumnOptions:
    """The caller's choice of columns, by header, name or number."""

    label: str | None = None
    entity: str | None = None
    time: str | None = None
    leave_out: tuple[str, ...] = ()
    #: Columns to use although they look like identifiers, or like copies of the label.
    use: tuple[str, ...] = ()
    #: Kinds by column, where the inferred one is not meant.
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    #: True where 03/04/2024 is in April; None: infer it from the other dates of the file.
    day_first: bool | None = None


def find_column(layout: Layout, column: str | None) -> int | None:
    """Find the place of the column with this header, name or number; None for None. Raises FileError."""
    if column is None:
        return None
    for titles in (layout.header, files.field_names(layout.header)):
        if column in titles:
            return titles.index(column)
    if column.isdecimal() and int(column) < len(layout.header):
        return int(column)
    names = ", ".join(layout.header[:30]) + (", …" if len(layout.header) > 30 else "")
    raise FileError(f"{layout.path}, line 1: no column is called {column!r}; it has {names}.")


@dataclass(frozen=True)
class ColumnWishes:
    """The caller's wishes for columns that are no label, key or time, by place."""

    left_out: Container[int | None]
    used: Container[int | None]
    kinds: Mapping[int | None, Kind]

    @classmethod
    def of(cls, layout: Layout, options: ColumnOptions) -> "ColumnWishes":
        """Find the places of the columns. Raises FileError."""
        return cls(
            {find_column(layout, column) for column in options.leave_out},
            {find_column(layout, column) for column in options.use},
            {find_column(layout, column): kind for column, kind in options.kinds.items()},
        )
