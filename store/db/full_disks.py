"""Full disks, as errors of the operating system and of PostgreSQL tell of them."""

import tempfile
from errno import EDQUOT, ENOENT, ENOSPC

from psycopg2.errorcodes import DISK_FULL

from .sqlstates import get_sqlstate


def describe(error: BaseException) -> str | None:
    """Return a sentence about the disk that is full; None if the error has another reason."""
    if get_sqlstate(error) == DISK_FULL:
        return "There is no room on PostgreSQL's disk."
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT):
        return f"There is no room on the disk of {error.filename or 'a file that is being written'}."
    if isinstance(error, FileNotFoundError) and error.errno == ENOENT and tempfile.tempdir is None:
        # The module has tried to write to every folder that it knows.
        return "There is no room in any folder for temporary files." if "temporary" in str(error) else None
    return None
