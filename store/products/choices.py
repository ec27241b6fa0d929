"""Choices of a Django field: the values that it declares, their titles, and their members in its choices class."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from . import choice_names


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A value of a category or a label."""

    value: Any
    title: str
    #: Its name in the choices class of the field; None: there is no such class.
    member: str | None = None

    @property
    def text(self) -> str:
        """The value as text, as predictions store it and models receive it."""
        return str(self.value)


def list_choices(field: Any) -> tuple[Choice, ...]:
    """List a field's choices in declared order.

    An empty text is one of them where the field says `blank=True`: last, unless it has a place of its own. A nullable
    field stores null instead of it, unless its choices name it.
    """
    flat = getattr(field, "flatchoices", None) or ()
    declared = [(value, str(title)) for value, title in flat if value is not None]
    values = [(value, title) for value, title in declared if value != "" or field.blank]
    if values and _stores_blank(field) and "" not in dict(values):
        values.append(("", "Blank"))
    members = find_members(field, values)
    return tuple(Choice(value=value, title=title, member=members.get(value)) for value, title in values)


def list_classes(field: Any, classes: Mapping[Any, str] | type[models.Choices]) -> tuple[Choice, ...]:
    """List the classes that a product names for a column without choices, in declared order.

    A class is called by its title in the API where its value is no text, as the key of a row.
    """
    if isinstance(classes, type):
        return tuple(Choice(value=c.value, title=str(c.label), member=c.name) for c in classes)
    values = {read_class(field, value): str(title) for value, title in classes.items()}
    spelled = {value: choice_names.spell(title) for value, title in values.items() if title.strip()}
    count = Counter(spelled.values())

    def name(value: Any) -> str | None:
        if isinstance(value, str) or value not in spelled:
            return None
        return spelled[value] if count[spelled[value]] == 1 else f"{spelled[value]} {value}"

    return tuple(Choice(value=value, title=title, member=name(value)) for value, title in values.items())


def read_class(field: Any, value: Any) -> Any:
    """Read a class as its column holds it, a UUID from its text; as it is where the column cannot hold it."""
    try:
        return field.to_python(value)
    except ValidationError:
        return value


def _stores_blank(field: Any) -> bool:
    return field.blank and not field.null and isinstance(field, models.CharField | models.TextField)


def name_choices(choices: Sequence[Choice], recorded: Mapping[str, str] | None = None) -> dict[str, Choice]:
    """Name the choices as GraphQL's enum does; `recorded` are the names that were served before, by text."""
    members = {choice.text: choice.member for choice in choices if choice.member}
    names = choice_names.name_values([choice.text for choice in choices], members, recorded)
    return {names[choice.text]: choice for choice in choices}


def find_members(field: Any, values: Sequence[tuple[Any, str]]) -> dict[Any, str]:
    """Find the members of the choices class that declares these pairs of value and title, by value.

    Django's fields have forgotten the class, so it is looked for near their model. Where several are equally near and
    name the values differently, none is taken.
    """
    declared = {value: title for value, title in values if value != ""}
    near: dict[int, list[dict[Any, str]]] = {}
    for class_ in _subclasses(models.Choices):
        titles = {member.value: str(member.label) for member in class_}
        distance = _distance(getattr(field, "model", None), class_)
        if distance is not None and declared and declared.items() <= titles.items():
            near.setdefault(distance, []).append({m.value: m.name for m in class_ if m.value in dict(values)})
    if not near:
        return {}
    first, *others = near[min(near)]
    return first if all(other == first for other in others) else {}


def _subclasses(class_: Any) -> Iterator[Any]:
    for subclass in class_.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _distance(model: type | None, class_: Any) -> int | None:
    """0 in the model, 1 in its module, 2 imported there, 3 in its package; None: elsewhere."""
    bases = [base for base in getattr(model, "__mro__", ()) if base.__module__ in sys.modules]
    modules = [base.__module__ for base in bases]
    if any(class_ is value for base in bases for value in vars(base).values()):
        return 0
    if class_.__module__ in modules:
        return 1
    if any(class_ is value for name in modules for value in vars(sys.modules[name]).values()):
        return 2
    return 3 if bases and _package(class_.__module__) == _package(modules[0]) else None


def _package(module: str) -> str:
    return module.rpartition(".")[0] or module
