"""The layout of a file of rows."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Format, encoding and columns of a file: all that is needed to read its rows."""

    path: Path
    #: "csv" (with any delimiter), "jsonl", "json", "parquet", "workbook" or "table".
    format: str
    #: Python's name of the encoding.
    encoding: str = "utf-8"
    delimiter: str = ","
    #: None: nothing is quoted, and a quote is a character as any other.
    quote: str | None = '"'
    #: The character that takes the next one's meaning away; None: quotes within cells are doubled.
    escape: str | None = None
    #: True where blanks after a delimiter belong to no cell.
    skips_blanks: bool = False
    #: Titles of the columns; `column_0`, … where the file has none.
    header: tuple[str, ...]
    #: True where `1.234,5` stands for 1234.5.
    decimal_comma: bool = False
    #: The line where the first row of data begins, counted from 1.
    first_line: int = 1
    #: True where the file names its columns.
    has_header: bool = True
    #: Of nested objects, the keys that lead to each column.
    paths: tuple[tuple[str, ...], ...] = ()
    #: Places of the columns that hold lists.
    lists: frozenset[int] = frozenset()
    #: Places of the columns whose cells are texts as they stand: a table of the database has nulls for missing ones.
    texts: frozenset[int] = frozenset()
    #: Places of a sheet's columns that are read: those with a title or a cell.
    places: tuple[int, ...] = ()
    #: The sheet of a workbook that is read.
    sheet: str = ""
    #: True where the sheet was named, so that its name says what the rows are.
    is_sheet_named: bool = False
    #: What is unusual about the file, a sentence each.
    remarks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name of the file for people, with that of the sheet."""
        return f"{self.path.name}, sheet {self.sheet}" if self.sheet else self.path.name

    @property
    def stem(self) -> str:
        """The name that says what the rows are: the file's without endings, or the sheet's."""
        return self.sheet if self.is_sheet_named else self.path.name.split(".")[0]
