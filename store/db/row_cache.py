"""Kept: what never changes is read once by a process, which has the newest of it in memory."""

from collections.abc import Callable, Collection, Mapping
from threading import Lock
from typing import Any, Generic, TypeVar

from django.db import models as django

from .base import BaseModel

Key = TypeVar("Key")
Value = TypeVar("Value")
Row = TypeVar("Row", bound=BaseModel)


class RowCache(Generic[Key, Value]):
    """Values by their keys, for any thread."""

    def __init__(self, most: int):
        self.most = most
        self._values: dict[Key, Value] = {}
        self._lock = Lock()

    def find(
        self,
        keys: Collection[Key],
        look: Callable[[Collection[Key]], Mapping[Key, Value]],
        last: Callable[[Collection[Key]], Collection[Key]] | None = None,
    ) -> dict[Key, Value]:
        """Those that there are; `look` looks up what is not in memory, and `last` says which of it may be kept."""
        with self._lock:
            known = {key: self._values[key] for key in keys if key in self._values}
        if missing := [key for key in keys if key not in known]:
            lasting = missing if last is None else last(missing)  # before: it may become so while it is read
            found = look(missing)
            self._keep({key: found[key] for key in lasting if key in found})
            known |= found
        return known

    def _keep(self, found: Mapping[Key, Value]) -> None:
        with self._lock:
            self._values |= found
            while len(self._values) > self.most:
                del self._values[next(iter(self._values))]


#: Of each table that never changes.
_rows: dict[type[BaseModel], RowCache[Any, Any]] = {}
#: Rows of each.
MOST = 1_000


def caches_rows(table: type[django.Model]) -> bool:
    return issubclass(table, BaseModel) and table.unchanging


def rows(table: type[Row], keys: Collection[Any]) -> dict[Any, Row]:
    """Those that there are, by their keys; where the table never changes, from memory, and nobody else's objects."""
    look = table._base_manager.in_bulk
    if not caches_rows(table):
        return look(keys)
    found = _rows.setdefault(table, RowCache(MOST)).find(keys, look)
    return {key: row.copy() for key, row in found.items()}
