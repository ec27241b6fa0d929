"""Served choices: the values that enums of the API have served, each under a name that never moves.

A web process records the names of what it serves for the first time. What was served once stays readable: a value that
is declared no longer keeps its name, beside those that are.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from django.db import ProgrammingError, connection, models, transaction
from django.db.models.functions import Now

from learning.kinds import is_storable, normal_form

from ..db import sqlstates
from ..db.base import BaseModel
from ..db.fields import DigestField
from ..db.writes import APPENDED
from ..exceptions import BadInput
from ..predictions import truth
from ..products.choices import Choice, name_choices
from ..products.product import DataProduct

log = logging.getLogger(__name__)

#: The column of a label's choices; a feature's are under its name.
LABEL = ""
#: Tries to record names, while other processes record theirs.
TRIES = 3
#: Names that an error lists, at most.
MAX_LISTED = 20

#: What was served, and what model versions know that learned before names were recorded: the latter without a name.
SERVED = """
SELECT product, "column", value, name, title FROM store_servedchoice
UNION ALL
SELECT version.product, '', class.value, NULL, NULL
FROM (SELECT DISTINCT product, signature -> 'classes' AS classes FROM store_modelversion) AS version,
    jsonb_array_elements_text(version.classes) AS class(value)
UNION ALL
SELECT version.product, version.feature ->> 'name', choice.value, NULL, NULL
FROM (SELECT DISTINCT product, jsonb_array_elements(signature -> 'columns') AS feature FROM store_modelversion)
    AS version, jsonb_array_elements_text(version.feature -> 'choices') AS choice(value)
"""


class ServedChoice(BaseModel):
    """A value of a label or a category that the API has served."""

    web_writes = worker_writes = APPENDED

    #: A hash of product, column and value.
    id = DigestField(primary_key=True)
    product = models.CharField(max_length=40)
    #: The feature; empty for the label.
    column = models.CharField(max_length=40, blank=True)
    value = models.TextField(blank=True)
    #: The member of the enum.
    name = models.CharField(max_length=200)
    title = models.TextField()
    served_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product", "column", "name"], name="one_value_per_name_of_a_served_choice"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.column or 'label'}: {self.name}"


class Served(NamedTuple):
    """A recorded choice."""

    #: None: a model version knows the value, and no enum has served it.
    name: str | None
    title: str


@dataclass(frozen=True, kw_only=True)
class NamedChoice:
    """A choice under its name in the API."""

    name: str
    text: str
    title: str
    #: False: only older rows have the value.
    declared: bool


#: By product and column, what was served, by text.
Record = Mapping[tuple[str, str], Mapping[str, Served]]
#: The record as this process has read it; empty until then, and where there is no database.
_record: Record = {}


@lru_cache(1_000)
def list_named(product: DataProduct, column: str = LABEL) -> tuple[NamedChoice, ...]:
    """List the choices of the label or of a feature in declared order, then those that were served once."""
    served = _record.get((product.name, column), {})
    declared = {choice.text: choice for choice in _declared(product, column)}
    former = [Choice(value=text, title=row.title) for text, row in served.items() if text not in declared]
    names = {text: row.name for text, row in served.items() if row.name is not None}
    return tuple(
        NamedChoice(name=name, text=choice.text, title=choice.title, declared=choice.text in declared)
        for name, choice in name_choices([*declared.values(), *former], names).items()
    )


def find_answer(product: DataProduct, answer: str | None, argument: Sequence[str | int]) -> str | None:
    """Find the text by which predictions store an answer. Raises BadInput.

    Args:
        answer: a label's name or value, a number, or the number of a cluster; None for no answer.
    """
    if answer is None:
        return None
    if product.problem.has_classes:
        return find_label(product, answer, argument)
    try:
        return repr(float(answer)) if product.problem.has_values else str(int(answer))
    except ValueError:
        noun = "number" if product.problem.has_values else "number of a cluster"
        raise BadInput(f"{answer!r} is no {noun}.", argument=argument) from None


def find_label(product: DataProduct, label: str, argument: Sequence[str | int]) -> str:
    """Find the text of a label by its value or its name. Raises BadInput, which lists the names."""
    choices = list_named(product)
    texts = {choice.name: choice.text for choice in choices} | {
        choice.text: choice.text for choice in choices
    }
    for spelling in (label, normal_form(label)):
        if spelling in texts:
            return texts[spelling]
    names = ", ".join(choice.name for choice in choices[:MAX_LISTED])
    more = ", …" if len(choices) > MAX_LISTED else ""
    raise BadInput(f"{label!r} is no label of {product.name}: it takes {names}{more}.", argument=argument)


def record(products: Sequence[DataProduct]) -> bool:
    """Read the record, and add what is served for the first time.

    Returns: True where a name or a choice differs from those before the call.
    """
    before = list_all(products)
    try:
        for _ in range(TRIES):
            use(_read())
            if not _add_missing(products):
                break
    except ProgrammingError as error:
        log.warning("Names of choices are not recorded. %s", sqlstates.explain(error))
    return list_all(products) != before


def load_record() -> None:
    """Read the record without adding to it; there is none before the migration."""
    try:
        with transaction.atomic():
            use(_read())
    except ProgrammingError:
        use({})


def use(record: Record) -> None:
    """Name choices by this record from now on."""
    global _record
    _record = record
    list_named.cache_clear()


def list_all(products: Sequence[DataProduct]) -> list[tuple[NamedChoice, ...]]:
    """List the choices of all enums of these products, as `list_named` does."""
    return [list_named(product, column) for product in products for column in _columns(product)]


def _columns(product: DataProduct) -> Iterable[str]:
    """The label, if it has classes, and the features that have choices."""
    if product.labels:
        yield LABEL
    yield from (column.name for column in (*product.columns, *product.retired) if column.choices)


def _declared(product: DataProduct, column: str) -> tuple[Choice, ...]:
    if column == LABEL:
        return product.labels
    columns = (*product.columns, *product.retired)
    return next(feature.choices for feature in columns if feature.name == column)


def _read() -> Record:
    with connection.cursor() as cursor:
        cursor.execute(SERVED)
        rows = cursor.fetchall()
    record: dict[tuple[str, str], dict[str, Served]] = {}
    for product, column, value, name, title in rows:
        by_text = record.setdefault((product, column), {})
        if name is not None or value not in by_text:
            by_text[value] = Served(name, title or value or "Blank")
    return {key: dict(sorted(values.items())) for key, values in record.items()}


def _add_missing(products: Sequence[DataProduct]) -> bool:
    """Store what the record lacks, unless another process has. Returns: True where there was something."""
    missing = [
        ServedChoice(
            id=truth.digest(f"{product.name}\0{column}\0{choice.text}"),
            product=product.name,
            column=column,
            value=choice.text,
            name=choice.name,
            title=choice.title,
        )
        for product in products
        for column in _columns(product)
        for choice in list_named(product, column)
        if _is_new(product, column, choice)
    ]
    ServedChoice.objects.bulk_create(missing, ignore_conflicts=True)
    return bool(missing)


def _is_new(product: DataProduct, column: str, choice: NamedChoice) -> bool:
    row = _record.get((product.name, column), {}).get(choice.text)
    return (row is None or row.name is None) and is_storable(choice.text + choice.title)
