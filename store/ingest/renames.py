"""Columns of a file that no table has, beside those of the table that the file lacks: what was probably renamed."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.db import models

from .files import field_names
from .tables import LoadPlan

#: How alike two names are, from 0 to 1, where one is taken for the other's new form.
ALIKE = 0.6


@dataclass(frozen=True)
class Rename:
    """A column of the file that probably is a field under another name."""

    header: str
    field: models.Field

    def __str__(self) -> str:
        model = self.field.model
        return (
            f"{self.header!r} may be {get_title(self.field)!r} renamed: call it so in the file, or write verbose_name="
            f"{self.header!r} at {self.field.name} of {model.__name__} in {model._meta.app_label}/models.py."
        )


def get_title(field: models.Field) -> str:
    """Get the title of a field as files have it."""
    return str(getattr(field, "_verbose_name", None) or field.help_text or field.name)


def list_missing_fields(plan: LoadPlan) -> list[models.Field]:
    """List the fields of the tables that no column of the file goes to, without keys and relations."""
    return [
        field
        for table in plan.tables
        for field in table.model._meta.concrete_fields
        if field not in table.values
        and field.editable
        and not (field.primary_key or field.is_relation or field.generated)
    ]


def guess_renames(plan: LoadPlan) -> Iterator[Rename]:
    """Guess which columns that no table has are fields under another name, the most alike first."""
    pairs = sorted(
        (
            (_compare(header, field), header, field)
            for header in plan.new_columns
            for field in list_missing_fields(plan)
        ),
        key=lambda pair: -pair[0],
    )
    headers, fields = set(), set()
    for likeness, header, field in pairs:
        if likeness >= ALIKE and header not in headers and field not in fields:
            headers.add(header)
            fields.add(field)
            yield Rename(header, field)


def _compare(header: str, field: models.Field) -> float:
    """Compare a header with the title and the name of a field: 1 where one has all words of the other."""
    (name,) = field_names([header])
    names = {field.name, *field_names([get_title(field)])}
    return max(
        1.0 if _has_words(name, other) else SequenceMatcher(None, name, other).ratio() for other in names
    )


def _has_words(name: str, other: str) -> bool:
    words, others = set(name.split("_")), set(other.split("_"))
    return words <= others or others <= words


def describe_missing(plan: LoadPlan) -> list[str]:
    """Describe what the file lacks, where it has columns that no table has."""
    missing = list_missing_fields(plan)
    if not plan.new_columns or not missing:
        return []
    titles = ", ".join(map(get_title, missing))
    return [
        f"{plan.layout.title} has no column for {titles}: existing rows keep their values, new ones have none.",
        *map(str, guess_renames(plan)),
    ]
