"""Types and roles of columns, inferred from their statistics."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from learning.analysis import PROSE, SURE, is_identifier
from learning.kinds import Kind, are_names, registered

from ...ingest import files
from ...ingest.files import FileError, Layout
from . import forms
from .column import InferredColumn, InferredTable, Role
from .column_statistics import ColumnStatistics, Contradiction, FileStatistics, collect_statistics
from .forms import YES_OR_NO, ZERO_OR_ONE
from .options import ColumnOptions, ColumnWishes, find_column

#: Values of a category; a column of text with more is text.
MAX_CATEGORIES = 50
#: Characters of a category's value.
MAX_VALUE_LENGTH = 80
#: Classes of a classification.
MAX_CLASSES = 100
#: Values of an integer label that is a class; with more it is a number.
MAX_INTEGER_CLASSES = 10
#: The remark about a column that the caller leaves out.
AS_ASKED = "as you asked"


def infer_table(
    layout: Layout, options: ColumnOptions, rows: Iterable[files.Row] | None = None
) -> InferredTable:
    """Infer the table in a file, in one pass over its rows.

    Args:
        rows: the rows; None: those of the file.

    Raises: FileError where the file is malformed, or a chosen column does not exist or does not fit its role.
    """
    places = {
        Role.LABEL: find_column(layout, options.label),
        Role.KEY: find_column(layout, options.entity),
        Role.TIME: find_column(layout, options.time),
    }
    wishes = ColumnWishes.of(layout, options)
    statistics = collect_statistics(layout, rows, places[Role.LABEL])
    if not statistics.rows:
        raise FileError(f"{layout.path} has a header and no rows.")
    order = _infer_day_order(statistics.columns, options.day_first)
    labels, first_lines = _count_labels(statistics, places[Role.LABEL])
    table = InferredTable(
        layout=layout,
        columns=tuple(_infer_columns(statistics, places, wishes, order, options.label)),
        rows=statistics.rows,
        day_first=order.of_file,
        unclear_date=order.unclear,
        remarks=(*layout.remarks, *order.describe(), *_check_header(layout)),
        labels=labels,
        first_lines=first_lines,
    )
    _check_roles(table, statistics)
    return table


@dataclass(frozen=True, kw_only=True)
class _DayOrder:
    """The order of day and month in a file's dates whose year is last."""

    #: True where the day is first, in all columns as the caller says; None: each column shows its own.
    chosen: bool | None = None
    #: True where the day is first, in columns that do not show it; None without such dates.
    default: bool | None = None
    #: True if some columns have the day first, and others the month.
    differs: bool = False
    #: The header of a column that does not show it while no other does, and a date of that column.
    header: str = ""
    unclear: str = ""

    @property
    def of_file(self) -> bool | None:
        """The order in all columns; None without such dates, or where columns differ."""
        return None if self.differs else self.default

    def of_column(self, statistics: ColumnStatistics) -> bool | None:
        certain = statistics.dates.certain
        return self.default if certain is None or self.chosen is not None else certain

    def describe(self) -> Iterator[str]:
        if self.unclear:
            yield (
                f"{self.header} has dates as {self.unclear}, which do not show whether the day or the month is "
                "first: the day is taken to be first. Use --month-first if it is not."
            )


def _infer_day_order(columns: Sequence[ColumnStatistics], chosen: bool | None) -> _DayOrder:
    dated = [column for column in columns if column.kind and column.kind.has_date and column.dates.year_last]
    if not dated:
        return _DayOrder()
    if chosen is not None:
        return _DayOrder(chosen=chosen, default=chosen)
    certain = {column.dates.certain for column in dated} - {None}
    if len(certain) == 1:
        return _DayOrder(default=certain.pop())
    unclear = next((column for column in dated if column.dates.certain is None), None)
    if unclear is None:
        return _DayOrder(default=True, differs=True)
    return _DayOrder(
        default=True, differs=bool(certain), header=unclear.header, unclear=unclear.dates.year_last
    )


def _infer_columns(
    statistics: FileStatistics,
    places: Mapping[Role, int | None],
    wishes: ColumnWishes,
    order: _DayOrder,
    label: str | None,
) -> Iterator[InferredColumn]:
    names = files.field_names(column.header for column in statistics.columns)
    for place, (values, name) in enumerate(zip(statistics.columns, names, strict=True)):
        role = next((role for role, chosen in places.items() if chosen == place), Role.FEATURE)
        column = _infer_column(values, name, role, order.of_column(values))
        if kind := wishes.kinds.get(place):
            column = _change_kind(column, values, kind)
        if role is Role.FEATURE:
            is_copy = place in statistics.copies and _is_copy(
                values, statistics.columns[places[Role.LABEL] or 0]
            )
            is_wanted = place in wishes.used
            column = _infer_role(column, values, place in wishes.left_out, is_copy, label, is_wanted)
        yield column


def _change_kind(column: InferredColumn, statistics: ColumnStatistics, kind: Kind) -> InferredColumn:
    """Give a column the kind that the caller wishes. Raises FileError where its values are of no such kind."""
    if kind not in column.kinds:
        named = ", ".join(sorted(kind.lower() for kind in column.kinds)) or "nothing else"
        raise FileError(
            f"{statistics.layout.path}, column {column.header}: its values cannot be {kind.lower()}; "
            f"they can be {named}."
        )
    if kind is column.type:
        return column
    return replace(column, type=kind, remarks=(AS_ASKED,), values=_sort_values(statistics, kind))


def list_kinds(statistics: ColumnStatistics, inferred: Kind, role: Role) -> tuple[Kind, ...]:
    """List the kinds that a column may be declared as: every value is a text, and few values are choices."""
    if role in (Role.KEY, Role.TIME) or not statistics.cells:
        return ()
    as_texts = (Kind.TEXT, Kind.OPEN_CATEGORY) if role is not Role.LABEL else ()
    as_choices = (Kind.CATEGORY,) if _has_few_values(statistics) or role is Role.LABEL else ()
    matched = tuple(form for form in statistics.forms if isinstance(form, Kind) and form.is_quantity)
    return tuple(dict.fromkeys((inferred, *matched[:1], *as_choices, *as_texts)))


def _infer_column(
    statistics: ColumnStatistics, name: str, role: Role, day_first: bool | None
) -> InferredColumn:
    type_, remarks = _infer_type(statistics, role, day_first)
    return InferredColumn(
        header=statistics.header,
        name=name,
        type=type_,
        role=role,
        remarks=tuple(remarks),
        kinds=list_kinds(statistics, type_, role),
        missing=statistics.missing,
        distinct=statistics.distinct,
        unique=statistics.hashes.unique,
        example=statistics.example,
        values=_sort_values(statistics, type_),
        longest=statistics.longest,
        low=statistics.low,
        high=statistics.high,
    )


def _sort_values(statistics: ColumnStatistics, type_: Kind) -> tuple[str, ...]:
    """Sort the values as numbers or as texts; a whole number that is written in several ways is one value."""
    values = [*(statistics.values or ()), *["-"] * statistics.has_minus]
    if not type_.is_quantity:
        return tuple(sorted(values))
    numbers = [forms.normalize_number(value, statistics.layout.decimal_comma) for value in values]
    if type_.is_whole:
        return tuple(map(str, sorted(set(map(int, numbers)))))
    return tuple(sorted(values, key=lambda value: float(numbers[values.index(value)])))


def _infer_type(statistics: ColumnStatistics, role: Role, day_first: bool | None) -> tuple[Kind, list[str]]:
    """Infer the kind of a column's values, with remarks. Raises FileError where a number is infinite."""
    if not statistics.cells and not statistics.has_minus:
        return Kind.TEXT, []
    if statistics.place in statistics.layout.lists and role is not Role.LABEL:
        return Kind.TEXT, []
    if _is_boolean(statistics, role):
        return Kind.BOOLEAN, []
    if statistics.has_minus:
        return Kind.CATEGORY, []
    kind = statistics.kind
    if forms.INFINITE in statistics.forms and not kind and not statistics.is_stored_text:
        raise statistics.infinite_error(*statistics.contradicted[forms.NUMBER][:2])
    if kind and not (kind.has_date and _contradicts(statistics, day_first)):
        fitting = kind.kind_for(statistics.low, statistics.high)
        return fitting, [*([] if fitting is kind else ["beyond 64 bits"]), *_describe_years(kind, statistics)]
    remarks = [*_describe_exceptions(statistics)] or [*_describe_near_dates(statistics)]
    if role is Role.LABEL or _has_few_values(statistics):
        return Kind.CATEGORY, remarks
    is_open = role is Role.FEATURE and _repeats_as_names(statistics)
    return (Kind.OPEN_CATEGORY if is_open else Kind.TEXT), remarks


def _repeats_as_names(statistics: ColumnStatistics) -> bool:
    """Apply the rule of the build, so that it learns the column as the scaffold declares it."""
    spaces = statistics.words / max(1, statistics.cells)
    return are_names(statistics.longest, spaces, statistics.hashes.repeated_share)


def _has_few_values(statistics: ColumnStatistics) -> bool:
    values = statistics.values
    if values is None or len(values) > MAX_CATEGORIES or statistics.longest > MAX_VALUE_LENGTH:
        return False
    return statistics.cells >= 2 * len(values)


def _contradicts(statistics: ColumnStatistics, day_first: bool | None) -> bool:
    """Return True where a date of the column has another order of day and month."""
    dates = statistics.dates
    return bool(dates.year_last and (dates.month_first if day_first else dates.day_first))


def _describe_years(kind: Kind, statistics: ColumnStatistics) -> Iterator[str]:
    """Say what years of two digits are taken for."""
    if kind.has_date and statistics.dates.short:
        first, last = statistics.dates.years
        yield f"years of two digits are read as {first}{f' to {last}' if last > first else ''}"


def _describe_near_dates(statistics: ColumnStatistics) -> Iterator[str]:
    """Describe values that look like dates and were not read as such."""
    dates, kind = statistics.dates, statistics.kind
    if kind and kind.has_date and dates.day_first and dates.month_first:
        yield (
            f"the day is first in {dates.day_first!r}, the month in {dates.month_first!r}: "
            "write the year first to have dates"
        )
    elif kind and kind.has_date:
        yield f"{dates.day_first or dates.month_first!r} has another order of day and month than was given"
    elif statistics.near_date:
        yield f"looks like dates as {_shorten(statistics.near_date)!r}: write them as 2024-12-31 to have dates"


def _describe_exceptions(statistics: ColumnStatistics) -> Iterable[str]:
    """Describe the first exception from each form that many cells before it had."""
    for kind in registered():
        first = statistics.contradicted.get(kind, Contradiction())
        if not kind.wider_code and first.cells >= SURE:
            cells = "row" if first.cells == first.rows else f"of {first.cells:,} cells with a value"
            yield (
                f"{kind.cell_described} in each {cells} before line {first.line}, "
                f"which has {_shorten(first.value)!r}"
            )


def _is_boolean(statistics: ColumnStatistics, role: Role) -> bool:
    values = {value.casefold() for value in statistics.values or ()}
    if values in ZERO_OR_ONE:
        return statistics.cells >= SURE or role is Role.LABEL
    return values in YES_OR_NO


def _infer_role(
    column: InferredColumn,
    statistics: ColumnStatistics,
    is_left_out: bool,
    is_copy: bool,
    label: str | None,
    is_wanted: bool = False,
) -> InferredColumn:
    """Make the column a feature, or leave it out with the reason as a remark.

    Args:
        is_wanted: True if the caller uses it although it looks like an identifier or a copy.
    """
    reason = _find_reason_to_leave_out(column, statistics, is_left_out, is_copy, label)
    if reason and not (is_wanted and _is_arguable(column, statistics)):
        return replace(column, role=Role.LEFT_OUT, remarks=(*column.remarks, reason))
    is_prose = statistics.words >= PROSE * statistics.cells
    if column.is_open:
        remark = f"{column.distinct:,} different values, each a level of its own: new ones are accepted"
        return replace(column, remarks=(*column.remarks, remark))
    if column.type.is_text and column.distinct > MAX_CATEGORIES and not is_prose:
        remark = f"{column.distinct:,} different values are too many to choose from: read as words"
        return replace(column, remarks=(*column.remarks, remark))
    return column


def _is_arguable(column: InferredColumn, statistics: ColumnStatistics) -> bool:
    """Return True unless nothing could be learned from the column in any case."""
    is_constant = column.distinct == 1 and not column.missing
    return bool(column.distinct) and not is_constant and statistics.place not in statistics.layout.lists


def _find_reason_to_leave_out(
    column: InferredColumn, statistics: ColumnStatistics, is_left_out: bool, is_copy: bool, label: str | None
) -> str | None:
    if is_left_out:
        return AS_ASKED
    if statistics.place in statistics.layout.lists:
        return "lists, which no model learns from: write what counts in them as columns of their own"
    if not column.distinct:
        return "nothing is in it"
    if column.distinct == 1 and not column.missing:
        return "the same in each row"
    if _is_identifier(column, statistics):
        return _describe_identifier(statistics)
    if is_copy:
        return f"looks like a copy of {label}: each value comes with the same one"
    return None


def _describe_identifier(statistics: ColumnStatistics) -> str:
    if statistics.hashes.unique:
        return "an identifier: different in each row"
    return f"an identifier: {statistics.distinct:,} different values in {statistics.cells:,} rows"


def _is_copy(statistics: ColumnStatistics, label: ColumnStatistics) -> bool:
    """Return True where a column that determines the label has about as many values as it, each in several rows."""
    has_few_values = statistics.distinct <= 2 * label.distinct
    return has_few_values and statistics.cells >= max(SURE, 5 * statistics.distinct)


def _is_identifier(column: InferredColumn, statistics: ColumnStatistics) -> bool:
    """Apply the rule of the feature analysis, so that a build finds no other identifiers than the scaffold."""
    count = statistics.cells
    distinct = round(count * statistics.hashes.distinct_share)
    if column.type.is_text or column.type.is_category:
        return is_identifier(column.name, count, distinct, words=statistics.words / count)
    return column.type.is_whole and is_identifier(
        column.name, count, distinct, low=column.low, high=column.high
    )


def _check_header(layout: Layout) -> Iterable[str]:
    """Yield a remark where the header looks like a row of data."""
    numbers = [header for header in layout.header if re.fullmatch(r"[+-]?\d+([.,]\d+)?", header.strip())]
    if layout.has_header and len(numbers) * 2 > len(layout.header):
        yield "The first line looks like data, not like names: use --no-header if it is."


def _count_labels(statistics: FileStatistics, place: int | None) -> tuple[dict[str, int], dict[str, int]]:
    """Get the number of rows and the first line of each label; empty where there are too many labels."""
    if place is None or statistics.columns[place].values is None:
        return {}, {}
    column = statistics.columns[place]
    dashes = {"-": column.dashes} if column.has_minus else {}
    return {**(column.values or {}), **dashes}, column.lines


def _check_roles(table: InferredTable, statistics: FileStatistics) -> None:
    """Raise FileError where a chosen column does not fit its role."""
    path, label, key, time = table.layout.path, table.label, table.key, table.time
    if label and label.distinct == 0:
        raise FileError(f"{path}, column {label.header}: no row has a label, so there is nothing to learn.")
    if label and label.distinct == 1:
        raise FileError(
            f"{path}, column {label.header}: each label is {_shorten(label.example)!r}, so there is nothing to learn."
        )
    if time and not time.type.has_date:
        raise FileError(f"{path}, column {time.header}: {_shorten(time.example)!r} is no date and no time.")
    for column in filter(None, (key, time)):
        if column.missing:
            gap = statistics.columns[table.columns.index(column)].gap
            raise FileError(
                f"{path}, line {gap}, column {column.header}: the {column.role} is missing (in "
                f"{column.missing:,} of {table.rows:,} rows)."
            )


def _shorten(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:39]}…"
