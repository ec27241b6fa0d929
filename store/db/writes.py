"""Writes: the changes that web processes and workers make to the rows of a table."""

from dataclasses import dataclass
from enum import StrEnum


class Process(StrEnum):
    """A kind of process that works on rows, and may have a role of its own in PostgreSQL."""

    WEB = "web"
    WORKER = "worker"


@dataclass(frozen=True, kw_only=True)
class Writes:
    """The changes that one kind of process makes to the rows of a table."""

    insert: bool = False
    delete: bool = False
    #: The columns that it changes; None: every column.
    update: tuple[str, ...] | None = ()


EVERYTHING = Writes(insert=True, delete=True, update=None)
NOTHING = Writes()
#: Rows that are never changed or deleted.
APPENDED = Writes(insert=True)
