"""Trials: a version is tried on live traffic beside the champion, in a shadow or by a share of the subjects."""

import math
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from ..access import acting, audit, performers
from ..access.audit import Act
from ..access.performers import Performer
from ..access.permissions import Permission
from ..db.base import BaseModel
from ..db.fields import DigestField
from ..db.writes import Writes
from ..exceptions import BadInput, Conflict, ForeignModel, ModelDoesNotFit, NoChampion, OutOfRange
from ..jobs import events
from ..notices.deliveries import Delivery
from ..notices.kinds import EventKind
from ..products import catalogue
from .product_states import ProductState
from .versions import SHADOW, SPLIT, ModelVersion

#: Requests that a version may fail to answer in a trial; one more ends it.
MOST_FAILURES = 10
#: Who ends a trial that ends by itself, in the audit log.
ITSELF = Performer("the trial", "RULE")
#: Characters of a problem, at most.
LONGEST_PROBLEM = 500
#: Seconds after which another process may go on with a shadow whose process shows no sign of life.
LEASE_SECONDS = 15


class TrialManager(models.Manager["Trial"]):
    """Starts and ends trials, of which a product has one at a time."""

    def running(self) -> models.QuerySet["Trial"]:
        """Select the trials that have not ended."""
        return self.filter(ended_at=None)

    def start_shadow(self, model: ModelVersion, reason: str, by: str) -> "Trial":
        """Have a version predict beside the champion, without serving.

        Raises: NoChampion, ModelDoesNotFit, BadInput; Conflict where it serves, or another trial runs.
        """
        return self._start(SHADOW, model, None, reason, by)

    def start_split(self, product: str, model: ModelVersion, share: float, reason: str, by: str) -> "Trial":
        """Have a version answer for a share of the subjects.

        A split of the same version with another share ends with the start of this one: a greater share keeps the
        subjects of the smaller one.

        Raises: UnknownProduct, ForeignModel, OutOfRange, and as above.
        """
        name = catalogue.get(product).name
        acting.require(Permission.PROMOTE, name)
        if model.product != name:
            raise ForeignModel(
                f"Version {model.number} is one of {model.product}, not of {name}.", argument=("model",)
            )
        if not 0 < share <= 1:
            raise OutOfRange(
                f"A share is greater than 0 and at most 1, not {share:g}.", argument=("share",), maximum=1
            )
        return self._start(SPLIT, model, share, reason, by)

    @transaction.atomic
    def _start(self, kind: str, model: ModelVersion, share: float | None, reason: str, by: str) -> "Trial":
        acting.require(Permission.PROMOTE, model.product)
        product = catalogue.get(model.product)
        state = ProductState.objects.lock(model.product)
        if state.champion is None:
            raise NoChampion(f"{product} has no champion beside which a version could be tried.")
        if state.champion_id == model.pk:
            message = f"Version {model.number} of {product} serves: a trial needs another one."
            raise Conflict(message, argument=("model",))
        if why := model.misfit(product):
            raise ModelDoesNotFit(why, argument=("model",))
        why = _checked(reason)
        if running := self.running().filter(product=model.product).select_related("model").first():
            if kind != SPLIT or running.model_id != model.pk or running.share in (None, share):
                raise Conflict(f"{running} has not ended: a product has one trial at a time.")
            running.end(f"The share is {share:g} from now on.", by)
        trial = self.create(
            product=model.product,
            kind=kind,
            model=model,
            champion=state.champion,
            share=share,
            reason=why,
            by=by,
        )
        audit.record(Act.START_TRIAL, product=model.product, ids=[trial, model], reason=why)
        events.publish_after_commit("trial", product=model.product, trial=trial.pk)
        return trial

    @transaction.atomic
    def end(self, product: str, reason: str, by: str) -> "Trial":
        """End a product's trial by a person's decision. Raises UnknownProduct, BadInput; Conflict where none runs."""
        name = catalogue.get(product).name
        acting.require(Permission.PROMOTE, name)
        why = _checked(reason)
        trial = self.running().filter(product=name).select_related("model").first()
        if trial is None or not trial.end(why, by):
            raise Conflict(f"No trial of {product} runs.", argument=("product",))
        return trial

    def end_by_promotion(self, state: ProductState, reason: str, by: str) -> None:
        """End the trial of a product whose champion has changed, in the transaction that holds its state."""
        trial = self.running().filter(product=state.product).select_related("model").first()
        if trial is not None and state.champion is not None:
            served = "It" if trial.model_id == state.champion_id else f"Version {state.champion.number}"
            trial.end(f"{served} serves now. {reason}", by)


class Trial(BaseModel):
    """The time in which a version is tried beside a champion."""

    web_writes = worker_writes = Writes(
        insert=True,
        update=(
            *("ended_at", "ended_by", "end_reason", "problem", "failures", "predicted", "dropped"),
            *("read_at", "read_id", "runner", "runner_until", "evaluated_at", "evaluated_word", "scale"),
        ),
    )

    product = models.CharField(max_length=40)
    #: SHADOW or SPLIT.
    kind = models.CharField(max_length=10)
    #: The version that is tried, and the champion when it began; another champion ends it.
    model = models.ForeignKey(ModelVersion, models.PROTECT, related_name="trials")
    champion = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    #: The share of subjects that a split answers, greater than 0 and at most 1; null for a shadow.
    share = models.FloatField(null=True)
    reason = models.TextField()
    by = models.CharField(max_length=200)
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True, db_default="")
    end_reason = models.TextField(blank=True, db_default="")
    #: Why it does not answer as it should, the newest reason; empty while all is well.
    problem = models.TextField(blank=True, db_default="")
    #: Requests that it failed to answer; the champion answered them.
    failures = models.PositiveIntegerField(db_default=0)
    #: Of a shadow: the predictions that it has made, and those of the champion that it left out to keep up.
    predicted = models.BigIntegerField(db_default=0)
    dropped = models.BigIntegerField(db_default=0)
    #: Of a shadow: the champion's prediction, by update and id, up to which all are predicted. Null before the first.
    read_at = models.DateTimeField(null=True)
    read_id = DigestField(null=True)
    #: Of a shadow: the process that predicts, and until when it has the trial for itself.
    runner = models.CharField(max_length=40, blank=True, db_default="")
    runner_until = models.DateTimeField(null=True)
    #: When it was last compared by truths, and the number of the newest word of people then.
    evaluated_at = models.DateTimeField(null=True)
    evaluated_word = models.BigIntegerField(null=True)
    #: Of a regression: the error from which on all errors count alike, as bounds need one.
    scale = models.FloatField(null=True)

    objects = TrialManager()

    class Meta:
        indexes = [models.Index(fields=["product", "-id"], name="trials_newest_first")]
        constraints = [
            models.UniqueConstraint(
                fields=["product"], condition=Q(ended_at=None), name="one_unended_trial_per_product"
            ),
            models.CheckConstraint(
                condition=Q(kind=SHADOW, share=None) | Q(kind=SPLIT, share__gt=0, share__lte=1),
                name="a_split_has_a_share",
            ),
        ]

    def __str__(self) -> str:
        noun = "shadow" if self.kind == SHADOW else f"split of {self.share:g}"
        return f"The {noun} with version {self.model.number} of {self.product}"

    @transaction.atomic
    def end(self, reason: str, by: str) -> bool:
        """End it; returns False where another process has ended it before."""
        ended = {"ended_at": Now(), "ended_by": by, "end_reason": reason}
        if not Trial.objects.running().filter(pk=self.pk).update(**ended):
            return False
        self.refresh_from_db()
        audit.record(Act.END_TRIAL, product=self.product, ids=[self, self.model], reason=reason)
        Delivery.objects.record(EventKind.TRIAL_ENDED, self.product, self._event())
        events.publish_after_commit("trial", product=self.product, trial=self.pk)
        return True

    def _event(self) -> dict[str, Any]:
        return {
            "message": f"{self} has ended. {self.end_reason}",
            "product": self.product,
            "kind": self.kind,
            "version": self.model.number,
            "champion": self.champion.number,
            "share": self.share,
            "reason": self.end_reason,
            "by": self.ended_by,
        }

    def note_failures(self, number: int, problem: str) -> None:
        """Note that the version failed to answer, and why; too many failures end the trial."""
        with performers.performing(ITSELF), transaction.atomic():
            row = Trial.objects.running().filter(pk=self.pk)
            row.update(failures=F("failures") + number, problem=problem[:LONGEST_PROBLEM])
            failures = row.values_list("failures", flat=True).first()
            if failures is not None and failures > MOST_FAILURES:
                self.end(f"It failed to answer {failures} times, the last time so: {problem}", ITSELF.author)

    def note_problem(self, problem: str) -> None:
        """Note why the version does not answer at all, or that it does again (empty)."""
        changed = Trial.objects.running().filter(pk=self.pk).exclude(problem=problem[:LONGEST_PROBLEM])
        changed.update(problem=problem[:LONGEST_PROBLEM])

    def claim(self, runner: str) -> bool:
        """Claim a shadow for one process; False while another one predicts."""
        free = Q(runner="") | Q(runner=runner) | Q(runner_until__lt=Now())
        until = Now() + timedelta(seconds=LEASE_SECONDS)
        rows = Trial.objects.running().filter(free, pk=self.pk, kind=SHADOW)
        return bool(rows.update(runner=runner, runner_until=until))

    def release(self, runner: str) -> None:
        """Release a shadow for another process to go on with."""
        Trial.objects.filter(pk=self.pk, runner=runner).update(runner="", runner_until=None)


def is_within(share: float, hashed: int) -> bool:
    """Return True if a number of 64 bits falls into a share; what is in a share is in every greater one."""
    return hashed < math.ldexp(share, 64)


def _checked(reason: str) -> str:
    if not reason.strip() or "\0" in reason:
        raise BadInput("A reason is required; it is stored with the trial.", argument=("reason",))
    return reason.strip()
