"""How a file is written."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What must be known of a file to read its rows."""

    path: Path
    #: "csv" (whatever the delimiter), "jsonl" or "parquet".
    format: str
    #: Python's name of the encoding.
    encoding: str = "utf-8"
    delimiter: str = ","
    #: None: nothing is quoted.
    quote: str | None = '"'
    #: As they stand in the file; `column_0`, … where it names none.
    header: tuple[str, ...]
    #: Whether `1.234,5` is written for 1234.5.
    decimal_comma: bool = False
    #: The line where the first row of data begins, counted from 1.
    first_line: int = 1
    #: Whether the file names its columns.
    has_header: bool = True
