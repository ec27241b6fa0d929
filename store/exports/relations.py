"""Relations: the rows of an export as SQL, in an order in which a client can continue after any of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models import F, Q, QuerySet, Value

from ..access import acting
from ..exceptions import BadInput, Forbidden, UnknownId
from ..predictions.feedback import Feedback
from ..predictions.predictions import PredictionQuerySet
from ..products.columns import TypedColumn
from ..products.product import DataProduct
from ..snapshots import snapshots
from ..snapshots.fingerprint import SUBJECT
from ..snapshots.snapshots import SYSTEM_COLUMNS, Snapshot

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The position of a prediction: the microsecond in which it was created, and its key.
PREDICTION_CURSOR = re.compile(r"(-?[0-9]{1,17})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
NUMBER_CURSOR = re.compile(r"[0-9]{1,18}")
#: The position of a row of a snapshot, whose table is never changed: its block, and its place in it.
PLACE_CURSOR = re.compile(r"([0-9]{1,10})-([0-9]{1,5})")
#: The name of the column by which a client continues.
CURSOR = "cursor"


@dataclass(frozen=True)
class ExportColumn:
    """A column of an export, as SQL over the row `r`."""

    name: str
    #: As CSV has it.
    text: str
    #: As JSON has it; empty: the same.
    json: str = ""
    #: In its own type; empty: the same.
    typed: str = ""
    #: True where a spreadsheet might take a value for a formula.
    is_free_text: bool = False


@dataclass(frozen=True)
class ExportRelation:
    """Columns of rows in order."""

    columns: Sequence[ExportColumn]
    #: SQL behind FROM, with its parameters filled in; it names the rows `r`.
    source: str


def select_predictions(
    product: DataProduct, rows: PredictionQuerySet, prefix: str, after: str | None
) -> ExportRelation:
    """Build the relation of predictions, oldest first.

    Args:
        prefix: the beginning of the names of the product's types, which ids begin with.

    Raises: BadInput.
    """
    ordered = rows.order_by("created_at", "pk")
    if after is not None:
        created_at, key = _read_prediction_cursor(after)
        # The first condition finds the place by the index.
        later = Q(created_at__gt=created_at) | Q(pk__gt=key)
        ordered = ordered.filter(Q(created_at__gte=created_at) & later)
    columns = {
        "id": "pk",
        "created_at": "created_at",
        "updated_at": "updated_at",
        "times_asked": "times_asked",
        "model": "model__number",
        "entity": "entity",
        "reference": "reference",
        "answer": "answer",
        "value": "value",
        "confidence": "confidence",
        "output": "output",
        "features": "features",
    }
    own = [
        ExportColumn("id", _node_id(f"{prefix}Prediction", "r.id")),
        *_plain("created_at", "updated_at", "times_asked", "model"),
        *_texts("entity", "reference", "answer"),
        *_plain("value", "confidence"),
        ExportColumn("output", "r.output", typed="r.output::text"),
    ]
    features = [_stored_feature(column) for column in product.columns]
    position = "(extract(epoch FROM r.created_at) * 1000000)::bigint || '-' || r.id"
    return _relation(own, features, position, ordered, columns)


def _read_prediction_cursor(cursor: str) -> tuple[datetime, str]:
    if match := PREDICTION_CURSOR.fullmatch(cursor):
        try:
            return EPOCH + timedelta(microseconds=int(match[1])), match[2]
        except OverflowError:
            pass
    raise _no_cursor()


def select_feedback(rows: QuerySet[Feedback], prefix: str, after: str | None) -> ExportRelation:
    """Build the relation of feedback in the order of its numbers. Raises BadInput."""
    rows = rows.order_by("pk")
    if after is not None:
        rows = rows.filter(pk__gt=int(_match(NUMBER_CURSOR, after)[0]))
    names = ("id", "created_at", "observed_at", "retracted_at", "author", "answer", "entity", "reference")
    columns = {name: name for name in (*names, "comment")} | {"prediction": "prediction_id"}
    prediction = _node_id(f"{prefix}Prediction", "r.prediction")
    own = [
        ExportColumn("id", _node_id(f"{prefix}Feedback", "r.id")),
        *_plain("created_at", "observed_at", "retracted_at"),
        *_texts("author", "answer", "entity", "reference"),
        ExportColumn("prediction", f"CASE WHEN r.prediction IS NOT NULL THEN {prediction} END"),
        *_texts("comment"),
    ]
    return _relation(own, [], "r.id::text", rows, columns)


def select_entities(product: DataProduct, rows: QuerySet[Any], after: str | None) -> ExportRelation:
    """Build the relation of entities in the order of their keys, with their inputs as the tables have them now.

    Raises: BadInput.
    """
    join, ordered = product.join, join_rows(product, rows).order_by("pk")
    if after is not None:
        try:
            ordered = ordered.filter(pk__gt=product.key_of(after))
        except ValueError as error:
            raise _no_cursor() from error
    columns, own = {"key": "pk"}, _texts("key")
    if join.at:
        columns["at"] = "export_at"
        own += _plain("at")
    if join.label and join.label_column:
        columns["label"] = "export_label"
        own.append(_typed_column("label", "r.label", join.label_column))
    inputs = [_typed_column(c.name, f"r.feature_{c.name}", c) for c in product.inputs]
    columns |= {f"feature_{column.name}": f"feature_{column.name}" for column in product.inputs}
    return _relation(own, inputs, "r.key::text", ordered, columns)


def join_rows(product: DataProduct, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate base rows with their inputs, their label and the time of their event."""
    join = product.join
    label = join.label_column.select(F(join.label)) if join.label and join.label_column else None
    extra = {"export_label": label or Value(None, models.TextField()), "export_at": join.moment}
    return join.inputs_of(rows).annotate(**extra)


def select_snapshot(product: DataProduct, snapshot: Snapshot, after: str | None) -> ExportRelation:
    """Build the relation of a snapshot in the order of its table.

    Raises: Forbidden where it has rows that the actor of this thread may not see; UnknownId, BadInput.
    """
    if not product.join.sees_all(acting.current()):
        raise Forbidden(f"A snapshot of {product} has rows that you may not see: export the entities.")
    if snapshot.dropped_at:
        why = "since something in it was erased" if snapshot.unwanted_at else "by retention"
        raise UnknownId(f"The table of snapshot {snapshot} was deleted {why}.", argument=("snapshot",))
    source = f"{snapshot.table} r"
    if after is not None:
        block, place = _match(PLACE_CURSOR, after).groups()
        source += f" WHERE r.ctid > '({block},{place})'::tid"
    absent = set(snapshot.find_missing(product))
    own = [ExportColumn(name.removeprefix("_"), f'r."{name}"') for name in SYSTEM_COLUMNS if name != SUBJECT]
    features = [
        _typed_column(column.name, f'r."{column.name}"', column)
        for column in product.columns
        if column.name not in absent
    ]
    position = "translate(r.ctid::text, '(,)', ' -')"
    columns = [*own, *_renamed(features, own), ExportColumn(CURSOR, f"ltrim({position})")]
    return ExportRelation(columns, f"{source} ORDER BY r.ctid")


def find_snapshot(product: DataProduct, number: int | None) -> Snapshot:
    """Find a snapshot of a product by its key; for None, the newest one that has its table. Raises UnknownId."""
    rows = Snapshot.objects.filter(product=product.name)
    rows = rows.filter(dropped_at=None).order_by("-number") if number is None else rows.filter(pk=number)
    if snapshot := rows.first():
        return snapshot
    missing = "no stored snapshot: build it first" if number is None else "no snapshot with this id"
    raise UnknownId(f"{product} has {missing}.", argument=("snapshot",))


def _relation(
    own: Sequence[ExportColumn],
    features: Sequence[ExportColumn],
    position: str,
    rows: QuerySet[Any],
    columns: dict[str, str],
) -> ExportRelation:
    """Build a relation of a queryset, whose values have the names of `columns` in `r`."""
    query = rows.values_list(*columns.values()).query
    statement, parameters = query.get_compiler(DEFAULT_DB_ALIAS, elide_empty=False).as_sql()
    with connection.cursor() as cursor:
        inner = cursor.mogrify(statement, parameters).decode()
    names = ", ".join(map(connection.ops.quote_name, columns))
    every = [*own, *_renamed(features, own), ExportColumn(CURSOR, position)]
    return ExportRelation(every, f"({inner}) AS r ({names})")


def _renamed(features: Sequence[ExportColumn], own: Sequence[ExportColumn]) -> list[ExportColumn]:
    """Rename the features that are called as a column of every product is."""
    taken = {CURSOR, *(column.name for column in own)}
    return [
        replace(column, name=f"feature_{column.name}") if column.name in taken else column
        for column in features
    ]


def _plain(*names: str) -> list[ExportColumn]:
    return [ExportColumn(name, f"r.{connection.ops.quote_name(name)}") for name in names]


def _texts(*names: str) -> list[ExportColumn]:
    return [ExportColumn(name, f"r.{name}::text", is_free_text=True) for name in names]


def _stored_feature(column: Any) -> ExportColumn:
    """Build the column of a feature as it is stored with a prediction."""
    value = f"r.features ->> '{column.name}'"
    json = column.field_kind.stored_answer_sql.format("r.features", f"'{column.name}'")
    typed = snapshots.cast_sql(column, "r.features", f"'{column.name}'")
    return ExportColumn(column.name, value, json, typed, is_free_text=not column.field_kind.is_numeric)


def _typed_column(name: str, value: str, column: TypedColumn) -> ExportColumn:
    """Build a column of a table."""
    kind = column.field_kind
    answer = kind.answer_sql.format(value)
    text = f"{value}::text" if kind.is_boolean else answer
    return ExportColumn(name, text, answer, value, is_free_text=not kind.is_numeric)


def _node_id(kind: str, key: str) -> str:
    """Build the SQL of the id by which the API knows a row.

    Base64 of letters, digits, `:` and `-` has neither `+` nor `/`, but breaks lines. `translate` takes thrice as long.
    """
    encoded = f"encode(convert_to('{kind}:' || {key}, 'UTF8'), 'base64')"
    return f"rtrim(replace({encoded}, E'\\n', ''), '=')"


def _match(pattern: re.Pattern[str], cursor: str) -> re.Match[str]:
    if match := pattern.fullmatch(cursor):
        return match
    raise _no_cursor()


def _no_cursor() -> BadInput:
    return BadInput(
        f"This is no cursor of these rows: take one from the column `{CURSOR}`.", argument=("after",)
    )
