"""Columns of nested objects: one for each path of keys, named after it (`base_hp`)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

#: The keys that lead to a value of a nested object.
KeyPath = tuple[str, ...]
#: Objects within each other that become columns; what is deeper stays text.
MAX_DEPTH = 8
#: Columns of a file; with more, the keys of its objects are most probably values.
MAX_COLUMNS = 1000


@dataclass
class NestedColumns:
    """The columns of the objects that were seen so far, in the order of their appearance."""

    #: True for paths that have led to a value.
    paths: dict[KeyPath, bool] = field(default_factory=dict)
    lists: set[KeyPath] = field(default_factory=set)

    def add(self, record: Mapping[str, object]) -> None:
        """Add the columns of one object."""
        for path, value in walk(record):
            self.paths[path] = self.paths.get(path, False) or value is not None
            if isinstance(value, list | dict):
                self.lists.add(path)

    def list_paths(self) -> tuple[KeyPath, ...]:
        """List the paths of the columns, without those that are null wherever they are no object."""
        objects = {path[:depth] for path in self.paths for depth in range(1, len(path))}
        return tuple(path for path, has_value in self.paths.items() if has_value or path not in objects)


def walk(record: Mapping[str, object], prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Yield the path and the value of each column of an object; empty objects have none."""
    for name, value in record.items():
        path = (*prefix, name)
        if isinstance(value, dict) and len(path) < MAX_DEPTH:
            yield from walk(value, path)
        else:
            yield path, value


def get_value(record: Mapping[str, object], path: KeyPath) -> object:
    """Get the value at the end of the path; None where an object has no such key or the path ends at an object."""
    value: object = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return None if isinstance(value, dict) and len(path) < MAX_DEPTH else value


def name_columns(paths: Sequence[KeyPath]) -> tuple[str, ...]:
    """Join the keys of each path by underscores, or by points where another column would have the same name."""
    joined = Counter("_".join(path) for path in paths)
    return tuple("_".join(path) if joined["_".join(path)] == 1 else ".".join(path) for path in paths)


def find_lists(paths: Sequence[KeyPath], lists: Iterable[KeyPath]) -> frozenset[int]:
    """Find the places of the columns that hold lists."""
    return frozenset(map(paths.index, set(lists) & set(paths)))
