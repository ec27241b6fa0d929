"""Noticed labels: what a team writes into its label column without Exemplar, as two snapshots of a product tell it.

The first of two saw the row without a label, and the second one with it. The label came between them: later than every
prediction that was stored before the first was taken, and nobody knows how much later. It is recorded as words of
TABLE, one with the time of each snapshot, where a prediction is about the row and nobody spoke of it.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from django.db import connection

from ..access.actors import TABLE
from ..predictions import truth
from ..predictions.feedback import Feedback
from ..predictions.predictions import Prediction
from ..products.product import DataProduct

if TYPE_CHECKING:
    from .snapshots import Snapshot

#: Rows whose words are looked up at once.
BATCH = 1000
#: How the statement of a snapshot reads the label.
LABEL = re.compile(r'AS "snapshot_entity", (.*?) AS "snapshot_label"', re.DOTALL)
#: Rows whose label differs in two snapshots.
CHANGED = """
SELECT newer._entity, older._label, newer._label FROM {newer} newer JOIN {older} older
    ON older._entity = newer._entity AND older._label IS DISTINCT FROM newer._label
"""
INSERT = """
INSERT INTO store_feedback (product, subject, entity, author, answer, comment, created_at)
SELECT %s, subject, entity, %s, answer, '', created_at
FROM unnest(CAST(%s AS uuid[]), CAST(%s AS text[]), CAST(%s AS text[]), CAST(%s AS timestamptz[]))
    WITH ORDINALITY AS noticed (subject, entity, answer, created_at, place)
ORDER BY place
"""


class _ChangedLabel(NamedTuple):
    """A row of which two snapshots have another label."""

    entity: str
    before: str | None
    after: str | None


class _Word(NamedTuple):
    """A word of TABLE, with the time of the snapshot that saw it."""

    subject: str
    entity: str
    answer: str | None
    at: datetime


def record(product: DataProduct, snapshot: "Snapshot") -> int:
    """Record the labels that came since the snapshot before this one, and return their number.

    Must be called in the transaction that takes the snapshot, so that no label is left out where it is broken off.
    """
    before = _find_before(product, snapshot)
    if before is None:
        return 0
    noticed, changed = 0, _find_changed(snapshot, before)
    while batch := list(islice(changed, BATCH)):
        words = list(_list_words(product, batch, before.taken_at, snapshot.taken_at))
        if words:
            with connection.cursor() as cursor:
                cursor.execute(INSERT, [product.name, TABLE, *map(list, zip(*words, strict=True))])
        noticed += len({word.subject for word in words})
    return noticed


def _find_before(product: DataProduct, snapshot: "Snapshot") -> "Snapshot | None":
    """Find the snapshot before this one, if it has its rows yet and has read the same label."""
    if product.join.label is None or not product.learns_from_labels:
        return None
    older = type(snapshot).objects.filter(product=product.name, number__lt=snapshot.number)
    before = older.order_by("-number").first()
    # What was erased must not come back from a table that waits to be dropped.
    if before is None or before.dropped_at or before.unwanted_at or _label_of(before) != _label_of(snapshot):
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [before.table])
        return before if cursor.fetchone()[0] else None


def _label_of(snapshot: "Snapshot") -> str | None:
    """Get the expression by which a snapshot has read the label column."""
    matched = LABEL.search(snapshot.sql)
    return matched and matched[1]


def _find_changed(snapshot: "Snapshot", before: "Snapshot") -> Iterator[_ChangedLabel]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(CHANGED.format(newer=snapshot.table, older=before.table))
        yield from map(_ChangedLabel._make, cursor)


def _list_words(
    product: DataProduct, labels: list[_ChangedLabel], before: datetime, now: datetime
) -> Iterator[_Word]:
    """List what is to be recorded of rows whose label has changed.

    Of a label that goes, also where no prediction is about the row: the next one may be the same again, which a version
    has learned from.
    """
    by_subject = {truth.subject_of_entity(product, label.entity): label for label in labels}
    rows = Feedback.objects.filter(product=product.name, subject__in=by_subject).order_by("pk")
    words = dict(rows.values_list("subject", "answer"))
    spoken = set(rows.exclude(author=TABLE).values_list("subject", flat=True))
    predicted = Prediction.objects.filter(product=product.name, subject__in=by_subject).order_by()
    concerned = set(predicted.values_list("subject", flat=True).distinct())
    for subject, label in by_subject.items():
        if subject in spoken or (subject not in concerned and label.after is not None):
            continue
        if subject not in words:
            yield _Word(subject, label.entity, label.before, before)
        if subject not in words or words[subject] != label.after:
            yield _Word(subject, label.entity, label.after, now)
