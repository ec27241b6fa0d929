"""Deciding: from what was seen of each column to its type, and to what becomes of it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from learning.analysis import PROSE, SURE, is_identifier
from learning.kinds import Kind, registered

from ...ingest import files
from ...ingest.files import FileError, Layout
from . import forms
from .column import InferredColumn, InferredTable, Role
from .forms import YES_OR_NO, ZERO_OR_ONE
from .reading import Reading, Seen, read

#: A column of text with more values than this is no category.
MOST_CATEGORIES = 50
#: Characters that the value of a category may have.
LONGEST = 80
#: A label with more classes than this is no classification.
MOST_CLASSES = 100
#: Whole numbers with at most this many values are classes, as a label.
FEW = 10


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the caller says of the columns, by their header, name or number."""

    label: str | None = None
    entity: str | None = None
    time: str | None = None
    leave_out: tuple[str, ...] = ()
    #: Whether 03/04/2024 is in April; None: what the other dates of the file say.
    day_first: bool | None = None


def understand(layout: Layout, wishes: Wishes, rows: Iterable[files.Row] | None = None) -> InferredTable:
    """The table in the file, in one pass over its rows. Raises FileError where it, or a wish, cannot be followed."""
    names = files.field_names(layout.header)
    wanted = {
        Role.LABEL: find(layout, wishes.label),
        Role.KEY: find(layout, wishes.entity),
        Role.TIME: find(layout, wishes.time),
    }
    leave_out = {find(layout, column) for column in wishes.leave_out}
    reading = read(layout, rows, wanted[Role.LABEL])
    if not reading.rows:
        raise FileError(f"{layout.path} has a header and no rows.")
    day_first, remarks = _order(reading.columns, wishes.day_first)
    columns = []
    for place, (seen, name) in enumerate(zip(reading.columns, names, strict=True)):
        role = next((role for role, wished in wanted.items() if wished == place), Role.FEATURE)
        column = _typed(seen, name, role, day_first)
        if role is Role.FEATURE:
            copies = place in reading.copies and _relabels(seen, reading.columns[wanted[Role.LABEL] or 0])
            column = _fate(column, seen, place in leave_out, copies, wishes.label)
        columns.append(column)
    labels, first_lines = _labels(reading, wanted[Role.LABEL])
    table = InferredTable(
        layout=layout,
        columns=tuple(columns),
        rows=reading.rows,
        day_first=day_first,
        remarks=(*remarks, *_about(layout)),
        labels=labels,
        first_lines=first_lines,
    )
    _check(table, reading)
    return table


def find(layout: Layout, wished: str | None) -> int | None:
    """The place of the column that is called so. Raises FileError."""
    if wished is None:
        return None
    for known in (layout.header, files.field_names(layout.header)):
        if wished in known:
            return known.index(wished)
    if wished.isdecimal() and int(wished) < len(layout.header):
        return int(wished)
    names = ", ".join(layout.header[:30]) + (", …" if len(layout.header) > 30 else "")
    raise FileError(f"{layout.path}, line 1: no column is called {wished!r}; it has {names}.")


def _order(columns: Sequence[Seen], wished: bool | None) -> tuple[bool | None, list[str]]:
    """Whether the day comes first where the year is last; and what is said about it."""
    dates = [seen for seen in columns if seen.kind and seen.kind.has_date and seen.year_last]
    if not dates or wished is not None:
        return (wished if dates else None), []
    certain = {seen.day_first for seen in dates if seen.day_first != seen.month_first}
    if len(certain) == 1:
        return certain.pop(), []
    example = dates[0].example
    return True, [
        f"{dates[0].header} has dates as {example}, and nothing tells the day from the month: the day is taken "
        "to come first. Say --month-first if it does not."
    ]


def _typed(seen: Seen, name: str, role: Role, day_first: bool | None) -> InferredColumn:
    type_, remarks = _type(seen, role, day_first)
    values = sorted([*(seen.values or ()), *["-"] * seen.minus])
    if type_.is_quantity and seen.values:
        values.sort(key=lambda value: (len(value), value))
    return InferredColumn(
        header=seen.header,
        name=name,
        type=type_,
        role=role,
        remarks=tuple(remarks),
        missing=seen.missing,
        distinct=seen.distinct,
        unique=seen.hashes.unique,
        example=seen.example,
        values=tuple(values),
        longest=seen.longest,
        low=seen.low,
        high=seen.high,
    )


def _type(seen: Seen, role: Role, day_first: bool | None) -> tuple[Kind, list[str]]:
    if not seen.cells and not seen.minus:
        return Kind.TEXT, []
    if _is_boolean(seen, role):
        return Kind.BOOLEAN, []
    if seen.minus:
        return Kind.CATEGORY, []
    kind = seen.kind
    if forms.INFINITE in seen.forms and not kind:
        raise seen.infinite(*seen.contradicted[forms.NUMBER])
    if kind and not (kind.has_date and _contradicts(seen, day_first)):
        fitting = kind.kind_for(seen.low, seen.high)
        return fitting, [] if fitting is kind else ["beyond 64 bits"]
    few = seen.values is not None and len(seen.values) <= MOST_CATEGORIES
    repeated = seen.values is not None and seen.cells >= 2 * len(seen.values)
    is_category = role is Role.LABEL or (few and repeated and seen.longest <= LONGEST)
    return (Kind.CATEGORY if is_category else Kind.TEXT), list(_mixed(seen))


def _contradicts(seen: Seen, day_first: bool | None) -> bool:
    return seen.year_last and (seen.month_first if day_first else seen.day_first)


def _mixed(seen: Seen) -> Iterable[str]:
    """A form that held for most of the file is worth a word."""
    for kind in registered():
        line, value = seen.contradicted.get(kind, (0, ""))
        if not kind.wider_code and line > max(SURE, seen.layout.first_line + 1):
            yield f"{kind.cell_described} in each row before line {line}, which has {_short(value)!r}"


def _is_boolean(seen: Seen, role: Role) -> bool:
    found = {value.casefold() for value in seen.values or ()}
    if found in ZERO_OR_ONE:
        return seen.cells >= SURE or role is Role.LABEL
    return found in YES_OR_NO


def _fate(
    column: InferredColumn, seen: Seen, unwanted: bool, copies: bool, label: str | None
) -> InferredColumn:
    """What becomes of a column of which nothing was said but, maybe, that it is not wanted."""
    if reason := _why_not(column, seen, unwanted, copies, label):
        return replace(column, role=Role.LEFT_OUT, remarks=(*column.remarks, reason))
    if column.type.is_text and column.distinct > MOST_CATEGORIES and seen.words < PROSE * seen.cells:
        remark = f"{column.distinct:,} different values are too many to choose from: read as words"
        return replace(column, remarks=(*column.remarks, remark))
    return column


def _why_not(
    column: InferredColumn, seen: Seen, unwanted: bool, copies: bool, label: str | None
) -> str | None:
    if unwanted:
        return "as you said"
    if not column.distinct:
        return "nothing is in it"
    if column.distinct == 1 and not column.missing:
        return "the same in each row"
    if _is_identifier(column, seen):
        return "an identifier: different in each row"
    if copies:
        return f"looks like a copy of {label}: each value comes with the same one"
    return None


def _relabels(seen: Seen, label: Seen) -> bool:
    """Whether a column that never contradicts the label does so by little more values than labels, each often."""
    return seen.distinct <= 2 * label.distinct and seen.cells >= max(SURE, 5 * seen.distinct)


def _is_identifier(column: InferredColumn, seen: Seen) -> bool:
    if not column.unique or column.missing:
        return False
    if column.type.is_text:
        return is_identifier(column.name, seen.cells, seen.cells, words=seen.words / seen.cells)
    return column.type.is_whole and is_identifier(
        column.name, seen.cells, seen.cells, low=column.low, high=column.high
    )


def _about(layout: Layout) -> Iterable[str]:
    numbers = [header for header in layout.header if re.fullmatch(r"[+-]?\d+([.,]\d+)?", header.strip())]
    if layout.has_header and len(numbers) * 2 > len(layout.header):
        yield "The first line looks like data, not like names: say --no-header if it is."


def _labels(reading: Reading, place: int | None) -> tuple[dict[str, int], dict[str, int]]:
    """How often each label comes, and where first; nothing where they are too many."""
    if place is None or reading.columns[place].values is None:
        return {}, {}
    seen = reading.columns[place]
    dashes = {"-": seen.dashes} if seen.minus else {}
    return {**(seen.values or {}), **dashes}, seen.lines


def _check(table: InferredTable, reading: Reading) -> None:
    """Raises FileError where what was wished for cannot be."""
    path, label, key, time = table.layout.path, table.label, table.key, table.time
    if label and label.distinct == 0:
        raise FileError(f"{path}, column {label.header}: no row has a label, so there is nothing to learn.")
    if label and label.distinct == 1:
        raise FileError(
            f"{path}, column {label.header}: each label is {_short(label.example)!r}, so there is nothing to learn."
        )
    if time and not time.type.has_date:
        raise FileError(f"{path}, column {time.header}: {_short(time.example)!r} is no date and no time.")
    for column in filter(None, (key, time)):
        if column.missing:
            gap = reading.columns[table.columns.index(column)].gap
            raise FileError(
                f"{path}, line {gap}, column {column.header}: the {column.role} is missing (in "
                f"{column.missing:,} of {table.rows:,} rows)."
            )


def _short(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:39]}…"
