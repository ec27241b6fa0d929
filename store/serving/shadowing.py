"""Shadowing: a version predicts what its champion was asked, from the stored predictions, and serves nobody.

It runs in a process of its own, of low priority, which a worker starts. So it can neither delay nor fail an answer, and
costs the web processes nothing; it sees what was asked on every path of every process once the answer is stored. It
rests in proportion to its work, and leaves out what it cannot keep up with.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from learning.model import Answer, Model

from ..db import clock
from ..exceptions import ModelDoesNotFit
from ..predictions import upsert
from ..predictions.predictions import Prediction
from ..predictions.upsert import PredictionBatch, ValidRequest
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.trials import LEASE_SECONDS, Trial
from ..registry.versions import SHADOW
from .each_answer import predict_each
from .splits import describe

log = logging.getLogger(__name__)

#: Predictions that are read, predicted and stored together.
CHUNK = 500
#: Seconds between two looks for what was asked.
INTERVAL = 0.5
#: Seconds between two looks whether the trial has ended, and renewals of the lease.
CLAIM_SECONDS = 2.0
#: Seconds for which a prediction must have been stored: those of statements that are still running come later.
SETTLED_SECONDS = 1.0
#: Seconds that it may be behind; what is older is left out.
MOST_BEHIND = 30
#: It rests so many times as long as it has worked, so that the champion has the machine.
RESTS = 4.0
#: Predictions that are not predicted again when they are asked again.
REMEMBERED = 100_000


class Asked(NamedTuple):
    """A stored prediction of the champion."""

    updated_at: datetime
    pk: str
    entity: str | None
    reference: str | None
    #: As JSON.
    features: str


class Shadow:
    """A trial that this process runs."""

    def __init__(self, trial: Trial, runner: str):
        self.trial, self.runner = trial, runner
        self.product: DataProduct = catalogue.get(trial.product)
        self.model: Model = trial.model.load(self.product)
        self.claimed_at = time.monotonic()
        self.trial.refresh_from_db(fields=["read_at", "read_id"])
        #: What was predicted already, the oldest first.
        self.done: OrderedDict[str, None] = OrderedDict()

    def step(self) -> int | None:
        """Predict the next chunk of what was asked.

        Returns: the number of predictions read; None where the trial is no longer this process's.
        """
        if time.monotonic() - self.claimed_at >= CLAIM_SECONDS:
            if not self.trial.claim(self.runner):
                return None
            self.claimed_at = time.monotonic()
        if self.trial.read_at is None:
            self._begin()
        elif (behind := clock.now() - timedelta(seconds=MOST_BEHIND)) > self.trial.read_at:
            self._leave_out(behind)
        rows = self._read()
        if rows:
            if not self._store([row for row in rows if row.pk not in self.done], rows[-1]):
                return None
            self._remember(rows)
        return len(rows)

    def _begin(self) -> None:
        Trial.objects.filter(pk=self.trial.pk).update(read_at=F("started_at"))
        self.trial.refresh_from_db(fields=["read_at"])

    def _leave_out(self, until: datetime) -> None:
        """Leave out what was asked until a moment, and count it."""
        left_out = (
            self._select_served().filter(updated_at__gt=self.trial.read_at, updated_at__lte=until).count()
        )
        Trial.objects.filter(pk=self.trial.pk).update(
            read_at=until, read_id=None, dropped=F("dropped") + left_out
        )
        self.trial.read_at, self.trial.read_id = until, None

    def _select_served(self) -> Any:
        """Select the predictions that the champion was asked for."""
        rows = Prediction.objects.served().filter(product=self.product.name)
        return rows.filter(model_id=self.trial.champion_id)

    def _read(self) -> list[Asked]:
        """Read the next predictions in the order of their updates, which an index has."""
        statement = f"""
            SELECT updated_at, id::text, entity, reference, features FROM store_prediction
            WHERE product = %s AND (updated_at, id) > (%s, %s::uuid)
                AND updated_at < clock_timestamp() - interval '{SETTLED_SECONDS} s'
                AND model_id = %s AND served
            ORDER BY updated_at, id LIMIT {CHUNK}"""
        trial = self.trial
        first = trial.read_id or "ffffffff-ffff-ffff-ffff-ffffffffffff"
        with connection.cursor() as cursor:
            cursor.execute(statement, [self.product.name, trial.read_at, first, trial.champion_id])
            return [Asked(*row) for row in cursor.fetchall()]

    def _predict(self, requests: Sequence[ValidRequest]) -> list[Answer | None]:
        """Predict; None where the version fails, by an error of any library, which is counted."""
        instances = [request.instance for request in requests]
        return predict_each(self.model, instances, Exception, self._note)

    def _note(self, error: Exception) -> None:
        self.trial.note_failures(1, describe(error))

    def _store(self, rows: Sequence[Asked], last: Asked) -> bool:
        """Predict and store rows, and note how far they are read, in one transaction; False where it has ended."""
        requests = [self._request(row) for row in rows]
        answers = self._predict(requests) if requests else []
        pairs = [(row, request, answer) for row, request, answer in zip(rows, requests, answers, strict=True)]
        with transaction.atomic():
            # Whoever deletes what was asked waits, and then deletes this, too.
            stored = self._lock([row.pk for row in rows])
            answered = [(request, answer) for row, request, answer in pairs if answer and row.pk in stored]
            mine = Trial.objects.running().filter(pk=self.trial.pk, runner=self.runner)
            if not mine.update(
                read_at=last.updated_at, read_id=last.pk, predicted=F("predicted") + len(answered)
            ):
                return False
            batch = PredictionBatch(
                self.product,
                self.trial.model,
                [request for request, _ in answered],
                [a for _, a in answered if a],
            )
            upsert.insert_unserved(batch)
        self.trial.read_at, self.trial.read_id = last.updated_at, last.pk
        return True

    def _lock(self, ids: Sequence[str]) -> set[str]:
        """Lock predictions against deletion; returns those that there still are."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id::text FROM store_prediction WHERE id = ANY(%s::uuid[]) ORDER BY id FOR KEY SHARE",
                [list(ids)],
            )
            return {id for (id,) in cursor.fetchall()}

    def _request(self, row: Asked) -> ValidRequest:
        return ValidRequest(self.product.restore_row(orjson.loads(row.features)), row.entity, row.reference)

    def _remember(self, rows: Sequence[Asked]) -> None:
        self.done.update(dict.fromkeys(row.pk for row in rows))
        while len(self.done) > REMEMBERED:
            self.done.popitem(last=False)


def run(pk: int, runner: str) -> None:
    """Run a trial until it ends or another process has it. Raises the database's errors."""
    trial = Trial.objects.running().select_related("model").filter(pk=pk).first()
    if trial is None or not trial.claim(runner):
        return
    try:
        shadow = Shadow(trial, runner)
    except ModelDoesNotFit as error:
        trial.note_problem(str(error))
        time.sleep(LEASE_SECONDS)
        return
    if trial.problem:
        trial.note_problem("")
    log.info("%s predicts.", trial)
    try:
        while True:
            started = time.monotonic()
            read = shadow.step()
            if read is None:
                return
            worked = time.monotonic() - started
            time.sleep(worked * RESTS if read == CHUNK else max(INTERVAL, worked * RESTS))
    finally:
        trial.release(runner)


def list_free() -> list[int]:
    """List the shadows that no process runs, by their primary keys."""
    rows = Trial.objects.running().filter(kind=SHADOW)
    free = rows.filter(runner="") | rows.filter(runner_until__lt=Now())
    return list(free.values_list("pk", flat=True))
