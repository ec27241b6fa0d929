"""The sized cache: values in memory as long as all of them together are not too large."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class SizedCache(Generic[Key, Value]):
    """Values by key, of which those that were used longest ago go. Thread-safe."""

    def __init__(self, most: int, measure: Callable[[Value], int]):
        """Make a cache.

        Args:
            measure: the size of a value, which does not change; their sum is at most `most`.
        """
        self.most, self.measure = most, measure
        self.size = 0
        self._values: dict[Key, Value] = {}
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """Get a value, which is the one that was used last from now on; None where there is none."""
        with self._lock:
            if key not in self._values:
                return None
            value = self._values[key] = self._values.pop(key)
            return value

    def put(self, key: Key, value: Value) -> None:
        """Put a value in the place of the one that the key has."""
        with self._lock:
            if key in self._values:
                self._drop(key)
            self._values[key] = value
            self.size += self.measure(value)
            while self.size > self.most and self._values:
                self._drop(next(iter(self._values)))

    def _drop(self, key: Key) -> None:
        self.size -= self.measure(self._values.pop(key))
