"""Indicators: for each of several values, whether a row of a to-many relation has it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import choice_names


@dataclass(frozen=True)
class Choices:
    """Values that rows of a to-many relation may have: one feature of yes and no for each value."""

    #: The path of the column from the base row, as `"tags__label"`.
    path: str
    #: The values; each names its feature, as `tags_new` the value "new" of `tags`.
    values: Sequence[Any]
    #: The column with the time of those rows. A Join with `at` needs it.
    at: str | None = None
    #: The column with the time at which a row became known, as in `Before`.
    known: str | None = None


@dataclass(frozen=True)
class Indicator:
    """One value of `Choices`."""

    path: str
    value: Any
    at: str | None
    known_at: str | None


def spread(features: Mapping[str, Any]) -> dict[str, Any]:
    """Put an indicator for each value in the place of `Choices`; those that cannot be named apart stay as they are."""
    result: dict[str, Any] = {}
    for name, declared in features.items():
        named = dict(_spread(name, declared)) if isinstance(declared, Choices) else {name: declared}
        is_clear = (
            len(named) and result.keys().isdisjoint(named) and features.keys().isdisjoint({*named} - {name})
        )
        result |= named if is_clear else {name: declared}
    return result


def _spread(name: str, declared: Choices) -> Iterator[tuple[str, Any]]:
    if isinstance(declared.values, str):
        return
    names = choice_names.name_values([str(value) for value in declared.values])
    for value in declared.values:
        indicator = Indicator(declared.path, value, declared.at, declared.known)
        yield f"{name}_{names[str(value)].lower()}", indicator


def explain(name: str, declared: Choices) -> str:
    """Say why `Choices` were not spread."""
    if isinstance(declared.values, str) or not declared.values:
        return f"{name}: Choices takes a list of values, as Choices({declared.path!r}, ['new', 'loud'])."
    names = ", ".join(sorted(key for key, _ in _spread(name, declared)))
    return (
        f"{name}: Choices makes the features {names}, and another feature has one of these names: rename one."
    )
