"""Windows of predictions: what becomes of each prediction of a time, read by one statement into arrays.

A window can be cut into shorter ones and joined with its neighbours, so that a day is read once for every question
about it. `counted` says what counts of one.
"""

import io
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from django.db import connection, models, transaction
from numpy.typing import NDArray

from ..access.actors import TABLE
from ..db.statements import compile_rows
from ..predictions import time_steps
from ..predictions.predictions import Prediction
from ..products.product import DataProduct
from ..registry.versions import ModelVersion

Array = NDArray[Any]

#: PostgreSQL counts microseconds from here.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
START = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
#: Bytes before and after the rows of a binary COPY.
HEADER_BYTES, TRAILER_BYTES = 19, 2
NOBODY = "00000000-0000-0000-0000-000000000000"


class LeftOut(StrEnum):
    """Reason why a prediction whose subject has a truth does not count."""

    #: A word about the subject was there before the prediction, or a label of the table may have been.
    TRUTH_BEFORE = "TRUTH_BEFORE"
    #: The table had a label before the first word, of which nobody knows since when it was there.
    LABEL_IN_TABLE = "LABEL_IN_TABLE"
    #: The snapshot that the version has learned from had seen the first word.
    LEARNED_FROM = "LEARNED_FROM"
    #: The truth is no label, or no number, that the product predicts today.
    NOT_A_LABEL = "NOT_A_LABEL"
    #: A newer prediction of the same version about the same subject counts.
    OLDER = "OLDER"


#: Outcomes of the statement. What is not labelled is no row of it but counted by steps.
STEP, COUNTS, DISPUTED = -1, 0, 1
NOT_A_LABEL = 5
REASONS = {
    2: LeftOut.TRUTH_BEFORE,
    3: LeftOut.LABEL_IN_TABLE,
    4: LeftOut.LEARNED_FROM,
    NOT_A_LABEL: LeftOut.NOT_A_LABEL,
}

#: Selects the predictions of a window whose subjects have a truth or are disputed, with the outcome of each, and the
#: number of all predictions by steps of time. One statement, so that the numbers fit each other. A label that two
#: snapshots have noticed in the table came after the first of them, and is the truth where nobody spoke.
SELECT = """
WITH asked AS NOT MATERIALIZED (
    {asked}
), by_subject AS MATERIALIZED (
    SELECT subject,
           min(created_at) FILTER (WHERE author <> %(table)s) AS people_at,
           min(id) FILTER (WHERE author <> %(table)s) AS people_id,
           min(created_at) FILTER (WHERE author = %(table)s AND answer IS NULL) AS without_at,
           min(created_at) FILTER (WHERE author = %(table)s AND answer IS NOT NULL) AS noticed_at,
           min(id) FILTER (WHERE author = %(table)s AND answer IS NOT NULL) AS noticed_id,
           min(id) FILTER (WHERE author = %(table)s) AS table_id
    FROM store_feedback WHERE product = %(product)s {of_words} GROUP BY subject
), words AS MATERIALIZED (
    SELECT subject, coalesce(noticed_id = table_id, false) AS had_label, people_id IS NULL AS of_table,
           CASE WHEN is_noticed THEN without_at ELSE people_at END AS unknown_until,
           CASE WHEN is_noticed THEN noticed_at ELSE people_at END AS first_at,
           CASE WHEN is_noticed THEN noticed_id ELSE people_id END AS first_id
    FROM (
        SELECT *, noticed_id <> table_id AND (people_id IS NULL OR noticed_id < people_id) AS is_noticed FROM by_subject
    ) noticed
), truths AS MATERIALIZED (
    SELECT subject, answer, disputed FROM store_truth WHERE product = %(product)s {of_truths}
    UNION ALL (
        SELECT DISTINCT ON (subject) subject, answer, false FROM store_feedback
        WHERE product = %(product)s AND author = %(table)s
            AND subject = ANY(ARRAY(SELECT subject FROM words WHERE of_table AND first_at IS NOT NULL))
        ORDER BY subject, id DESC
    )
), versions AS MATERIALIZED (
    SELECT v.id, (s.seen_feedback ->> 'last')::bigint AS last,
           ARRAY(SELECT jsonb_array_elements_text(s.seen_feedback -> 'unseen')::bigint) AS unseen
    FROM store_modelversion v JOIN store_snapshot s ON s.id = v.snapshot_id WHERE v.product = %(product)s
), labelled AS (
    SELECT p.id, p.subject, p.model_id, p.created_at, p.served, p.answer, p.value, p.output,
        w.first_at, w.first_id, t.answer AS truth,
        CASE WHEN t.answer IS NULL THEN 1
             WHEN w.unknown_until <= p.created_at THEN 2
             WHEN w.had_label THEN 3
             WHEN v.last >= w.first_id AND NOT w.first_id = ANY(v.unseen) THEN 4
             WHEN NOT {readable} THEN 5
             ELSE 0 END AS outcome
    FROM asked p
    JOIN words w ON w.subject = p.subject
    JOIN truths t ON t.subject = p.subject
    JOIN versions v ON v.id = p.model_id
    WHERE w.first_at IS NOT NULL AND (t.answer IS NOT NULL OR t.disputed)
)
SELECT outcome::int4, created_at, served::int4, subject, id, model_id::int8, first_id::int8,
       extract(epoch FROM first_at - created_at)::float8, {numbers}
FROM labelled
UNION ALL
SELECT -1, step, served::int4, '{nobody}'::uuid, '{nobody}'::uuid, 0, 0, n::float8, {nothing}
FROM (
    SELECT {step} AS step, served, count(*) AS n
    FROM asked GROUP BY 1, 2
) steps
"""

#: Columns of the statement as binary COPY sends them, before the probabilities.
_WIRE = (
    ("outcome", ">i4"),
    ("at", ">i8"),
    ("served", ">i4"),
    ("subject", "V16"),
    ("id", "V16"),
    ("model", ">i8"),
    ("first", ">i8"),
    ("delay", ">f8"),
    ("truth", ">f8"),
    ("answer", ">f8"),
)
#: What is stored of a prediction that may count, before the probabilities.
_STORED = (
    ("at", "<i8"),
    ("served", "?"),
    ("subject", "V16"),
    ("id", "V16"),
    ("model", "<i8"),
    ("first", "<i8"),
    ("delay", "<f8"),
    ("truth", "<f8"),
    ("answer", "<f8"),
)
OTHERS = np.dtype([("at", "<i8"), ("served", "?"), ("outcome", "i1")])
STEPS = np.dtype([("at", "<i8"), ("served", "?"), ("n", "<i8")])


def stored_type(classes: int) -> np.dtype[Any]:
    """Get NumPy's type of a prediction that may count."""
    return np.dtype([*_STORED, *((f"p{code}", "<f8") for code in range(classes))])


@dataclass(frozen=True, eq=False)
class PackedDays:
    """Days of a window, in UTC, that were read as they were packed."""

    #: The first day that is not packed yet.
    until: date
    #: Days before it that were read from the rows all the same.
    missing: Set[date]
    #: What tells one packing of a day from another; a day without predictions has none.
    marks: Mapping[date, Hashable]

    def find_mark(self, since: datetime | None, until: datetime | None) -> tuple[Hashable, ...] | None:
        """Find what tells a part of the time from another state of it; None if it has a day that is not packed."""
        if since is None or until is None:
            return None
        first, last = since.astimezone(UTC).date(), (until - MICROSECOND).astimezone(UTC).date()
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        if last >= self.until or not self.missing.isdisjoint(days):
            return None
        return tuple(self.marks.get(day) for day in days)


@dataclass(frozen=True, eq=False)
class PredictionWindow:
    """Predictions of a time, by what becomes of them, in its order."""

    #: Of `truth`, `answer` and the probabilities; empty unless the task is classification.
    classes: tuple[str, ...]
    #: Predictions that count, but for older ones about the same subject: `(n,)` of `stored_type`.
    rows: Array
    #: Other predictions whose subject has a truth or is disputed: `(n,)` of OTHERS.
    others: Array
    #: All predictions by steps of time: `(n,)` of STEPS.
    steps: Array
    #: The days that were read as they were packed.
    packed: PackedDays | None = field(default=None, kw_only=True)

    def cut(self, since: datetime | None, until: datetime | None) -> "PredictionWindow":
        """Choose a part of the time, whose ends inside the window are ends of steps."""
        parts = zip(self._parts, self._times, strict=True)
        return PredictionWindow(self.classes, *(part[_slice(at, since, until)] for part, at in parts))

    def only_served(self) -> "PredictionWindow":
        """Choose what was served."""
        return PredictionWindow(
            self.classes, *(part if part["served"].all() else part[part["served"]] for part in self._parts)
        )

    @property
    def _parts(self) -> tuple[Array, Array, Array]:
        return self.rows, self.others, self.steps

    @cached_property
    def _times(self) -> list[NDArray[np.int64]]:
        """The times of the parts, side by side in memory, in which they are found faster."""
        return [np.ascontiguousarray(part["at"]) for part in self._parts]

    def with_classes(self, classes: tuple[str, ...]) -> "PredictionWindow":
        """Number the classes anew. Rows of a class that is not among the new ones become others, as `read` has them."""
        if classes == self.classes:
            return self
        codes = np.array([classes.index(label) if label in classes else -1 for label in self.classes])
        truth, answer = (codes[self.rows[name].astype(np.int64)] for name in ("truth", "answer"))
        has_label = (truth >= 0) & (answer >= 0)
        rows = np.zeros(int(has_label.sum()), stored_type(len(classes)))
        for name, _ in _STORED:
            rows[name] = self.rows[name][has_label]
        rows["truth"], rows["answer"] = truth[has_label], answer[has_label]
        for old, new in enumerate(codes):
            if new >= 0:
                rows[f"p{new}"] = self.rows[f"p{old}"][has_label]
        return replace(self, classes=classes, rows=rows, others=self._with_others(~has_label))

    def _with_others(self, has_none: NDArray[np.bool_]) -> Array:
        """Add rows that have no label of today to the others."""
        if not has_none.any():
            return self.others
        others = np.empty(int(has_none.sum()), OTHERS)
        others["at"], others["served"] = self.rows["at"][has_none], self.rows["served"][has_none]
        others["outcome"] = NOT_A_LABEL
        return in_order(np.concatenate([self.others, others]))


def cut(rows: Array, since: datetime | None, until: datetime | None) -> Array:
    """Choose the rows of a part of the time, by their `at`, in whose order they are."""
    return rows[_slice(rows["at"], since, until)]


def _slice(at: NDArray[np.int64], since: datetime | None, until: datetime | None) -> slice:
    low, high = (None if end is None else np.searchsorted(at, to_microseconds(end)) for end in (since, until))
    return slice(low, high)


def in_order(rows: Array) -> Array:
    """Sort rows by their time, and by their ids if they have any."""
    at = np.ascontiguousarray(rows["at"])
    steps = np.diff(at)
    if (steps < 0).any():
        rows = rows[np.argsort(at, kind="stable")]
        steps = np.diff(rows["at"])
    if "id" not in (rows.dtype.names or ()) or steps.all():
        return rows
    ids = np.ascontiguousarray(rows["id"]).view(">u8").reshape(-1, 2)
    ties = np.flatnonzero(steps == 0)
    first, second = ids[ties], ids[ties + 1]
    is_ordered = (first[:, 0] < second[:, 0]) | (
        (first[:, 0] == second[:, 0]) & (first[:, 1] <= second[:, 1])
    )
    return rows if is_ordered.all() else rows[np.lexsort((ids[:, 1], ids[:, 0], rows["at"]))]


def join(classes: tuple[str, ...], windows: Sequence[PredictionWindow]) -> PredictionWindow:
    """Join windows of different times or versions."""
    parts = [window.with_classes(classes) for window in windows]
    return PredictionWindow(
        classes,
        *(
            in_order(np.concatenate([np.empty(0, dtype), *arrays]))
            for dtype, arrays in (
                (stored_type(len(classes)), [part.rows for part in parts]),
                (OTHERS, [part.others for part in parts]),
                (STEPS, [part.steps for part in parts]),
            )
        ),
    )


def read(
    product: DataProduct,
    version: ModelVersion | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> PredictionWindow:
    """Read the predictions of a window, as far as the actor of this thread may see them.

    Args:
        version: None: all versions, of which only what was served counts.
        since, until: of the predictions' time, the first inclusive, the second exclusive.
    """
    classes = list_classes(product, version)
    statement, parameters = _compile(product, version, since, until, classes)
    return _from(since, _split(classes, _copy(statement, parameters, len(classes))))


def read_steps(
    product: DataProduct,
    version: ModelVersion | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> PredictionWindow:
    """Number the predictions of a product without labels by steps of time, as `read` does."""
    rows = select(product, version, since, until).order_by().annotate(step=step())
    numbers = rows.values("step", "served").annotate(n=models.Count("pk"))
    steps = [(to_microseconds(row["step"]), row["served"], row["n"]) for row in numbers]
    return _from(since, replace(join((), []), steps=in_order(np.array(steps, STEPS))))


def step() -> models.Func:
    """Compile the step of time that a prediction is in."""
    template = time_steps.STEP.format("%(expressions)s")
    return models.Func(models.F("created_at"), template=template, output_field=models.DateTimeField())


def select(
    product: DataProduct,
    version: ModelVersion | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Any:
    """Select the predictions of a window that the actor of this thread may see."""
    rows = Prediction.objects.filter(product=product.name)
    rows = rows.served() if version is None else rows.filter(model=version)
    bounds = {"created_at__gte": since, "created_at__lt": until}
    return rows.filter(**{name: value for name, value in bounds.items() if value is not None})


def _from(since: datetime | None, window: PredictionWindow) -> PredictionWindow:
    """Have no step begin before the window does."""
    if since is not None:
        np.maximum(window.steps["at"], to_microseconds(since), out=window.steps["at"])
    return window


def list_classes(product: DataProduct, version: ModelVersion | None) -> tuple[str, ...]:
    """List the classes of the version, then those of the declaration that it does not know."""
    if not product.problem.has_classes:
        return ()
    learned = learned_classes(product, version)
    return tuple(dict.fromkeys([*learned, *(label.text for label in product.labels)]))


def learned_classes(product: DataProduct, version: ModelVersion | None) -> tuple[str, ...]:
    """Get the classes of a version; of all, those of the newest."""
    newest = version or ModelVersion.objects.filter(product=product.name).order_by("-number").first()
    return tuple(newest.signature["classes"]) if newest else ()


def to_microseconds(moment: datetime) -> int:
    """Convert a moment to microseconds since 1970-01-01 UTC."""
    return (moment - START) // MICROSECOND


def to_moment(microseconds: int) -> datetime:
    """Convert microseconds since 1970-01-01 UTC to a moment."""
    return START + timedelta(microseconds=int(microseconds))


def fill_in(rows: Any) -> str:
    """Compile a queryset as a part of a statement, with its parameters filled in and percent signs doubled."""
    with connection.cursor() as cursor:
        filled: str = cursor.mogrify(*compile_rows(rows)).decode()
    return filled.replace("%", "%%")


@contextmanager
def without_nested_loops() -> Iterator[Any]:
    """Have PostgreSQL join by hashes: it cannot estimate how many subjects have words, and a loop of loops is slow."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
        yield cursor
        cursor.execute("RESET enable_nestloop")  # of a transaction that goes on


def _compile(
    product: DataProduct,
    version: ModelVersion | None,
    since: datetime | None,
    until: datetime | None,
    classes: Sequence[str],
) -> tuple[str, dict[str, Any]]:
    rows = select(product, version, since, until).order_by()
    columns = ("id", "subject", "model_id", "created_at", "served", "answer", "value", "output")
    # Of a part of the time, words are looked up by its subjects; of all, every word is read.
    is_part = since is not None
    statement = SELECT.format(
        asked=fill_in(rows.values(*columns)),
        of_words="AND subject = ANY(ARRAY(SELECT DISTINCT subject FROM asked))" if is_part else "",
        of_truths="AND subject = ANY(ARRAY(SELECT subject FROM words))" if is_part else "",
        readable=_readable(product),
        numbers=_numbers(product, classes),
        nothing=", ".join(["0"] * (2 + len(classes))),
        nobody=NOBODY,
        step=time_steps.STEP.format("created_at"),
    )
    parameters: dict[str, Any] = {
        "product": product.name,
        "table": TABLE,
        "labels": [label.text for label in product.labels],
        "classes": list(classes),
    }
    return statement, parameters | {f"class{code}": label for code, label in enumerate(classes)}


def _readable(product: DataProduct) -> str:
    if product.problem.has_classes:
        return "(t.answer = ANY(%(labels)s::text[]) AND p.answer = ANY(%(classes)s::text[]))"
    # A number that is not finite is no truth.
    return (
        "(CASE WHEN pg_input_is_valid(t.answer, 'float8') "
        "THEN abs(t.answer::float8) < 'Infinity' ELSE false END AND p.value IS NOT NULL)"
    )


def _numbers(product: DataProduct, classes: Sequence[str]) -> str:
    """Compile truth and answer, then each class's probability; of a row that does not count, nothing is parsed."""
    if not product.problem.has_classes:
        return (
            "CASE WHEN outcome = 0 THEN truth::float8 ELSE 0 END, CASE WHEN outcome = 0 THEN value ELSE 0 END"
        )
    codes = [
        f"coalesce(array_position(%(classes)s::text[], {text}), 0)::float8 - 1"
        for text in ("truth", "answer")
    ]
    probabilities = [
        f"coalesce(CASE WHEN outcome = 0 THEN (output ->> %(class{code})s)::float8 END, 0)"
        for code in range(len(classes))
    ]
    return ", ".join([*codes, *probabilities])


def _copy(statement: str, parameters: Mapping[str, Any], classes: int) -> Array:
    """Run the statement by a binary COPY, whose rows NumPy reads in place."""
    names = [*_WIRE, *((f"p{code}", ">f8") for code in range(classes))]
    wire: list[Any] = [("columns", ">i2")]
    for name, type_ in names:
        wire += [(f"size_{name}", ">i4"), (name, type_)]
    dtype, data = np.dtype(wire), io.BytesIO()
    with without_nested_loops() as cursor:
        filled = cursor.mogrify(statement, parameters).decode()
        cursor.copy_expert(f"COPY ({filled}) TO STDOUT (FORMAT binary)", data)
    buffer = data.getbuffer()
    n = (len(buffer) - HEADER_BYTES - TRAILER_BYTES) // dtype.itemsize
    rows = np.frombuffer(buffer, dtype, n, HEADER_BYTES)
    if HEADER_BYTES + rows.nbytes + TRAILER_BYTES != len(buffer) or (rows["columns"] != len(names)).any():
        raise AssertionError("The rows of counted predictions differ in size.")
    return rows


def _split(classes: tuple[str, ...], copied: Array) -> PredictionWindow:
    outcome, at = copied["outcome"], copied["at"].astype(np.int64) + to_microseconds(EPOCH)
    parts = (
        (stored_type(len(classes)), outcome == COUNTS),
        (OTHERS, outcome > COUNTS),
        (STEPS, outcome == STEP),
    )
    return PredictionWindow(classes, *(in_order(_fill(dtype, copied, at, chosen)) for dtype, chosen in parts))


def _fill(dtype: np.dtype[Any], copied: Array, at: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Array:
    """Convert chosen rows to a stored type."""
    filled = np.empty(int(chosen.sum()), dtype)
    for name in dtype.names or ():
        filled[name] = at[chosen] if name == "at" else copied["delay" if name == "n" else name][chosen]
    return filled
