"""Pending promotions: winners of builds that serve once real instances show that they are not worse."""

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from learning.exceptions import ExemplarError
from learning.promote import ComparedScores, OnEvidence, Outcome, Verdict

from ..access import performers
from ..access.actors import TABLE
from ..comparisons.comparisons import Comparison
from ..db.base import BaseModel
from ..db.writes import Writes
from ..jobs.jobs import SUCCEEDED
from ..notices.kinds import EventKind
from ..predictions.feedback import Feedback
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..registry.versions import ModelVersion
from .builds import Build

#: How a pending promotion ends: the version serves, it is worse, or something else has decided before.
PROMOTED, WORSE, OVERTAKEN = "PROMOTED", "WORSE", "OVERTAKEN"


class PendingPromotionManager(models.Manager["PendingPromotion"]):
    """Begins pending promotions, and decides them by comparisons."""

    def of_product(self, product: str) -> "PendingPromotion | None":
        """Find the one that is undecided."""
        return self.filter(product=product, ended_at=None).first()

    def begin(
        self, build: Build, state: ProductState, model: ModelVersion, reason: str
    ) -> "PendingPromotion":
        """Have a version wait for evidence against the champion of the locked `state`, and request a comparison.

        Args:
            reason: why the build chose it; it stands in the promotion.
        """
        product = catalogue.get(state.product)
        if waiting := self.of_product(product.name):
            waiting.end(OVERTAKEN, f"Version {model.number} was built since, and waits in its place.")
        assert state.champion is not None
        pending = self.create(
            product=product.name, build=build, model=model, champion=state.champion, reason=reason
        )
        pending.compare(product)
        return pending

    def decide_all(self) -> None:
        """Decide each by its newest comparison, or request another one. Any process may call this at any time."""
        for pk in self.filter(ended_at=None).values_list("pk", flat=True):
            self.decide(pk)

    @transaction.atomic
    def decide(self, pk: int) -> None:
        """Decide one, exactly once: the product's row is locked meanwhile, as by all who promote."""
        row = self.filter(pk=pk).first()
        if row is None:
            return
        state = ProductState.objects.lock(row.product)
        row = self.select_for_update().filter(pk=pk, ended_at=None).first()
        if row is None or (row.comparison is not None and not row.comparison.ended):
            return
        product = catalogue.find(row.product)
        if product is None:
            return
        if reason := row.overtaken(product, state):
            row.end(OVERTAKEN, reason)
        elif not row.judged:
            row.judge(product, state)
        elif row.count_words() >= row.lacking:
            row.compare(product)


class PendingPromotion(BaseModel):
    """A version that waits for a comparison with the champion, or for the labels that it needs."""

    web_writes = worker_writes = Writes(insert=True, update=None)

    product = models.CharField(max_length=40)
    build = models.ForeignKey(Build, models.CASCADE, related_name="+")
    model = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    #: The version that it is compared with.
    champion = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    #: Why the build chose it.
    reason = models.TextField()
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    #: The newest comparison; null where there was nothing to replay.
    comparison = models.ForeignKey(Comparison, models.SET_NULL, null=True, related_name="+")
    #: False while the newest comparison has not been looked at.
    judged = models.BooleanField(default=False)
    #: Labels that counted in the newest comparison.
    counted = models.PositiveIntegerField(default=0)
    #: New feedback without which another comparison can say nothing else.
    lacking = models.PositiveIntegerField(default=1)
    #: The newest feedback when the newest comparison was requested.
    last_word = models.BigIntegerField(default=0)
    #: What it waits for, or how it has ended, as a sentence.
    message = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)
    #: PROMOTED, WORSE or OVERTAKEN; empty before.
    outcome = models.CharField(max_length=9, blank=True)

    objects = PendingPromotionManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["product"], condition=Q(ended_at=None), name="one_pending_promotion_per_product"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product}: version {self.model.number} waits for evidence"

    @property
    def least(self) -> int | None:
        """The number of labels that is declared now; None if the product promotes at once."""
        product = catalogue.find(self.product)
        return product.promote.least if product and product.promote else None

    def overtaken(self, product: DataProduct, state: ProductState) -> str | None:
        """Explain why evidence decides no longer; None where it does."""
        if state.champion_id != self.champion_id:
            return "Another version was promoted meanwhile."
        if state.hold:
            return state.hold
        if product.promote is None:
            return f"{product} is declared without evidence now: promote the version, or build again."
        return self.model.misfit(product)

    def compare(self, product: DataProduct) -> None:
        """Request a comparison with the champion by the labels that there are now."""
        newest = Feedback.objects.seen()["last"]
        try:
            with transaction.atomic(), performers.performing(performers.Performer(f"{self.build}", "RULE")):
                versions = [self.champion, self.model]
                self.comparison, started = Comparison.objects.request(product, versions, f"{self.build}")
                self.judged = False
                self.message = f"It is compared with version {self.champion.number} on stored instances."
        except ExemplarError as refusal:
            self.comparison, started = None, True
            self._wait(product, str(refusal))
        if started:  # one that somebody requested before may not have read the newest feedback
            self.last_word = newest
        self.save()

    def judge(self, product: DataProduct, state: ProductState) -> None:
        """Decide by a comparison that has ended."""
        assert product.promote is not None
        if self.comparison is None or self.comparison.status != SUCCEEDED:
            ended = self.comparison.problem_message if self.comparison else ""
            self._wait(product, ended or "The comparison was cancelled.")
            self.save()
            return
        verdict = product.promote.judge(_to_evidence(self.comparison))
        self.counted, self.judged = self.comparison.counted, True
        self.message, self.lacking = verdict.reason, verdict.lacking
        match verdict.outcome:
            case Outcome.PROMOTE:
                self._promote(state, verdict)
            case Outcome.WORSE:
                self.end(
                    WORSE, f"Version {self.model.number} waits for a person to promote it. {verdict.reason}"
                )
                self.build.notify(EventKind.MODEL_HELD, self.message)
            case Outcome.WAIT:
                self.save()

    def count_words(self) -> int:
        """Count the feedback of people that came after the newest comparison was requested."""
        words = Feedback.objects.filter(product=self.product, pk__gt=self.last_word)
        return words.exclude(author=TABLE).count()

    def end(self, outcome: str, message: str) -> None:
        """Record how it has ended."""
        self.outcome, self.message, self.judged = outcome, message, True
        self.save()
        PendingPromotion.objects.filter(pk=self.pk).update(ended_at=Now())

    def _promote(self, state: ProductState, verdict: Verdict) -> None:
        with performers.performing(performers.Performer(f"{self.build}", "RULE")):
            Promotion.objects.record(state, self.model, f"{verdict.reason} {self.reason}", by=f"{self.build}")
        Build.objects.filter(pk=self.build_id).update(promoted=True)
        self.end(PROMOTED, verdict.reason)

    def _wait(self, product: DataProduct, obstacle: str) -> None:
        """Wait for labels where no comparison could be made."""
        rule: OnEvidence | None = product.promote
        self.lacking = max(1, rule.least - self.counted if rule else 1)
        self.judged = True
        self.message = f"{obstacle} {self.lacking:,} labels are lacking."


def _to_evidence(comparison: Comparison) -> ComparedScores:
    measure = comparison.main_measure
    if measure is None:
        return ComparedScores(counted=comparison.counted, metric=comparison.metric)
    return ComparedScores(
        counted=comparison.counted,
        metric=measure.metric,
        difference=measure.difference,
        low=measure.low,
        high=measure.high,
    )
