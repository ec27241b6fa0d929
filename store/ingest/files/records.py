"""Rows with named cells: JSON lines, and Parquet where pyarrow is installed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .layout import Layout
from .opening import FileError, open_bytes

#: Rows of a Parquet file that are in memory at once.
BATCH = 4096


def json_layout(path: Path) -> Layout:
    """The keys of all lines in the order of their appearance. Raises FileError."""
    names: dict[str, None] = {}
    first = 0
    for line, _, found in _objects(path):
        names.update(dict.fromkeys(found))
        first = first or line
    if not names:
        raise FileError(f"{path} is empty.")
    return Layout(path=path, format="jsonl", header=tuple(names), first_line=first)


def json_rows(layout: Layout) -> Iterator[tuple[int, list[str | None]]]:
    for line, text, found in _objects(layout.path):
        yield line, [_json_cell(text, found, name) for name in layout.header]


def _objects(path: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Line, text and object of each line; numbers stay as they are written."""
    with open_bytes(path) as file:
        for line, written in enumerate(file, 1):
            try:
                text = written.decode("utf-8-sig").strip()
                found = json.loads(text, parse_float=str, parse_int=str, parse_constant=str) if text else None
            except (ValueError, RecursionError) as error:
                raise FileError(f"{path}, line {line}: this is no JSON ({error}).") from error
            if isinstance(found, dict):
                yield line, text, found
            elif text:
                raise FileError(f"{path}, line {line}: each line must be one JSON object.")


def _json_cell(text: str, found: dict[str, Any], name: str) -> str | None:
    match found.get(name):
        case None | "":
            return None
        case bool(value):
            return str(value).lower()
        case str(value):
            return value
    return json.dumps(json.loads(text)[name], ensure_ascii=False)


def parquet_layout(path: Path) -> Layout:
    """Raises FileError, also where pyarrow is missing."""
    with _opened(path) as file:
        return Layout(path=path, format="parquet", header=tuple(file.schema_arrow.names))


def parquet_rows(layout: Layout) -> Iterator[tuple[int, list[str | None]]]:
    """The rows, numbered from 1 as lines are."""
    before = 0
    with _opened(layout.path) as file:
        for batch in file.iter_batches(BATCH):
            columns = [column.to_pylist() for column in batch.columns]
            for number, cells in enumerate(zip(*columns, strict=True), before + 1):
                yield number, [_parquet_cell(cell) for cell in cells]
            before += batch.num_rows


def _opened(path: Path) -> Any:
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


def _parquet_cell(cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)
