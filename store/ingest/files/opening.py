"""Open a file from a path or the standard input, decompressed where it is gzip."""

import gzip
import shutil
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

from ...exceptions import StoreError

GZIP = b"\x1f\x8b"
#: The first bytes of formats that cannot be read, and how they are named.
PACKED = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"%PDF": "a PDF",
}
#: The first bytes of old Excel workbooks, and of new ones that a password protects.
COMPOUND = b"\xd0\xcf\x11\xe0"
#: Files that only workbooks have: those of Excel, Excel's binary format, and OpenDocument.
WORKBOOK_PARTS = {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}
#: Errors of reading a file, or of decompressing it.
UNREADABLE = (OSError, EOFError, zlib.error)


class FileError(StoreError):
    """The file cannot be read."""

    code = "BAD_INPUT"


def get_local_file(path: Path) -> Path:
    """Get a file that can be read repeatedly: `path`, or a copy of the standard input for `-`. Raises FileError."""
    if str(path) == "-":
        path = _copy_standard_input()
    if path.is_dir():
        raise FileError(f"{path} is a directory: name the files in it.")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    if not start:
        raise FileError(f"{path} is empty.")
    for magic, kind in PACKED.items():
        if start.startswith(magic) and not is_workbook(path):
            raise FileError(f"{path} is {kind}: save what is in it as CSV.")
    return path


def is_workbook(path: Path) -> bool:
    """Return True where the file is a workbook of Excel or OpenDocument."""
    with path.open("rb") as file:
        start = file.read(4)
    if start != b"PK\x03\x04":
        return start == COMPOUND
    try:
        with zipfile.ZipFile(path) as archive:
            return not WORKBOOK_PARTS.isdisjoint(archive.namelist())
    except zipfile.BadZipFile:
        return False


@cache
def _copy_standard_input() -> Path:
    """Copy the standard input into a file that is deleted when the process ends."""
    folder = _get_temporary_folder()
    path = Path(folder.name) / "standard-input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


@cache
def _get_temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="exemplar-")


@dataclass
class Position:
    """Position up to which a file has been read, in bytes as they are on the disk."""

    file: BinaryIO | None = None
    size: int = 0

    def tell(self) -> int:
        """Get the number of bytes that were read so far: all of them once the file is closed."""
        return self.file.tell() if self.file and not self.file.closed else self.size


class _Decompressed(gzip.GzipFile):
    """A gzip file that closes the file it reads from."""

    def __init__(self, file: BinaryIO):
        super().__init__(fileobj=file, mode="rb")
        self.file = file

    def close(self) -> None:
        super().close()
        self.file.close()


def open_bytes(path: Path, position: Position | None = None) -> BinaryIO:
    """Open the file's bytes, decompressed where it is gzip. `position` then tells how far it was read."""
    file = path.open("rb")
    if position:
        position.file, position.size = file, path.stat().st_size
    return cast(BinaryIO, _Decompressed(file)) if _is_gzip(path) else file


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def starts_with(path: Path, start: bytes) -> bool:
    """Return True where the decompressed file starts so, after a byte order mark and white space."""
    return read_start(path, 64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start)


def read_start(path: Path, size: int) -> bytes:
    """Read the first `size` bytes of the decompressed file. Raises FileError."""
    try:
        with open_bytes(path) as file:
            return file.read(size)
    except UNREADABLE as error:
        raise FileError(f"{path} cannot be decompressed: {error}.") from error
