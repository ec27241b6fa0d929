"""Join of several files by the key that they share; the file with the label has the base rows."""

from collections.abc import Sequence
from dataclasses import replace

from ..ingest.files import FileError, Layout, field_names
from ..ingest.progress import ProgressListener, ignore, read_with_progress
from .inference import ColumnOptions, InferredTable, infer_table
from .inference.options import find_column
from .inference.repeats import find_repeats, merge_repeats


def infer_tables(
    layouts: Sequence[Layout], options: ColumnOptions, progress: ProgressListener = ignore
) -> list[InferredTable]:
    """Infer the columns of each file, the base rows' first.

    Raises: FileError where the files share no key, or where the key does not identify a base row.
    """
    if len(layouts) == 1:
        return [_infer_base(layouts[0], options, progress)]
    base, *others = sorted(layouts, key=lambda layout: not _has_column(layout, options.label))
    if options.label and not _has_column(base, options.label):
        find_column(base, options.label)  # raises with the columns of the file
    key = options.entity or _find_shared_column(base, others)
    for column in (*options.leave_out, *options.use, *options.kinds):
        if not any(_has_column(layout, column) for layout in layouts):
            find_column(base, column)
    base_table = _infer_base(base, _restrict(replace(options, entity=key), base), progress)
    day_first = base_table.day_first if options.day_first is None else options.day_first
    other_options = replace(options, label=None, time=None, entity=key, day_first=day_first)
    return [
        base_table,
        *(_infer_other(layout, _restrict(other_options, layout), progress) for layout in others),
    ]


def _has_column(layout: Layout, column: str | None) -> bool:
    return column is not None and column in (*layout.header, *field_names(layout.header))


def _restrict(options: ColumnOptions, layout: Layout) -> ColumnOptions:
    """Restrict the wishes for columns to those that the file has."""
    return replace(
        options,
        leave_out=tuple(column for column in options.leave_out if _has_column(layout, column)),
        use=tuple(column for column in options.use if _has_column(layout, column)),
        kinds={column: kind for column, kind in options.kinds.items() if _has_column(layout, column)},
    )


def _find_shared_column(base: Layout, others: Sequence[Layout]) -> str:
    """Find the first column of the base rows that all other files have too. Raises FileError."""
    for name in field_names(base.header):
        if all(_has_column(other, name) for other in others):
            return name
    names = ", ".join(layout.path.name for layout in (base, *others))
    raise FileError(f"{names} share no column: name the key that joins them with --entity.")


def _infer_base(layout: Layout, options: ColumnOptions, progress: ProgressListener) -> InferredTable:
    """Infer the table of the base rows. Raises FileError where a key stands for rows that differ."""
    table = infer_table(layout, options, read_with_progress(layout, progress))
    if table.key is None or table.key.unique:
        return table
    repeats = find_repeats(table)
    if repeats.difference:
        raise FileError(repeats.difference)
    return merge_repeats(table, repeats)


def _infer_other(layout: Layout, options: ColumnOptions, progress: ProgressListener) -> InferredTable:
    """Infer a table that shares the key. Where only equal rows repeat a key, it has one row for each key."""
    table = infer_table(layout, options, read_with_progress(layout, progress))
    if table.key is None or table.key.unique:
        return table
    repeats = find_repeats(table)
    return table if repeats.difference else merge_repeats(table, repeats)
