"""The row cache: rows of tables that never change are read once per process; the newest stay in memory."""

from collections.abc import Callable, Collection, Mapping
from threading import Lock
from typing import Any, Generic, TypeVar

from django.db import models as django

from .base import BaseModel

Key = TypeVar("Key")
Value = TypeVar("Value")
Row = TypeVar("Row", bound=BaseModel)


class RowCache(Generic[Key, Value]):
    """A bounded, thread-safe cache that finds many keys at once and drops the oldest."""

    def __init__(self, max_size: int):
        self.max_size = max_size
        self._values: dict[Key, Value] = {}
        self._lock = Lock()

    def find(
        self,
        keys: Collection[Key],
        load: Callable[[Collection[Key]], Mapping[Key, Value]],
        select_final: Callable[[Collection[Key]], Collection[Key]] | None = None,
    ) -> dict[Key, Value]:
        """Find values by key, from memory or by `load`; missing ones are absent.

        Args:
            load: loads the values that are not in memory.
            select_final: selects the keys whose values can no longer change; only these are cached.
        """
        with self._lock:
            values = {key: self._values[key] for key in keys if key in self._values}
        if missing := [key for key in keys if key not in values]:
            # Before loading: a value that becomes final in between may have been read before its last change.
            final = missing if select_final is None else select_final(missing)
            loaded = load(missing)
            self._add({key: loaded[key] for key in final if key in loaded})
            values |= loaded
        return values

    def _add(self, values: Mapping[Key, Value]) -> None:
        with self._lock:
            self._values |= values
            while len(self._values) > self.max_size:
                del self._values[next(iter(self._values))]


#: One cache for each table that never changes.
_rows: dict[type[BaseModel], RowCache[Any, Any]] = {}
#: Rows of one table in memory, at most.
MAX_ROWS = 1_000


def caches_rows(table: type[django.Model]) -> bool:
    """Return True where rows of this table are cached."""
    return issubclass(table, BaseModel) and table.unchanging


def get_rows(table: type[Row], keys: Collection[Any]) -> dict[Any, Row]:
    """Get rows by primary key; missing keys are absent.

    Rows of tables that never change come from the cache, as fresh copies.
    """
    load = table._base_manager.in_bulk
    if not caches_rows(table):
        return load(keys)
    cached = _rows.setdefault(table, RowCache(MAX_ROWS)).find(keys, load)
    return {key: row.copy() for key, row in cached.items()}
