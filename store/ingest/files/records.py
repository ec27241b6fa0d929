"""Rows with named cells: JSON lines, JSON, and Parquet where pyarrow is installed."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import nesting
from .layout import Layout
from .nesting import KeyPath, NestedColumns
from .opening import UNREADABLE, FileError, Position, open_bytes, read_start

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet

#: Rows of a Parquet file that are in memory at once.
BATCH = 4096
#: Characters of a JSON file that are read at once, and those of one object at most.
CHUNK, MAX_OBJECT = 1 << 16, 1 << 26

#: An object of the file; numbers in it are text as in the file.
Record = dict[str, object]
#: The line where an object begins, its text, and the object.
Located = tuple[int, str, Record]
JSON_NUMBERS: dict[str, Any] = {"parse_float": str, "parse_int": str, "parse_constant": str}
BLANKS = re.compile(r"[ \t\r\n]*")


def read_json_layout(path: Path, format: str) -> Layout:
    """Collect the keys of all objects in the order of their appearance. Raises FileError.

    Args:
        format: "jsonl" for an object in each line, "json" for an array of objects.
    """
    columns, count, first, record = NestedColumns(), 0, 0, None
    for line, _, record in _read_objects(path, format):
        count += 1
        first = first or line
        columns.add(record)
        if len(columns.paths) > nesting.MAX_COLUMNS:
            raise FileError(
                f"{path}, line {line}: there are more than {nesting.MAX_COLUMNS:,} different keys; write what differs "
                "from object to object as values, not as keys."
            )
    if not columns.paths:
        raise FileError(f"{path} is empty.")
    if record and count == 1:
        _check_rows(path, record)
    paths = columns.list_paths()
    return Layout(
        path=path,
        format=format,
        header=nesting.name_columns(paths),
        first_line=first,
        paths=paths,
        lists=nesting.find_lists(paths, columns.lists),
    )


def _check_rows(path: Path, record: Record) -> None:
    """Raise FileError where the only object of a file holds the rows in a list."""
    for key, value in record.items():
        if isinstance(value, list) and len(value) > 1 and isinstance(value[0], dict):
            raise FileError(f"{path} is one object, whose rows are in {key!r}: save that list as a file.")


def read_json_rows(
    layout: Layout, position: Position | None = None
) -> Iterator[tuple[int, list[str | None]]]:
    """Read the line and the cells of each object. Raises FileError."""
    for line, text, record in _read_objects(layout.path, layout.format, position):
        try:
            yield line, [_encode_json_cell(text, record, path) for path in layout.paths]
        except (
            ValueError,
            RecursionError,
        ) as error:  # within lists: digits beyond Python's limit, too many brackets
            raise FileError(f"{layout.path}, line {line}: a list cannot be read ({error}).") from error


def _read_objects(path: Path, format: str, position: Position | None = None) -> Iterator[Located]:
    read = _read_json_lines if format == "jsonl" else _read_json_values
    try:
        yield from read(path, position)
    except UNREADABLE as error:
        raise FileError(f"{path} cannot be read: {error}.") from error


def is_json_lines(path: Path) -> bool:
    """Return True where the first line with text is a JSON value by itself."""
    try:
        with open_bytes(path) as file:
            first = next((line for line in file if line.strip(b" \t\r\n\xef\xbb\xbf")), b"")
        return isinstance(json.loads(first.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError, *UNREADABLE):
        return False


def is_json_array(path: Path) -> bool:
    """Return True where the file begins as an array of objects does."""
    start = read_start(path, 4096).removeprefix(b"\xef\xbb\xbf")
    return re.match(rb"\s*\[\s*(\{|\]\s*$)", start) is not None


def _read_json_lines(path: Path, position: Position | None) -> Iterator[Located]:
    with open_bytes(path, position) as file:
        for line, encoded in enumerate(file, 1):
            try:
                text = encoded.decode("utf-8-sig").strip()
                record = json.loads(text, **JSON_NUMBERS) if text else None
            except (ValueError, RecursionError) as error:
                raise FileError(f"{path}, line {line}: this is no JSON ({error}).") from error
            if isinstance(record, dict):
                yield line, text, record
            elif text:
                raise FileError(f"{path}, line {line}: each line must be one JSON object.")


def _read_json_values(path: Path, position: Position | None) -> Iterator[Located]:
    """Read the objects of an array, or objects one after another, in bounded memory."""
    with open_bytes(path, position) as file:
        stream = _JsonStream(path, io.TextIOWrapper(file, "utf-8-sig"))
        is_array = stream.skip("[")
        while stream.fill() and not (is_array and stream.is_next("]")):
            yield stream.read_object()
            stream.skip(",")
        if is_array:
            stream.end_array()


class _JsonStream:
    """JSON text that is read object by object."""

    def __init__(self, path: Path, file: io.TextIOBase):
        self.path, self.file = path, file
        self.text, self.at, self.line = "", 0, 1
        self.decoder = json.JSONDecoder(**JSON_NUMBERS)

    def fill(self) -> bool:
        """Skip blanks. Returns: True where there is more text."""
        while True:
            blanks = BLANKS.match(self.text, self.at)
            self.advance(blanks.end() if blanks else self.at)
            if self.at < len(self.text) or not self.read():
                return self.at < len(self.text)

    def read(self) -> bool:
        """Read more text, as much as there is already. Returns: False at the end of the file."""
        rest = self.text[self.at :]
        try:
            chunk = self.file.read(max(CHUNK, len(rest)))
        except UnicodeDecodeError as error:
            raise FileError(f"{self.path}, after line {self.line}: this is no UTF-8 ({error}).") from error
        self.text, self.at = rest + chunk, 0
        return bool(chunk)

    def advance(self, end: int) -> None:
        """Go on to the character at `end`, and count the lines before it."""
        self.line += self.text.count("\n", self.at, end)
        self.at = end

    def skip(self, sign: str) -> bool:
        """Skip the sign where it is next. Returns: True where it was."""
        is_next = self.is_next(sign)
        if is_next:
            self.advance(self.at + 1)
        return is_next

    def is_next(self, sign: str) -> bool:
        """Return True where the sign comes next, after blanks."""
        return self.fill() and self.text.startswith(sign, self.at)

    def end_array(self) -> None:
        """Read the end of the array, and of the file. Raises FileError where something is missing or follows."""
        if not self.skip("]"):
            raise FileError(f"{self.path}, line {self.line}: the array does not end: the file was cut off.")
        if self.fill():
            raise FileError(f"{self.path}, line {self.line}: nothing may follow the array of rows.")

    def read_object(self) -> Located:
        """Read the next object. Raises FileError where there is another value."""
        line = self.line
        if not self.text.startswith("{", self.at):
            raise FileError(f"{self.path}, line {line}: each element must be one JSON object.")
        while True:
            try:
                record, end = self.decoder.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                is_long = len(self.text) - self.at > MAX_OBJECT
                if isinstance(error, RecursionError) or is_long or not self.read():
                    raise FileError(f"{self.path}, line {line}: this is no JSON ({error}).") from error
            else:
                text = self.text[self.at : end]
                self.advance(end)
                return line, text, record


def _encode_json_cell(text: str, record: Record, path: KeyPath) -> str | None:
    match nesting.get_value(record, path):
        case None | "":
            return None
        case bool(value):
            return str(value).lower()
        case str(value):
            return value
    return json.dumps(nesting.get_value(json.loads(text), path), ensure_ascii=False)


def read_parquet_layout(path: Path) -> Layout:
    """Read the columns' names. Raises FileError, also where pyarrow is missing."""
    with _open_parquet(path) as file:
        columns = dict(_list_parquet_columns(file.schema_arrow))
    paths = tuple(columns)
    lists = nesting.find_lists(paths, (key_path for key_path, is_list in columns.items() if is_list))
    return Layout(path=path, format="parquet", header=nesting.name_columns(paths), paths=paths, lists=lists)


def _list_parquet_columns(
    fields: "Sequence[pyarrow.Field]", prefix: KeyPath = ()
) -> Iterator[tuple[KeyPath, bool]]:
    """Yield the path of each column, and whether it holds lists."""
    from pyarrow import types

    for field in fields:
        path = (*prefix, field.name)
        if types.is_struct(field.type) and len(path) < nesting.MAX_DEPTH:
            yield from _list_parquet_columns(
                [field.type.field(i) for i in range(field.type.num_fields)], path
            )
        else:
            yield path, types.is_nested(field.type)


def read_parquet_rows(layout: Layout) -> Iterator[tuple[int, list[str | None]]]:
    """Read the rows, numbered from 1 instead of by lines."""
    before = 0
    with _open_parquet(layout.path) as file:
        for batch in file.iter_batches(BATCH):
            for number, record in enumerate(batch.to_pylist(), before + 1):
                value_at = partial(nesting.get_value, record)
                yield number, [_encode_parquet_cell(value_at(path)) for path in layout.paths]
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
