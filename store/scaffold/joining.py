"""Joining: several files by the key that they share, the one with the label first."""

from collections.abc import Sequence
from dataclasses import replace

from ..ingest.files import FileError, Layout, field_names, read_rows
from .inference import InferredTable, Wishes, understand
from .inference.deciding import find


def tables(layouts: Sequence[Layout], wishes: Wishes) -> list[InferredTable]:
    """What each file holds, the base rows first. Raises FileError where they share no key that names a base row."""
    if len(layouts) == 1:
        return [_base(understand(layouts[0], wishes))]
    base, *others = sorted(layouts, key=lambda layout: not _has(layout, wishes.label))
    if wishes.label and not _has(base, wishes.label):
        find(base, wishes.label)  # which says what there is instead
    key = wishes.entity or _shared(base, others)
    for column in wishes.leave_out:
        if not any(_has(layout, column) for layout in layouts):
            find(base, column)
    found = [_base(understand(base, _of(base, replace(wishes, entity=key))))]
    day_first = found[0].day_first if wishes.day_first is None else wishes.day_first
    of_others = replace(wishes, label=None, time=None, entity=key, day_first=day_first)
    return found + [understand(layout, _of(layout, of_others)) for layout in others]


def _has(layout: Layout, column: str | None) -> bool:
    return column is not None and column in (*layout.header, *field_names(layout.header))


def _of(layout: Layout, wishes: Wishes) -> Wishes:
    return replace(wishes, leave_out=tuple(column for column in wishes.leave_out if _has(layout, column)))


def _shared(base: Layout, others: Sequence[Layout]) -> str:
    """The first column of the base rows that all the others have too."""
    for name in field_names(base.header):
        if all(_has(other, name) for other in others):
            return name
    named = ", ".join(layout.path.name for layout in (base, *others))
    raise FileError(f"{named} share no column: name the key that joins them with --entity.")


def _base(table: InferredTable) -> InferredTable:
    """Raises FileError where the key names more than one row."""
    if table.key is None or table.key.unique:
        return table
    place, seen = table.columns.index(table.key), set()
    for line, cells in read_rows(table.layout):
        if cells[place] in seen:
            raise FileError(
                f"{table.layout.path}, line {line}, column {table.key.header}: {cells[place]!r} repeats the key of a "
                "row before it; name another column with --entity, or none."
            )
        seen.add(cells[place])
    return table
