"""Rows with named cells: JSON lines, and Parquet where pyarrow is installed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .layout import Layout
from .opening import FileError, open_bytes

if TYPE_CHECKING:
    from pyarrow import parquet

#: Rows of a Parquet file that are in memory at once.
BATCH = 4096

#: The object of one line.
Record = dict[str, object]


def read_json_layout(path: Path) -> Layout:
    """Collect the keys of all lines in the order of their appearance. Raises FileError."""
    names: dict[str, None] = {}
    first = 0
    for line, _, record in _read_objects(path):
        names.update(dict.fromkeys(record))
        first = first or line
    if not names:
        raise FileError(f"{path} is empty.")
    return Layout(path=path, format="jsonl", header=tuple(names), first_line=first)


def read_json_rows(layout: Layout) -> Iterator[tuple[int, list[str | None]]]:
    """Read the number and the cells of each line. Raises FileError."""
    for line, text, record in _read_objects(layout.path):
        yield line, [_encode_json_cell(text, record, name) for name in layout.header]


def _read_objects(path: Path) -> Iterator[tuple[int, str, Record]]:
    """Read number, text and object of each line; numbers in the object are text as in the file."""
    with open_bytes(path) as file:
        for line, encoded in enumerate(file, 1):
            try:
                text = encoded.decode("utf-8-sig").strip()
                record = (
                    json.loads(text, parse_float=str, parse_int=str, parse_constant=str) if text else None
                )
            except (ValueError, RecursionError) as error:
                raise FileError(f"{path}, line {line}: this is no JSON ({error}).") from error
            if isinstance(record, dict):
                yield line, text, record
            elif text:
                raise FileError(f"{path}, line {line}: each line must be one JSON object.")


def _encode_json_cell(text: str, record: Record, name: str) -> str | None:
    match record.get(name):
        case None | "":
            return None
        case bool(value):
            return str(value).lower()
        case str(value):
            return value
    return json.dumps(json.loads(text)[name], ensure_ascii=False)


def read_parquet_layout(path: Path) -> Layout:
    """Read the columns' names. Raises FileError, also where pyarrow is missing."""
    with _open_parquet(path) as file:
        return Layout(path=path, format="parquet", header=tuple(file.schema_arrow.names))


def read_parquet_rows(layout: Layout) -> Iterator[tuple[int, list[str | None]]]:
    """Read the rows, numbered from 1 instead of by lines."""
    before = 0
    with _open_parquet(layout.path) as file:
        for batch in file.iter_batches(BATCH):
            columns = [column.to_pylist() for column in batch.columns]
            for number, cells in enumerate(zip(*columns, strict=True), before + 1):
                yield number, [_encode_parquet_cell(cell) for cell in cells]
            before += batch.num_rows


def _open_parquet(path: Path) -> "parquet.ParquetFile":
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise FileError(
            f"{path} is a Parquet file, which needs pyarrow: .venv/bin/python -m pip install pyarrow."
        ) from None
    try:
        return parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise FileError(f"{path} is no Parquet file that can be read: {error}.") from error


def _encode_parquet_cell(cell: object) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)
