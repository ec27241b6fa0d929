"""Snapshots: the joined examples, frozen in a table of their own by one statement."""

from typing import Any

from django.db import connection, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Cast
from django.utils import timezone

from learning.analysis import Analysis
from learning.dataset import Dataset
from learning.exceptions import NoRows

from ..db import base
from ..db.fields import JSONField
from ..exceptions import RowsMultiplied
from ..predictions import truth
from ..products.features import Feature
from ..products.product import DataProduct
from . import dataset_loader
from . import fingerprint as scan

#: Before the features: key, prediction (of an example without a row of its own), label, time of the event, group.
FIXED = ("_entity", "_prediction", "_label", "_at", "_group")
#: Memory that a join's hash tables may take, unless the server allows more: with PostgreSQL's own 4 MB they go
#: through files.
WORK_MEM = "32MB"


class SnapshotManager(models.Manager["Snapshot"]):
    def take(self, product: DataProduct) -> "Snapshot":
        """Join the feature tables of `product` into a new table; never edited afterwards.

        Table and counts come from one REPEATABLE READ transaction, so it must be the outermost.
        Raises RowsMultiplied where the join gives more or fewer rows than instances.
        """
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute(
                    "SELECT set_config('work_mem', %s, true) "
                    "WHERE pg_size_bytes(%s) > pg_size_bytes(current_setting('work_mem'))",
                    [WORK_MEM, WORK_MEM],
                )
                cursor.execute("SELECT now()")
                (began,) = cursor.fetchone()
            snapshot = self.model(product=product.name, number=_next_number(product), taken_at=began)
            snapshot.sql = _create_table(product, snapshot.table)
            snapshot.account(product)
            snapshot.save(force_insert=True)
        return snapshot


class Snapshot(base.BaseModel):
    """One frozen join: what was learned from, with the counts that account for every row."""

    product = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    #: When its transaction began: it holds nothing that was committed later.
    taken_at = models.DateTimeField(default=timezone.now)
    #: Rows of the base queryset.
    rows_in = models.BigIntegerField()
    #: Rows of the table: complete instances, and predictions that joined as examples.
    rows = models.BigIntegerField(default=0)
    #: Rows whose label is not known: kept, and not learned from.
    unlabelled = models.BigIntegerField(default=0)
    #: Base rows that lack a one-to-one row, and so were left out.
    incomplete = models.BigIntegerField()
    #: Labelled predictions without a row of their own, which joined as examples.
    from_predictions = models.BigIntegerField(default=0)
    fingerprint = models.CharField(max_length=64)
    #: The statement that made the table, with its parameters in place.
    sql = models.TextField()
    #: What was learned of its features before the search, as `Analysis.as_json` writes it; null before.
    analysis = JSONField(null=True)
    #: When retention deleted its table; null while it is stored.
    dropped_at = models.DateTimeField(null=True)

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
        """What is known of its features and its label; None before they have been analysed."""
        return Analysis.from_json(self.analysis) if self.analysis else None

    def account(self, product: DataProduct) -> None:
        """Fill in what the table holds, and refuse it unless every row is accounted for."""
        found = scan.scan_table(self.table)
        self.rows, self.unlabelled, self.fingerprint = found.rows, found.unlabelled, found.fingerprint
        self.from_predictions = found.from_predictions
        self.rows_in, keys = scan.count_keys(product.join.queryset)
        joined, self.incomplete = self.rows - self.from_predictions, 0
        # One row each of all instances: nothing was lost or came twice.
        if scan.has_distinct_keys(product.join.queryset) and (joined, found.keys) == (self.rows_in, keys):
            return
        self.incomplete = self.rows_in - product.join.complete().count()
        entities = scan.count_entities(self.table)
        if joined != entities:
            raise RowsMultiplied(
                f"The join multiplies: {joined} rows for {entities} entities ({self.rows_in} rows in). "
                "Take one row of each to-many relation with Latest, or aggregate it."
            )
        if joined != self.rows_in - self.incomplete:
            raise RowsMultiplied(
                f"The join loses rows: {self.rows_in} in, {self.incomplete} incomplete, and {joined} out. "
                "Join optional relations with an expression that keeps the row."
            )

    def dataset(self, product: DataProduct) -> Dataset:
        """The labelled rows in memory, in the order of their keys, examples from predictions last.

        Raises NoRows (also where retention deleted its table), TooFewInstances or OneClass.
        """
        if self.dropped_at:
            raise NoRows(
                f"The table of snapshot {self} was deleted by retention: only the last builds keep theirs."
            )
        return dataset_loader.load(
            product, self.table, self.rows, self.fingerprint, bool(self.from_predictions)
        )

    def drop(self) -> None:
        """Remove its table; the row, with what is known of it, stays."""
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {self.table}")


def _next_number(product: DataProduct) -> int:
    newest = Snapshot.objects.filter(product=product.name).aggregate(n=models.Max("number"))["n"]
    return (newest or 0) + 1


def count_rows(product: DataProduct) -> dict[str, int]:
    """Rows of the base queryset, and those that lack a one-to-one row."""
    rows_in = product.join.queryset.count()
    return {"rows_in": rows_in, "incomplete": rows_in - product.join.complete().count()}


def _create_table(product: DataProduct, table: str) -> str:
    """CREATE TABLE AS over what is selected; returns the statement."""
    names = ", ".join(map(connection.ops.quote_name, (*FIXED, *product.feature_names)))
    sql = f"CREATE TABLE {table} ({names}) AS\n{join_sql(product)}"
    with connection.cursor() as cursor:
        # Without parameters a percent sign in a literal stays what it is.
        cursor.execute(sql)
    return sql


def join_sql(product: DataProduct) -> str:
    """The join, compiled: the joined rows and the examples from predictions, parameters in place."""
    sql, values = _instances(product)
    if product.learns_from_labels:
        examples, more = _examples(product)
        sql, values = f"{sql}\nUNION ALL\n({examples})", [*values, *more]
    with connection.cursor() as cursor:
        return str(cursor.mogrify(sql, values).decode())


def _instances(product: DataProduct) -> tuple[str, list[Any]]:
    """The joined rows; the label is what people agree on, else what its column says."""
    join = product.join
    text, time = models.TextField(), models.DateTimeField()
    fixed = {
        "snapshot_entity": Cast(F("pk"), text),
        "snapshot_label": truth.column_text(product) if join.label else Cast(Value(None), text),
        "snapshot_at": Cast(F(join.at), time) if join.at else Cast(Value(None), time),
        "snapshot_group": Cast(F(join.group) if join.group else Value(None), text),
    }
    features = [f"feature_{name}" for name in product.feature_names]
    query = join.instances().annotate(**fixed).values(*fixed, *features).query
    joined, parameters = query.sql_with_params()
    selected = ", ".join(f"i.{connection.ops.quote_name(name)}" for name in features)
    # Numbers are written as the column writes them, so that a feedback which confirms the label changes nothing.
    answer = "t.answer::float8::text" if product.problem.has_values else "t.answer"
    statement = f"""SELECT i.snapshot_entity, NULL::uuid, COALESCE({answer}, i.snapshot_label), i.snapshot_at,
i.snapshot_group, {selected}
FROM ({joined}) i LEFT JOIN store_truth t ON t.product = %s AND t.entity = i.snapshot_entity"""
    return statement, [*parameters, product.name]


def _examples(product: DataProduct) -> tuple[str, list[Any]]:
    """The newest labelled prediction of each subject that is no entity, its instance cast to the features' types."""
    cast = ",\n".join(map(_cast, product.columns))
    statement = f"""
        SELECT DISTINCT ON (p.subject) NULL::text, p.id, t.answer, p.created_at, NULL::text,
        {cast}
        FROM store_prediction p JOIN store_truth t ON t.product = p.product AND t.subject = p.subject
        WHERE p.product = %s AND p.entity IS NULL AND t.answer IS NOT NULL
        ORDER BY p.subject, p.created_at DESC, p.id"""
    return statement, [*(name for name in product.feature_names for _ in range(2)), product.name]


def _cast(column: Feature) -> str:
    """A stored feature as the declared type; null where the declaration has changed and it no longer is one."""
    kind = _sql_type(column)
    # Cast once more, as CASE forgets how many digits a number may have.
    return f"(CASE WHEN pg_input_is_valid(p.features ->> %s, '{kind}') THEN (p.features ->> %s)::{kind} END)::{kind}"


def _sql_type(column: Feature) -> str:
    if column.field_kind.computed_sql_type and getattr(column.field, "max_digits", None) is None:
        return column.field_kind.computed_sql_type  # Django knows no precision
    kind = column.field.db_type(connection)
    assert kind is not None, f"{column.name} has no column type"
    return {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}.get(kind, kind)
