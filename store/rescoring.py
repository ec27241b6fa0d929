"""Re-scoring: every entity of a product predicted anew by the champion, as a job that streams and can go on."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from rq import get_current_job

from learning.exceptions import ExemplarError

from . import catalogue, entities, events, leases, serving
from .jobs import FAILED, STATUSES, SUCCEEDED, UNFINISHED, Job, JobManager
from .predictions import Prediction, Question
from .product import DataProduct
from .registry import ModelVersion
from .serving import Champion

#: Entities that are read, predicted and stored together.
CHUNK = 1_000
#: What is asked about an entity, or why nothing can be.
Asked = Question | ExemplarError


class ScoringManager(JobManager["Scoring"]):
    def request(self, product: DataProduct, by: str) -> tuple["Scoring", bool]:
        """The product's unfinished re-scoring, and whether it was begun by this request.

        Raises NoChampion or ModelDoesNotFit where no version could predict anything.
        """
        version = serving.of(product).version
        try:
            with transaction.atomic():
                scoring = self.create(product=product.name, requested_by=by, model=version)
                scoring.enqueue_after_commit()
        except IntegrityError:
            running = self.unfinished(product.name)
            return (running, False) if running else self.request(product, by)
        return scoring, True


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
        events.ring_after_commit("job", job=self.pk, product=self.product)

    def end(self, status: str) -> None:
        """Set the end; the caller holds the row."""
        Scoring.objects.filter(pk=self.pk).update(status=status, ended_at=Now(), job="")
        self.refresh_from_db()
        self.tell()

    def fail(self, error: ExemplarError, traceback: str = "") -> None:
        Scoring.objects.filter(pk=self.pk).update(
            problem_code=error.code, problem_message=str(error), traceback=traceback
        )
        self.end(FAILED)


def run_job(pk: int) -> None:
    """What RQ calls; a job may come twice, and whoever claims the scoring first runs it."""
    job = get_current_job()
    if scoring := Scoring.objects.claim(pk, job.id if job else ""):
        run(scoring)


def run(scoring: Scoring) -> None:
    """Run a claimed scoring to its end."""
    leases.carry_out(scoring, lambda finished: _through(scoring, finished))


def _through(scoring: Scoring, finished: threading.Event) -> None:
    product = catalogue.get(scoring.product)
    champion = Champion(product, scoring.model, scoring.model.load(product))
    total = max(1, product.join.queryset.count())
    for key, asked in _ahead(product, scoring.cursor):
        with transaction.atomic():
            scoring.hold()
            _store(scoring, champion, asked)
            _advance(scoring, key, total)
    finished.set()
    with transaction.atomic():
        scoring.hold()
        Scoring.objects.filter(pk=scoring.pk).update(percent=100.0)
        scoring.end(SUCCEEDED)


def _ahead(product: DataProduct, cursor: str) -> Iterator[tuple[str, Sequence[Asked]]]:
    """The chunks behind `cursor`: the last one's key, and what is asked; the next one is read meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="entities") as thread:
        try:
            waiting = thread.submit(_chunk, product, cursor)
            while chunk := waiting.result():
                waiting = thread.submit(_chunk, product, chunk[0])
                yield chunk
        finally:
            thread.submit(connection.close)  # the thread's own


def _chunk(product: DataProduct, cursor: str) -> tuple[str, Sequence[Asked]] | None:
    found = entities.after(product, product.key_of(cursor) if cursor else None, CHUNK)
    if not found:
        return None
    return found[-1].key, [serving.question_about(product, entity.key, entity) for entity in found]


def _store(scoring: Scoring, champion: Champion, asked: Sequence[Asked]) -> None:
    questions = [question for question in asked if isinstance(question, Question)]
    answers = champion.model.predict([question.instance for question in questions])
    Prediction.objects.keep(champion.product, champion.version, questions, answers)
    scoring.scored += len(questions)
    scoring.refused += len(asked) - len(questions)
    refusal = next((error for error in asked if isinstance(error, ExemplarError)), None)
    scoring.refusal = scoring.refusal or str(refusal or "")


def _advance(scoring: Scoring, key: str, total: int) -> None:
    scoring.cursor = key
    scoring.percent = min(99.9, 100 * (scoring.scored + scoring.refused) / total)
    scoring.save(update_fields=["cursor", "percent", "scored", "refused", "refusal"])
    scoring.tell()
