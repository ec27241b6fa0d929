"""The layout of a file of rows."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Format, encoding and columns of a file: all that is needed to read its rows."""

    path: Path
    #: "csv" (with any delimiter), "jsonl" or "parquet".
    format: str
    #: Python's name of the encoding.
    encoding: str = "utf-8"
    delimiter: str = ","
    #: None: nothing is quoted.
    quote: str | None = '"'
    #: Titles of the columns; `column_0`, … where the file has none.
    header: tuple[str, ...]
    #: True where `1.234,5` stands for 1234.5.
    decimal_comma: bool = False
    #: The line where the first row of data begins, counted from 1.
    first_line: int = 1
    #: True where the file names its columns.
    has_header: bool = True
