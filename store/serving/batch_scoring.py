"""Re-scoring: every entity of a product predicted anew by the champion, as a job that streams and can go on."""

import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

from django.db import connection, models, transaction
from django.db.models import Q

from learning.exceptions import ExemplarError

from ..db import memory
from ..entities import bulk_validation, entities
from ..entities.entities import Entity
from ..exceptions import StoreError
from ..jobs import events, leases, queue
from ..jobs.jobs import FAILED, STATUSES, SUCCEEDED, UNFINISHED, Job, JobManager
from ..predictions import upsert
from ..predictions.upsert import PredictionBatch, ValidRequest
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import champions, predict
from .champions import Champion

#: Entities that are read, predicted and stored together.
CHUNK = 2_000


class Scored(NamedTuple):
    """Entities that were predicted, ready to be stored."""

    #: Of the last one.
    key: str
    batch: PredictionBatch
    #: Those that cannot be predicted, and why the first of them cannot.
    refused: int
    refusal: str


class ScoringManager(JobManager["Scoring"]):
    def request(self, product: DataProduct, by: str) -> tuple["Scoring", bool]:
        """The product's unfinished re-scoring, and whether it was begun by this request.

        Raises NoChampion or ModelDoesNotFit where no version could predict anything.
        """
        version = champions.get_champion(product).version

        def begin() -> Scoring:
            scoring = self.create(product=product.name, requested_by=by, model=version)
            scoring.enqueue_after_commit()
            return scoring

        return self.get_or_start(product.name, begin)


class Scoring(Job):
    """One passage over all entities. What was stored stays, however often it is interrupted."""

    KIND = "scoring"

    #: The version that predicts: the champion when it was requested.
    model = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    #: The key of the last entity that was looked at; empty before the first.
    cursor = models.TextField(blank=True)
    scored = models.BigIntegerField(default=0)
    #: Entities that cannot be predicted: a row that is missing, a value out of its range.
    refused = models.BigIntegerField(default=0)
    #: Why the first of them was.
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

    def tell(self) -> None:
        events.publish_after_commit("job", job=self.pk, product=self.product)

    def end(self, status: str) -> None:
        """Set the end; the caller holds the row."""
        self.close(status)
        self.refresh_from_db()
        self.tell()

    def failed(self, error: ExemplarError) -> None:
        self.end(FAILED)


def run_job(pk: int) -> None:
    """What RQ calls; a job may come twice, and whoever claims the scoring first runs it."""
    if scoring := Scoring.objects.claim(pk, queue.current_job_id()):
        _attend_to_chunks()
        run(scoring)


def _attend_to_chunks() -> None:
    """Set up this process, which is the job's own: what is there stays, and two threads take turns at short notice."""
    memory.freeze_heap()
    sys.setswitchinterval(0.0005)


def run(scoring: Scoring) -> None:
    """Run a claimed scoring to its end."""
    leases.run_with_lease(scoring, lambda finished: _through(scoring, finished))


def _through(scoring: Scoring, finished: threading.Event) -> None:
    product = catalogue.get(scoring.product)
    champion = Champion(product, scoring.model, scoring.model.load(product))
    total = max(1, product.join.queryset.count())
    with closing(_ahead(champion, scoring.cursor)) as chunks:
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


def _ahead(champion: Champion, cursor: str) -> Generator[Scored, None, None]:
    """The chunks behind `cursor`: while one is being stored, the next one is read and predicted."""
    with ThreadPoolExecutor(1, thread_name_prefix="entities") as thread:
        try:
            waiting = thread.submit(_chunk, champion, cursor)
            while chunk := waiting.result():
                waiting = thread.submit(_chunk, champion, chunk.key)
                yield chunk
        finally:
            # Which connection that is, is asked there: the thread's own.
            thread.submit(lambda: connection.close()).result()


def _chunk(champion: Champion, cursor: str) -> Scored | None:
    product = champion.product
    found = entities.after(product, product.key_of(cursor) if cursor else None, CHUNK)
    if not found:
        return None
    validated = _validated(product, found)
    requests = predict.accepted(validated)
    refusal = next((str(error) for error in validated if isinstance(error, ExemplarError)), "")
    batch = predict.compute(champion, requests)
    return Scored(found[-1].key, batch, len(validated) - len(requests), refusal)


def _validated(product: DataProduct, found: Sequence[Entity]) -> Sequence[ValidRequest | ExemplarError]:
    """The request about each entity, or why it cannot be predicted."""
    if all(entity.complete for entity in found):
        try:
            cleaned = bulk_validation.instances(product, [entity.instance for entity in found])
            return [
                ValidRequest(instance, entity.key) for instance, entity in zip(cleaned, found, strict=True)
            ]
        except StoreError:
            pass  # one by one, it is told which
    return [predict.validate_entity(product, entity.key, entity) for entity in found]


def _advance(scoring: Scoring, scored: Scored, total: int) -> None:
    scoring.cursor = scored.key
    scoring.scored += len(scored.batch)
    scoring.refused += scored.refused
    scoring.refusal = scoring.refusal or scored.refusal
    scoring.percent = min(99.9, 100 * (scoring.scored + scoring.refused) / total)
    scoring.save(update_fields=["cursor", "percent", "scored", "refused", "refusal"])
    scoring.tell()
