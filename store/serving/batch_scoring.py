"""Batch scoring: a job that predicts every entity of a product by the champion; it streams, and can be resumed."""

import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

from django.db import connection, models, transaction
from django.db.models import Q

from learning.exceptions import ExemplarError

from ..access import acting
from ..access.audit import Act
from ..access.permissions import Permission
from ..db import memory
from ..entities import base_rows, bulk_validation, entities
from ..entities.entities import Entity
from ..exceptions import StoreError
from ..jobs import leases, queue
from ..jobs.jobs import RUNNING, STATUSES, SUCCEEDED, UNFINISHED, JobManager, PlainJob
from ..predictions import upsert
from ..predictions.upsert import PredictionBatch, ValidRequest
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import champions, predict
from .champions import Champion
from .predict import PredictionRequest

#: Entities that are read, predicted and stored together.
CHUNK = 2_000


class Scored(NamedTuple):
    """A chunk of entities that were predicted, ready to be stored."""

    #: The key of the last entity.
    key: str
    batch: PredictionBatch
    #: The number of entities that cannot be predicted, and the reason of the first.
    refused: int
    refusal: str


class ScoringManager(JobManager["Scoring"]):
    """Scorings, of which a product has one unfinished at most."""

    def messages_of(self, jobs: "Sequence[Scoring]") -> dict[int, str]:
        """Say how many entities each scoring has predicted, by primary key."""
        counts = {
            job.pk: f"{job.scored:,} entities are predicted, {job.refused:,} are refused." for job in jobs
        }
        stated = {job.pk for job in jobs if job.status in (RUNNING, SUCCEEDED)}
        return super().messages_of(jobs) | {pk: counts[pk] for pk in stated}

    def request(self, product: DataProduct, by: str) -> tuple["Scoring", bool]:
        """Get the product's unfinished scoring, or begin one; returns it, and True if it was begun by this call.

        Raises: NoChampion or ModelDoesNotFit if no version could predict.
        """
        acting.require(Permission.BUILD, product.name)
        version = champions.get_champion(product).version

        def begin() -> Scoring:
            scoring = self.create(product=product.name, requested_by=by, model=version)
            scoring.enqueue_after_commit()
            return scoring

        return self.get_or_start(product.name, begin)


class Scoring(PlainJob):
    """One pass over all entities. Stored predictions stay when it is interrupted or cancelled."""

    KIND = "scoring"
    CANCEL = Act.CANCEL_SCORING

    #: The version that predicts: the champion when it was requested.
    model = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    #: The key of the last entity that was processed; empty before the first.
    cursor = models.TextField(blank=True)
    scored = models.BigIntegerField(default=0)
    #: Entities that cannot be predicted: a row is missing, or a value is out of its range.
    refused = models.BigIntegerField(default=0)
    #: The reason of the first refusal.
    refusal = models.TextField(blank=True)

    objects = ScoringManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product"],
                condition=Q(status__in=UNFINISHED),
                name="one_unfinished_scoring_per_product",
            ),
            models.CheckConstraint(condition=Q(status__in=STATUSES), name="scoring_status_is_known"),
        ]

    def __str__(self) -> str:
        return f"Scoring {self.pk} of {self.product}"


def run_job(pk: int) -> None:
    """Run the job that RQ calls. A job may come twice; the process that claims the scoring first runs it."""
    if scoring := Scoring.objects.claim(pk, queue.current_job_id()):
        _attend_to_chunks()
        run(scoring)


def _attend_to_chunks() -> None:
    """Set up the job's own process: exclude its heap from garbage collection, and let two threads alternate quickly."""
    memory.freeze_heap()
    sys.setswitchinterval(0.0005)


def run(scoring: Scoring) -> None:
    """Run a claimed scoring to its end."""
    leases.run_with_lease(scoring, lambda finished: _score_all(scoring, finished))


def _score_all(scoring: Scoring, finished: threading.Event) -> None:
    product = catalogue.get(scoring.product)
    champion = Champion(product, scoring.model, scoring.model.load(product))
    total = max(1, base_rows.select(product).count())
    with closing(_read_ahead(champion, scoring.cursor)) as chunks:
        for scored in chunks:
            with transaction.atomic():
                scoring.hold()
                upsert.insert(scored.batch)
                _advance(scoring, scored, total)
    finished.set()
    with transaction.atomic():
        scoring.hold()
        Scoring.objects.filter(pk=scoring.pk).update(percent=100.0)
        scoring.end(SUCCEEDED)


def _read_ahead(champion: Champion, cursor: str) -> Generator[Scored, None, None]:
    """Yield the chunks after `cursor`; while one is stored, the next one is read and predicted."""
    with ThreadPoolExecutor(1, thread_name_prefix="entities") as thread:
        try:
            waiting = thread.submit(_chunk, champion, cursor)
            while chunk := waiting.result():
                waiting = thread.submit(_chunk, champion, chunk.key)
                yield chunk
        finally:
            # On the thread: each thread has a connection of its own.
            thread.submit(lambda: connection.close()).result()


def _chunk(champion: Champion, cursor: str) -> Scored | None:
    product = champion.product
    keys, validated = _read_chunk(product, product.key_of(cursor) if cursor else None)
    if not keys:
        return None
    requests = predict.accepted(validated)
    refusal = next((str(error) for error in validated if isinstance(error, ExemplarError)), "")
    batch = predict.compute(champion, requests)
    return Scored(keys[-1], batch, len(validated) - len(requests), refusal)


def _read_chunk(
    product: DataProduct, after: object
) -> tuple[list[str], Sequence[ValidRequest | ExemplarError]]:
    """Read and validate the entities after a key; one of which PostgreSQL cannot compute a feature is refused."""
    try:
        rows = entities.after(product, after, CHUNK)
    except StoreError:
        keys = list(map(str, entities.keys_after(product, after, CHUNK)))
        return keys, predict.validate(product, [PredictionRequest(entity=key) for key in keys])
    return [row.key for row in rows], _validated(product, rows) if rows else ()


def _validated(product: DataProduct, rows: Sequence[Entity]) -> Sequence[ValidRequest | ExemplarError]:
    """Validate the features of each entity, all at once if none is refused."""
    if all(entity.complete for entity in rows):
        try:
            cleaned = bulk_validation.instances(product, [entity.inputs for entity in rows])
            return [
                ValidRequest(instance, entity.key) for instance, entity in zip(cleaned, rows, strict=True)
            ]
        except StoreError:
            pass  # validated one by one, to find which
    return [predict.validate_entity(product, entity.key, entity) for entity in rows]


def _advance(scoring: Scoring, scored: Scored, total: int) -> None:
    scoring.cursor = scored.key
    scoring.scored += len(scored.batch)
    scoring.refused += scored.refused
    scoring.refusal = scoring.refusal or scored.refusal
    scoring.percent = min(99.9, 100 * (scoring.scored + scoring.refused) / total)
    scoring.save(update_fields=["cursor", "percent", "scored", "refused", "refusal"])
    scoring.tell()
