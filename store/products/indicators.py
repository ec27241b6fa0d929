"""Indicators: which values the rows of a to-many relation have, each as a feature or all as one set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Func, Subquery, TextField
from django.db.models.functions import Collate

from learning.kinds import MOST_MEMBERS, Kind

from ..exceptions import InvalidJoin
from . import choice_names


@dataclass(frozen=True)
class Choices:
    """Values that rows of a to-many relation have: a feature of yes and no for each, or the set of all as one."""

    #: The path of the column from the base row, as `"tags__label"`.
    path: str
    #: The values; each names its feature, as `tags_new` the value "new" of `tags`. None: the feature is the set of
    #: those that occur.
    values: Sequence[Any] | None = None
    #: The column with the time of those rows. A Join with `at` needs it.
    at: str | None = None
    #: The column with the time at which a row became known, as in `Before`.
    known: str | None = None
    #: Of a set, how many values models learn: those that the most training rows have. None: DEFAULT_MOST.
    most: int | None = None

    @property
    def is_set(self) -> bool:
        """True where the feature is the set of the values."""
        return self.values is None


#: Values of a set that models learn, where no other number is declared.
DEFAULT_MOST = 50


def check_most(name: str, most: Any) -> int:
    """Get the number of values of a set that models learn. Raises InvalidJoin."""
    number = DEFAULT_MOST if most is None else most
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MOST_MEMBERS:
        raise InvalidJoin(f"{name}: most={most!r} is no whole number from 1 to {MOST_MEMBERS:,}.")
    return number


class Members(Subquery):
    """The members that a query yields, as the text of a JSON list; of no rows the empty list."""

    template = "array_to_json(ARRAY(%(subquery)s))::text"


def select_member(path: str) -> Collate:
    """Build the expression of a member of a set as `SetOfTexts` has it, sorted by code points; null where blank."""
    normal = Func(
        F(path), template=Kind.TEXT.stored_sql(null=True).format("%(expressions)s"), output_field=TextField()
    )
    return Collate(normal, "C")


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
    if declared.values is None or declared.most is not None or isinstance(declared.values, str):
        return
    names = choice_names.name_values([str(value) for value in declared.values])
    for value in declared.values:
        indicator = Indicator(declared.path, value, declared.at, declared.known)
        yield f"{name}_{names[str(value)].lower()}", indicator


def refuse_to_one(name: str, path: str, can_be_category: bool) -> str:
    """Say what to declare in place of `Choices` of a path that has one value."""
    category = f", or Category({path!r}) where its values are names or codes" if can_be_category else ""
    return (
        f"{name}: {path!r} has one value for one instance, and Choices are of relations with several rows: name the "
        f"path alone, as {path!r}{category}."
    )


def explain(name: str, declared: Choices) -> str:
    """Say why `Choices` were not spread."""
    if declared.most is not None:
        return (
            f"{name}: most= is for the set of all values: leave it out of Choices, or leave the values out."
        )
    if isinstance(declared.values, str) or not declared.values:
        return f"{name}: Choices takes a list of values, as Choices({declared.path!r}, ['new', 'loud'])."
    names = ", ".join(sorted(key for key, _ in _spread(name, declared)))
    return (
        f"{name}: Choices makes the features {names}, and another feature has one of these names: rename one."
    )
