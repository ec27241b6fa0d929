"""Feedback in bulk: many words in one transaction, with the result of giving them one by one."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connection, transaction

from ..access.actors import TABLE
from ..db import sqlstates
from ..db.arrays import write_array
from ..entities import base_rows, entities
from ..exceptions import NotWritable, NotWritten
from ..products.product import DataProduct
from ..telemetry import metrics
from . import truth
from .feedback import Feedback, describe_refusal
from .predictions import Prediction

log = logging.getLogger(__name__)

#: Subjects that are locked one by one, at most; for more, all other feedback on the product waits. PostgreSQL has room
#: for some thousand locks of all transactions together.
MOST_LOCKS = 1000
#: Rows of one INSERT.
BATCH = 1000
#: What a row has where nothing else is said.
EMPTY: dict[str, Any] = {
    "entity": None,
    "reference": None,
    "prediction": None,
    "answer": None,
    "observed_at": None,
    "comment": "",
    "retracted_at": None,
    "groups": None,
}
#: The columns of a new row with their types, in the order of INSERT.
COLUMNS = {
    "product": "text",
    "subject": "uuid",
    "entity": "text",
    "reference": "text",
    "prediction_id": "uuid",
    "author": "text",
    "answer": "text",
    "observed_at": "timestamptz",
    "comment": "text",
    "groups": "text",
}
#: The numbers follow the order of the rows.
INSERT = f"""
INSERT INTO store_feedback ({", ".join(COLUMNS)})
SELECT {", ".join(name for name in COLUMNS if name != "groups")}, CAST(groups AS varchar[])
FROM unnest({", ".join(f"CAST(%s AS {kind}[])" for kind in COLUMNS.values())})
    WITH ORDINALITY AS new ({", ".join(COLUMNS)}, place)
ORDER BY place RETURNING id, created_at
"""


@dataclass(frozen=True, kw_only=True)
class Word:
    """The word of an author on a subject that exists."""

    subject: str
    author: str
    answer: str
    #: Those of the author.
    groups: list[str]
    entity: str | None = None
    reference: str | None = None
    prediction: Prediction | None = None
    observed_at: datetime | None = None
    comment: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """The values by which a word differs from another of its author."""
        names = ("answer", "observed_at", "comment", "groups")
        return {name: getattr(self, name) for name in names}


@dataclass
class BulkResult:
    """The effect of many words."""

    #: In the order of the words; where an author's latest word was the same, that one.
    feedback: list[Feedback] = field(default_factory=list)
    created: list[bool] = field(default_factory=list)
    #: The keys of the entities whose label column has changed.
    changed: set[str] = field(default_factory=set)
    #: The keys of entities that have no row.
    missing: set[str] = field(default_factory=set)
    #: Why the label column was not written, by the keys of entities where it was not.
    not_written: dict[str, NotWritable] = field(default_factory=dict)


def lock(product: DataProduct, subjects: Iterable[str]) -> None:
    """Serialize with other feedback on these subjects until the transaction ends; before any row is locked."""
    wanted = sorted({f"{product.name} {subject}" for subject in subjects})
    if len(wanted) > MOST_LOCKS:
        truth.lock_policy(product)
        return
    truth.hold_policy(product)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(name, 0) AS key "
            "FROM unnest(CAST(%s AS text[])) AS name ORDER BY 1) keys",
            [wanted],
        )


def give(product: DataProduct, words: Sequence[Word]) -> BulkResult:
    """Append many words, and write the labels that count then; the caller has locked the subjects.

    A word that may not be written is stored all the same, and counts.

    Raises: Conflict, NotOneRow: nothing is stored.
    """
    result = settle(product, {word.subject: word.entity for word in words}, words)
    if created := sum(result.created):
        transaction.on_commit(lambda: metrics.FEEDBACK.add(created, product.name, "given"))
    return result


def settle(
    product: DataProduct, subjects: Mapping[str, str | None], words: Sequence[Word] = ()
) -> BulkResult:
    """Append words, and write to the label columns of these subjects what counts by the stored policy.

    Args:
        subjects: the keys of the entities by subject; None for a subject without one. Locked by the caller.
    """
    try:
        with transaction.atomic():
            return _settle(product, subjects, words, product.writes_labels)
    except (DatabaseError, NotWritten) as error:
        if not product.writes_labels or not _is_refusal(error):
            raise
        refusal = describe_refusal(product, error)
    result = _settle(product, subjects, words, writes=False)
    result.not_written = dict.fromkeys(filter(None, subjects.values()), refusal)
    log.warning("%s", refusal)
    return result


def _settle(
    product: DataProduct, subjects: Mapping[str, str | None], words: Sequence[Word], writes: bool
) -> BulkResult:
    result, keys = BulkResult(), {key: subject for subject, key in subjects.items() if key is not None}
    locked = base_rows.lock_many(product, keys) if writes else {}
    # What is read alone has a label of the table's, too.
    read = base_rows.lock_many(product, keys.keys() - locked.keys(), lock=False)
    result.missing = keys.keys() - locked.keys() - read.keys()
    newest = _find_newest(product, subjects, {word.author for word in words})
    _store_table_labels(product, {keys[key]: row for key, row in (locked | read).items()}, newest)
    _append(product, words, newest, result)
    if writes:
        unwritten = NotWritten(f"a policy of {product.join.model._meta.db_table} lets it be read alone")
        result.not_written |= dict.fromkeys(read, describe_refusal(product, unwritten))
        _write_labels(product, {keys[key]: row for key, row in locked.items()}, newest, result)
    return result


#: The newest word of an author on a subject that was not taken back, by subject and author.
Newest = dict[tuple[str, str], Feedback]


def _find_newest(product: DataProduct, subjects: Iterable[str], authors: set[str]) -> Newest:
    rows = Feedback.objects.filter(product=product.name, author__in={TABLE, *authors}, retracted_at=None)
    # One array: a parameter for each subject takes longer than the query.
    rows = rows.extra(where=["subject = ANY (CAST(%s AS uuid[]))"], params=[list(set(subjects))])
    newest = rows.order_by("subject", "author", "-pk").distinct("subject", "author")
    return {(row.subject, row.author): row for row in newest}


def _store_table_labels(product: DataProduct, rows: Mapping[str, Any], newest: Newest) -> None:
    """Append the label columns' values as feedback of TABLE, as `FeedbackManager` does for one."""
    labels = {
        subject: product.stored_answer(entities.read_label(product, row)) for subject, row in rows.items()
    }
    changed = [
        subject
        for subject, label in labels.items()
        if (latest := newest.get((subject, TABLE))) is None or label != latest.answer
    ]
    repeated = [subject for subject in changed if (subject, TABLE) in newest]
    written = (
        {subject: row.answer for subject, row in truth.find_truths(product, repeated).items()}
        if repeated
        else {}
    )
    before = truth.find_answers_before(product, repeated) if repeated else {}
    words = []
    for subject in changed:
        label = labels[subject]
        if label is None or label not in (written.get(subject), before.get(subject)):
            entity = str(rows[subject].pk)
            words.append(_make(product, subject, TABLE, entity=entity, answer=label))
    _insert(words, newest)


def _append(product: DataProduct, words: Sequence[Word], newest: Newest, result: BulkResult) -> None:
    """Append words that differ from their author's latest one."""
    new = []
    for word in words:
        latest = newest.get((word.subject, word.author))
        is_new = latest is None or not latest.says(word.values)
        if is_new:
            latest = _make(
                product,
                word.subject,
                word.author,
                entity=word.entity,
                reference=word.reference,
                prediction=word.prediction,
                **word.values,
            )
            new.append(latest)
            newest[word.subject, word.author] = latest
        assert latest is not None
        result.feedback.append(latest)
        result.created.append(is_new)
    _insert(new, newest)


def _make(product: DataProduct, subject: str, author: str, **values: Any) -> Feedback:
    """Make a row that is inserted by `_insert`, without Django's constructor, which takes as long as all the rest."""
    columns = {**EMPTY, **values, "product": product.name, "subject": subject, "author": author}
    prediction = columns.pop("prediction")
    columns["prediction_id"] = prediction and prediction.pk
    return Feedback.from_values(None, columns, {"prediction": prediction} if prediction else None)


def _insert(rows: list[Feedback], newest: Newest) -> None:
    """Insert rows in their order by one statement for each part; the database sets their numbers and times."""
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        values = [[getattr(row, name) for row in part] for name in COLUMNS if name != "groups"]
        # As texts: an array of arrays would have to be a rectangle.
        values.append([None if row.groups is None else write_array(row.groups) for row in part])
        with connection.cursor() as cursor:
            cursor.execute(INSERT, values)
            for row, (number, created_at) in zip(part, cursor.fetchall(), strict=True):
                row.pk, row.created_at = number, created_at
                newest[row.subject, row.author] = row


def _write_labels(product: DataProduct, rows: Mapping[str, Any], newest: Newest, result: BulkResult) -> None:
    """Write what counts to the label columns of locked rows; one by one where that is refused for some."""
    truths = truth.find_truths(product, rows)
    labels = []
    for subject, row in rows.items():
        agreed, latest = truths.get(subject), newest.get((subject, TABLE))
        if latest is not None:
            counts = agreed.answer if agreed and agreed.answer is not None else latest.answer
            labels.append((row, product.restore_label(counts)))
    try:
        with transaction.atomic():
            result.changed |= {str(row.pk) for row in entities.write_labels(product, labels)}
        return
    except (DatabaseError, NotWritten):
        pass  # the row that is refused is found below, by itself
    # As they are stored: the failed attempt has set the labels in memory.
    stored = base_rows.lock_many(product, [str(row.pk) for row in rows.values()])
    for row, label in labels:
        key = str(row.pk)
        try:
            with transaction.atomic():
                if entities.write_label(product, stored[key], label):
                    result.changed.add(key)
        except (DatabaseError, NotWritten) as error:
            if not _is_refusal(error):
                raise
            result.not_written[key] = describe_refusal(product, error)
    for refusal in set(map(str, result.not_written.values())):
        log.warning("%s", refusal)


def _is_refusal(error: Exception) -> bool:
    """Return True where a row may not be written, whatever its values are."""
    return isinstance(error, NotWritten) or sqlstates.is_unwritable(error)
