"""Settling: a truth policy that was declared anew is applied, once, to what is stored; label columns included.

The stored row changes first, in a moment in which nobody gives feedback. Until every label column has what counts by
it, the row names the policy before, too: a label by that one is not taken for one that the table's owner wrote. Whoever
repeats a settling that was broken off ends it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import connection, transaction
from psycopg2 import sql

from learning.truth import Policy, Priority, restore

from ..access import groups
from ..access.actors import TABLE
from ..products.product import DataProduct
from . import bulk_feedback, policies, truth
from .feedback import Feedback
from .truth import TruthPolicy

#: Labels of one transaction.
BATCH = 500
#: Feedback of which one statement fills in the groups.
FILLED = 20_000

#: Feedback with the groups that its authors are in today where they were not recorded.
WORDS = """(
    SELECT id, product, subject, entity, author, answer, retracted_at, COALESCE(groups, ARRAY(
        SELECT jsonb_array_elements_text(CAST({groups} AS jsonb) -> author)
    )) AS groups FROM store_feedback WHERE product = {product}
)"""
#: Subjects of which another label counts by the new policy than by the old one, or another truth alone.
CHANGED = """
SELECT CAST(old.subject AS text), old.entity, COALESCE(old.answer, stored.answer) IS DISTINCT FROM
       COALESCE(new.answer, stored.answer) AS is_other
FROM ({old}) old JOIN ({new}) new ON new.subject = old.subject AND old.answer IS DISTINCT FROM new.answer
LEFT JOIN (
    SELECT DISTINCT ON (subject) subject, answer FROM store_feedback
    WHERE product = {product} AND author = {table} AND retracted_at IS NULL ORDER BY subject, id DESC
) stored ON stored.subject = old.subject
"""


@dataclass(frozen=True)
class PolicyChange:
    """A policy that is declared and not applied, or not to all that is stored."""

    product: DataProduct
    before: Policy
    after: Policy
    #: True if it is applied from now on, and label columns are still to be written.
    is_begun: bool
    #: Subjects of which another label counts by it.
    labels: int

    def __str__(self) -> str:
        labels = "1 label changes" if self.labels == 1 else f"{self.labels:,} labels change"
        step = "was not settled to the end" if self.is_begun else "changed"
        return f"the policy {step}, from {self.before} to {self.after}: {labels}; run ./dev settle {self.product.name}."


@dataclass(frozen=True)
class SettledLabels:
    """Label columns of one batch."""

    subjects: int
    changed: int
    #: Those that may not be written.
    refused: int


def find_change(product: DataProduct) -> PolicyChange | None:
    """Find what settling would change; None where the declared policy is applied to all."""
    stored = policies.find_stored(product)
    if not product.learns_from_labels or (stored.before is None and stored.policy == product.truth):
        return None
    before = stored.policy if stored.before is None else restore(**stored.before)
    after = product.truth if stored.before is None else stored.policy
    with transaction.atomic(), connection.cursor() as cursor:
        changed = _compile_changed(product, before, after)
        cursor.execute(sql.SQL("SELECT count(*) FROM ({}) changed WHERE is_other").format(changed))
        (labels,) = cursor.fetchone()
    return PolicyChange(product, before, after, stored.before is not None, labels)


def settle(product: DataProduct) -> Iterator[SettledLabels]:
    """Apply the declared policy, batch by batch; first what a settling before has left.

    Any number of processes may settle at once, and give feedback meanwhile. Must not be called in a transaction.
    """
    policies.insert_missing([product])
    while (stored := policies.find_stored(product)).before is not None or stored.policy != product.truth:
        if stored.before is None:
            if stored.kind != Priority.kind:
                _fill_in_groups(product)
            _apply(product, stored)
        else:
            yield from _write_labels(product, stored)


def _apply(product: DataProduct, stored: TruthPolicy) -> None:
    """Store the declared policy as the one by which labels count from now on, unless another process has."""
    with transaction.atomic():
        truth.lock_policy(product)
        before = policies.describe(stored.policy)
        rows = TruthPolicy.objects.filter(product=product.name, before__isnull=True, **before)
        rows.update(before=before, **policies.describe(product.truth))


def _write_labels(product: DataProduct, stored: TruthPolicy) -> Iterator[SettledLabels]:
    """Write the label columns that differ by the stored policy, and forget the one before it."""
    assert stored.before is not None
    with connection.cursor() as cursor:
        cursor.execute(_compile_changed(product, restore(**stored.before), stored.policy))
        subjects = iter(
            sorted((subject, entity) for subject, entity, _ in cursor.fetchall() if entity is not None)
        )
    while batch := dict(islice(subjects, BATCH)):
        with transaction.atomic():
            bulk_feedback.lock(product, batch)
            result = bulk_feedback.settle(product, batch)
        yield SettledLabels(len(batch), len(result.changed), len(result.not_written))
    rows = TruthPolicy.objects.filter(product=product.name, before=stored.before)
    rows.filter(**policies.describe(stored.policy)).update(before=None)


def _compile_changed(product: DataProduct, before: Policy, after: Policy) -> sql.Composable:
    """Compile the SELECT of the subjects whose truth differs."""
    words = sql.SQL(WORDS).format(
        groups=sql.Literal(json.dumps(_groups_to_fill_in(product))), product=sql.Literal(product.name)
    )
    if before.kind == Priority.kind:  # by which labels are written already: what has no groups stays so
        words = sql.SQL("store_feedback")
    return sql.SQL(CHANGED).format(
        old=truth.compile_truths(product, before, words),
        new=truth.compile_truths(product, after, words),
        product=sql.Literal(product.name),
        table=sql.Literal(TABLE),
    )


def _groups_to_fill_in(product: DataProduct) -> dict[str, list[str]]:
    """Get the groups of the authors of feedback without them; authors in none are absent."""
    rows = Feedback.objects.filter(product=product.name, groups=None).exclude(author=TABLE)
    return groups.by_author(rows.order_by().values_list("author", flat=True).distinct())


def _fill_in_groups(product: DataProduct) -> None:
    """Fill in the groups of feedback that was given before they were recorded, a part at a time."""
    rows = Feedback.objects.filter(product=product.name, groups=None).exclude(author=TABLE)
    statement = (
        "UPDATE store_feedback SET groups = ARRAY("
        "SELECT jsonb_array_elements_text(CAST(%s AS jsonb) -> author) ORDER BY 1) WHERE id = ANY (%s)"
    )
    by_author, numbers = json.dumps(_groups_to_fill_in(product)), [0]
    while numbers:
        with transaction.atomic():
            # An import writes its truths in the order of its rows: whoever locks others meanwhile waits for it first.
            truth.hold_policy(product)
            numbers = list(rows.order_by("pk").values_list("pk", flat=True)[:FILLED])
            with connection.cursor() as cursor:
                cursor.execute(statement, [by_author, numbers])
