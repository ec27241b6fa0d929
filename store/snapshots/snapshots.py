"""Snapshots: the joined examples, frozen by one statement in a table of their own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Cast, Now

from learning.analysis import Analysis
from learning.dataset import Dataset
from learning.exceptions import NoRows, OneClass, TimedOut, TooFewInstances

from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.writes import Writes
from ..entities import base_rows
from ..entities.unique_keys import KeyCounts
from ..exceptions import RowsMultiplied
from ..predictions import truth
from ..predictions.feedback import Feedback
from ..products.columns import select_stored
from ..products.features import Feature, refusals_explained
from ..products.product import DataProduct
from . import dataset_loader, erased_examples, fingerprint, noticed_labels, repeated_rows
from .undeclared import UndeclaredValues, find_undeclared

#: The columns before the features: entity key, prediction (of an example without a base row), label, time, group, and
#: the subject of such an example, by which it is erased when its prediction is gone already.
SYSTEM_COLUMNS = ("_entity", "_prediction", "_label", "_at", "_group", fingerprint.SUBJECT)
#: Memory for the join's hash tables, unless the server allows more. With PostgreSQL's default of 4 MB they spill to
#: files.
WORK_MEM = "32MB"
#: Longest time limit of a statement in PostgreSQL, in milliseconds.
MOST_MILLISECONDS = 2**31 - 1
#: The SQLSTATE of a statement that was stopped by its time limit.
QUERY_CANCELED = "57014"


class SnapshotManager(models.Manager["Snapshot"]):
    """Takes snapshots."""

    def take(self, product: DataProduct, seconds: float | None = None) -> "Snapshot":
        """Join the product's feature tables into a new table, which is never changed afterwards.

        Table and counts come from one REPEATABLE READ transaction, so the call must not be inside another one.

        Args:
            seconds: the time limit of each statement; None: no limit but the server's.

        Raises: RowsMultiplied where the join multiplies or loses instances; TimedOut.
        """
        with _time_limit(seconds), transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                if seconds is not None:
                    milliseconds = min(max(1, int(seconds * 1000)), MOST_MILLISECONDS)
                    cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
                cursor.execute(
                    "SELECT set_config('work_mem', %s, true) "
                    "WHERE pg_size_bytes(%s) > pg_size_bytes(current_setting('work_mem'))",
                    [WORK_MEM, WORK_MEM],
                )
                cursor.execute("SELECT now()")
                (started_at,) = cursor.fetchone()
            snapshot = self.model(
                product=product.name,
                number=_next_number(product),
                taken_at=started_at,
                seen_feedback=Feedback.objects.seen(),
            )
            snapshot.sql = _create_table(product, snapshot.table)
            snapshot.count_rows(product)
            snapshot.save(force_insert=True)
            noticed_labels.record(product, snapshot)
        erased_examples.mark(product, snapshot)
        return snapshot


class Snapshot(BaseModel):
    """One frozen join, with counts that account for every row."""

    web_writes = Writes(update=("unwanted_at",))
    worker_writes = Writes(insert=True, update=("analysis", "dropped_at", "unwanted_at"))

    product = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    #: The start of its transaction: it holds nothing that was committed later.
    taken_at = models.DateTimeField(db_default=Now())
    #: The feedback that it could see, as `FeedbackManager.seen` has it; null in older rows.
    seen_feedback = JSONField(null=True, editable=False)
    #: Rows of the base queryset.
    rows_in = models.BigIntegerField()
    #: Rows of the table: complete instances, and predictions that joined as examples.
    rows = models.BigIntegerField(default=0)
    #: Rows without a label: stored, but not learned from.
    unlabelled = models.BigIntegerField(default=0)
    #: Base rows that were left out because they lack a one-to-one row.
    incomplete = models.BigIntegerField()
    #: Labelled predictions without a base row, which are examples too.
    from_predictions = models.BigIntegerField(default=0)
    #: What `undeclared_values` reads.
    undeclared = JSONField(default=list)
    fingerprint = models.CharField(max_length=64)
    #: The statement that created the table, with its parameters filled in.
    sql = models.TextField()
    #: The feature analysis, as `Analysis.as_json` writes it; null before it was made.
    analysis = JSONField(null=True)
    #: When retention deleted its table; null while it is stored.
    dropped_at = models.DateTimeField(null=True)
    #: When something in its table was erased: a worker drops the table once no build reads it. Null: it stays.
    unwanted_at = models.DateTimeField(null=True)

    objects = SnapshotManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["product", "number"], name="one_snapshot_per_number")]

    def __str__(self) -> str:
        return f"{self.product} {self.number}"

    @property
    def table(self) -> str:
        """The quoted name of its table."""
        return f"snapshots.{connection.ops.quote_name(f'{self.product}_{self.number}')}"

    @property
    def analysed(self) -> Analysis | None:
        """The feature analysis as an object; None before it was made."""
        return Analysis.from_json(self.analysis) if self.analysis else None

    @property
    def undeclared_values(self) -> tuple[UndeclaredValues, ...]:
        """The values of its rows that were no choices when it was taken, by column, the label's first."""
        return tuple(map(UndeclaredValues.from_json, self.undeclared))

    def check_stored(self) -> None:
        """Check that its table is there. Raises NoRows."""
        if self.dropped_at and self.unwanted_at:
            raise NoRows(
                f"The table of snapshot {self} was deleted, since something in it was erased: build again."
            )
        if self.dropped_at:
            raise NoRows(
                f"The table of snapshot {self} was deleted by retention: only the last builds keep theirs."
            )

    def count_rows(self, product: DataProduct) -> None:
        """Fill in the counts and the fingerprint. Raises RowsMultiplied unless every row is accounted for."""
        contents = fingerprint.scan_table(self.table)
        self.undeclared = [values.as_json() for values in find_undeclared(product, self.table)]
        self.rows, self.unlabelled, self.fingerprint = (
            contents.rows,
            contents.unlabelled,
            contents.fingerprint,
        )
        self.from_predictions = contents.from_predictions
        self.rows_in, keys = fingerprint.count_keys(base_rows.select(product))
        joined, self.incomplete = self.rows - self.from_predictions, 0
        # The same keys in as out: no instance was lost or repeated.
        if (joined, contents.keys) == (self.rows_in, keys) and not repeated_rows.is_possible(product):
            return
        self.incomplete = self.rows_in - product.join.complete().count()
        entities = fingerprint.count_entities(self.table)
        if joined != entities:
            raise repeated_rows.refusal(product, KeyCounts(joined, entities))
        if joined != self.rows_in - self.incomplete:
            raise RowsMultiplied(
                f"The join loses rows: {self.rows_in} in, {self.incomplete} incomplete, and {joined} out. "
                "Join optional relations with an expression that keeps the row."
            )

    def dataset(self, product: DataProduct) -> Dataset:
        """Load the labelled rows in the order of their keys, examples from predictions last.

        Raises: NoRows (also where retention deleted the table), TooFewInstances, OneClass.
        """
        self.check_stored()
        if missing := self.find_missing(product):
            raise NoRows(
                f"Snapshot {self} was taken before {', '.join(missing)} was declared: build again, from a new one."
            )
        try:
            return dataset_loader.load(
                product, self.table, self.rows, self.fingerprint, bool(self.from_predictions)
            )
        except (NoRows, OneClass, TooFewInstances) as error:
            error.args = (" ".join([error.message, *map(str, self.undeclared_values)]),)
            raise

    def find_missing(self, product: DataProduct) -> list[str]:
        """List the features that it lacks because they were declared later; none once its table was dropped."""
        return [] if self.dropped_at else dataset_loader.find_missing_columns(product, self.table)

    def drop(self) -> None:
        """Drop the table; the row stays."""
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {self.table}")


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimedOut where the server has stopped a statement after its time limit."""
    try:
        yield
    except OperationalError as error:
        if seconds is None or getattr(error.__cause__, "pgcode", "") != QUERY_CANCELED:
            raise
        raise TimedOut(
            f"The tables could not be joined within {seconds:g} s: allow more, or join fewer rows."
        ) from error


def _next_number(product: DataProduct) -> int:
    newest = Snapshot.objects.filter(product=product.name).aggregate(n=models.Max("number"))["n"]
    return (newest or 0) + 1


def count_rows(product: DataProduct) -> dict[str, int]:
    """Count the base rows, and those of them that lack a one-to-one row."""
    rows_in = base_rows.select(product).count()
    return {"rows_in": rows_in, "incomplete": rows_in - product.join.complete().count()}


def _create_table(product: DataProduct, table: str) -> str:
    """Create the snapshot's table from the join. Returns: the statement."""
    names = ", ".join(map(connection.ops.quote_name, (*SYSTEM_COLUMNS, *product.feature_names)))
    sql = f"CREATE TABLE {table} ({names}) AS\n{join_sql(product)}"
    with refusals_explained(product.join), connection.cursor() as cursor:
        # Executed without parameters, so that a percent sign in a literal is not a placeholder.
        cursor.execute(sql)
    return sql


def join_sql(product: DataProduct, columns: Sequence[Feature] | None = None) -> str:
    """Compile the join to SQL with its parameters filled in: joined rows and examples from predictions.

    Args:
        columns: the features to join; None: all.
    """
    columns = product.columns if columns is None else columns
    sql, values = _instances(product, columns)
    if product.learns_from_labels:
        examples, more = _examples(product, columns)
        sql, values = f"{sql}\nUNION ALL\n({examples})", [*values, *more]
    with connection.cursor() as cursor:
        return str(cursor.mogrify(sql, values).decode())


def _instances(product: DataProduct, columns: Sequence[Feature]) -> tuple[str, list[Any]]:
    """Compile the joined rows. The label is the agreed feedback, else the label column."""
    join = product.join
    text, time = models.TextField(), models.DateTimeField()
    group = join.group_column.select(F(join.group)) if join.group and join.group_column else Value(None)
    fixed = {
        "snapshot_entity": Cast(F("pk"), text),
        "snapshot_label": truth.column_text(product) if join.label else Cast(Value(None), text),
        "snapshot_at": Cast(join.moment, time),
        "snapshot_group": Cast(group, text),
    }
    features = [f"feature_{column.name}" for column in columns]
    query = join.instances().annotate(**fixed).values(*fixed, *features).query
    # Not elided: a queryset that Django knows to be empty has no rows, and is no error.
    joined, parameters = query.get_compiler(DEFAULT_DB_ALIAS, elide_empty=False).as_sql()
    selected = "".join(f", i.{connection.ops.quote_name(name)}" for name in features)
    statement = f"""SELECT i.snapshot_entity, NULL::uuid, COALESCE({_answer_sql(product)}, i.snapshot_label),
i.snapshot_at, i.snapshot_group, NULL::uuid AS snapshot_subject{selected}
FROM ({joined}) i LEFT JOIN store_truth t ON t.product = %s AND t.entity = i.snapshot_entity"""
    return statement, [*parameters, product.name]


def _examples(product: DataProduct, columns: Sequence[Feature]) -> tuple[str, list[Any]]:
    """Compile the newest served prediction of each labelled subject that is no entity, cast to the features' types."""
    cast = "".join(f",\n{cast_sql(column, 'p.features', '%s')}" for column in columns)
    statement = f"""
        SELECT DISTINCT ON (p.subject) NULL::text, p.id, {_answer_sql(product)}, p.created_at, NULL::text,
        p.subject{cast}
        FROM store_prediction p JOIN store_truth t ON t.product = p.product AND t.subject = p.subject
        WHERE p.product = %s AND p.served AND p.entity IS NULL AND {_answer_sql(product)} IS NOT NULL
        ORDER BY p.subject, p.created_at DESC, p.id"""
    return statement, [*(column.name for column in columns for _ in range(2)), product.name]


def _answer_sql(product: DataProduct) -> str:
    """Compile the answer that counts: null where it is no number although the product predicts one now."""
    if not product.problem.has_values:
        return "t.answer"
    # Numbers are formatted as the column formats them, so that feedback that confirms a label changes nothing.
    return "CASE WHEN pg_input_is_valid(t.answer, 'float8') THEN t.answer::float8::text END"


def cast_sql(column: Feature, features: str, name: str) -> str:
    """Cast a stored feature to the declared type; null where it no longer fits a changed declaration.

    Args:
        features: SQL of the stored instance.
        name: SQL of the feature's name; it comes twice.
    """
    kind, text = _sql_type(column), f"{features} ->> {name}"
    # Cast again: CASE drops the precision of a numeric.
    value = f"(CASE WHEN pg_input_is_valid({text}, '{kind}') THEN ({text})::{kind} END)::{kind}"
    template = select_stored(column.field)
    return template.format(value) if template else value


def _sql_type(column: Feature) -> str:
    if column.field_kind.computed_sql_type and getattr(column.field, "max_digits", None) is None:
        return column.field_kind.computed_sql_type  # Django does not know the precision
    kind = column.field.db_type(connection)
    assert kind is not None, f"{column.name} has no column type"
    return {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}.get(kind, kind)
