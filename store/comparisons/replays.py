"""Stored instances to replay: the served predictions of a product, one a subject, with what is known of its truth."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection

from ..exceptions import StoreError
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from .exclusions import Exclusion

#: Instances that are read and predicted together.
CHUNK = 5_000
#: The subject before all others.
FIRST_SUBJECT = "00000000-0000-0000-0000-000000000000"

#: The served prediction of each subject that counts, in the order of the subjects, which are hashes: so the first ones
#: are a sample that every run draws again. A prediction from before the first word on the subject is preferred, then
#: the newest one.
SELECT = """
SELECT DISTINCT ON (p.subject) p.id::text, p.subject::text, p.features::text, p.created_at, w.at, w.id, w.in_table
FROM store_prediction p LEFT JOIN LATERAL (
    SELECT min(f.created_at) FILTER (WHERE f.author <> 'TABLE') AS at,
           min(f.id) FILTER (WHERE f.author <> 'TABLE') AS id,
           coalesce(min(f.id) FILTER (WHERE f.author = 'TABLE' AND f.answer IS NOT NULL)
               < min(f.id) FILTER (WHERE f.author <> 'TABLE'), false) AS in_table
    FROM store_feedback f WHERE f.product = p.product AND f.subject = p.subject
) w ON true
WHERE p.product = %(product)s AND p.served AND p.subject > %(after)s::uuid
      AND (%(since)s::timestamptz IS NULL OR p.created_at >= %(since)s)
ORDER BY p.subject, (w.at IS NULL OR p.created_at < w.at) DESC, p.created_at DESC, p.id
LIMIT %(limit)s
"""

#: The truths of subjects. Those of whom nobody says anything now have no row.
TRUTHS = """
SELECT subject::text, answer FROM store_truth WHERE product = %s AND subject = ANY(%s::uuid[])
"""


class Instance(NamedTuple):
    """A stored prediction as PostgreSQL returns it, with the first word on its subject."""

    prediction: str
    subject: str
    #: JSON.
    features: str
    created_at: datetime
    #: When somebody said the first word on the subject, and its number; None: nobody did.
    first_at: datetime | None
    first_word: int | None
    #: True if the label column had a label before, as far as that is recorded.
    in_table: bool


@dataclass(frozen=True)
class Replay:
    """Instances that both versions can predict, in columns."""

    #: The subject of the last one that was read.
    last: str
    #: Number of instances that were read.
    read: int
    predictions: list[str]
    #: The values in the order of the product's features.
    rows: list[Sequence[Any]]
    #: The truth of each as stored text; None: there is none.
    truths: list[str | None]
    #: Why the truth of each does not count; None: it counts, or there is none.
    exclusions: list[Exclusion | None]
    #: Instances that lack a feature of a version, and were left out.
    incomplete: int


def read(
    product: DataProduct, versions: Sequence[ModelVersion], since: datetime | None, sample: int
) -> Generator[Replay, None, None]:
    """Yield the instances to replay, at most `sample`, in chunks; while one is predicted, the next one is read."""

    def read_next(after: str, rest: int) -> Replay | None:
        instances = _select(product, since, after, min(CHUNK, rest)) if rest > 0 else []
        return _to_replay(product, versions, instances) if instances else None

    with ThreadPoolExecutor(1, thread_name_prefix="replays") as thread:
        try:
            waiting = thread.submit(read_next, FIRST_SUBJECT, sample)
            while replay := waiting.result():
                sample -= replay.read
                waiting = thread.submit(read_next, replay.last, sample)
                yield replay
        finally:
            # On the thread: each thread has a connection of its own.
            thread.submit(lambda: connection.close()).result()


def exist(product: DataProduct, since: datetime | None) -> bool:
    """Return whether there is any instance to replay."""
    return bool(_select(product, since, FIRST_SUBJECT, 1))


def _select(product: DataProduct, since: datetime | None, after: str, limit: int) -> list[Instance]:
    with connection.cursor() as cursor:
        cursor.execute(SELECT, {"product": product.name, "since": since, "after": after, "limit": limit})
        return list(map(Instance._make, cursor.fetchall()))


def _to_replay(
    product: DataProduct, versions: Sequence[ModelVersion], instances: Sequence[Instance]
) -> Replay:
    restore = _restorer(product, versions)
    restored = [(instance, restore(instance.features)) for instance in instances]
    complete = [(instance, row) for instance, row in restored if row is not None]
    truths = _find_truths(product, [one.subject for one, _ in complete if one.first_at is not None])
    seen = [version.snapshot for version in versions]
    return Replay(
        last=instances[-1].subject,
        read=len(instances),
        predictions=[one.prediction for one, _ in complete],
        rows=[row for _, row in complete],
        truths=[truths.get(one.subject) for one, _ in complete],
        exclusions=[
            _find_exclusion(one, truths[one.subject], seen) if one.subject in truths else None
            for one, _ in complete
        ],
        incomplete=len(instances) - len(complete),
    )


def _restorer(
    product: DataProduct, versions: Sequence[ModelVersion]
) -> Callable[[str], Sequence[Any] | None]:
    """Make the function that decodes a stored instance; None where it lacks a feature, or fits no more."""
    needed = {column["name"] for version in versions for column in version.signature["columns"]}

    def restore(text: str) -> Sequence[Any] | None:
        features = orjson.loads(text)
        if not needed <= features.keys():
            return None
        try:
            return product.restore_row(features)
        except (StoreError, ValueError, TypeError):
            return None

    return restore


def _find_truths(product: DataProduct, subjects: Sequence[str]) -> dict[str, str | None]:
    """Find the label that counts of subjects; None in a dispute, absent without feedback."""
    if not subjects:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(TRUTHS, [product.name, list(subjects)])
        return dict(cursor.fetchall())


def _find_exclusion(instance: Instance, answer: str | None, seen: Sequence[Any]) -> Exclusion | None:
    """Find why a truth does not count for two versions, by the snapshots that they have learned from."""
    if instance.in_table:
        return Exclusion.LABEL_IN_TABLE
    assert instance.first_at is not None and instance.first_word is not None
    if any(_has_seen(snapshot, instance) for snapshot in seen):
        return Exclusion.LEARNED_FROM
    if instance.created_at >= instance.first_at:
        return Exclusion.TRUTH_BEFORE
    return Exclusion.DISPUTED if answer is None else None


def _has_seen(snapshot: Any, instance: Instance) -> bool:
    """Return whether a snapshot saw the first word: by its number, or by its time where it did not record numbers."""
    assert instance.first_at is not None and instance.first_word is not None
    if seen := snapshot.seen_feedback:
        return instance.first_word <= seen["last"] and instance.first_word not in seen["unseen"]
    return instance.first_at <= snapshot.taken_at
