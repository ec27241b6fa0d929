"""Promotions: the history of what served, and the acts that switch the champion."""

from django.db import models, transaction
from django.db.models.functions import Now

from ..access import acting, audit
from ..access.audit import Act
from ..access.permissions import Permission
from ..db.base import BaseModel
from ..db.writes import APPENDED
from ..exceptions import BadInput, ChampionChanged, Conflict, ForeignModel, ModelDoesNotFit, NoChampion
from ..jobs import events
from ..notices.deliveries import Delivery
from ..notices.kinds import EventKind
from ..products import catalogue
from .product_states import ProductState
from .trials import Trial
from .versions import ModelVersion


class PromotionManager(models.Manager["Promotion"]):
    """Promotes and rolls back versions."""

    @transaction.atomic
    def promote(
        self, model: ModelVersion, reason: str, by: str, believed: ModelVersion | None = None
    ) -> "Promotion":
        """Make `model` the champion by a person's decision, and end the hold on automatic promotion.

        Args:
            believed: the version that the person saw serving, where they said so.

        Raises: ForeignModel; ChampionChanged; ModelDoesNotFit; Conflict where it serves already; BadInput.
        """
        acting.require(Permission.PROMOTE, model.product)
        state = ProductState.objects.lock(model.product)
        if believed:
            self._check_believed(state, believed)
        if state.champion_id == model.pk:
            raise Conflict(f"Version {model.number} of {model.product} serves already.", argument=("model",))
        if why := model.misfit(catalogue.get(model.product)):
            raise ModelDoesNotFit(why, argument=("model",))
        return self.record(state, model, _checked_reason(reason), by)

    @transaction.atomic
    def rollback(self, product: str, believed: ModelVersion, reason: str, by: str) -> "Promotion":
        """Make the version before the champion serve again, and hold automatic promotion until a person promotes.

        Raises: ForeignModel; ChampionChanged; NoChampion where no version came before; ModelDoesNotFit; BadInput.
        """
        acting.require(Permission.PROMOTE, product)
        state = ProductState.objects.lock(catalogue.get(product).name)
        self._check_believed(state, believed)
        last = self._standing(state.product)[-1]
        if last.previous is None:
            raise NoChampion(
                f"{product} has no version before {believed.number} to go back to.", argument=("champion",)
            )
        if why := last.previous.misfit(catalogue.get(product)):
            raise ModelDoesNotFit(why)
        why = _checked_reason(reason)
        hold = f"Rolled back by {by}: {_end_sentence(why)}"
        return self.record(state, last.previous, why, by, rollback=True, hold=hold)

    def newest(self, product: str) -> models.QuerySet["Promotion"]:
        """List the product's promotions, newest first."""
        return self.filter(product=product).prefetch_related("model", "previous").order_by("-pk")

    def can_roll_back(self, product: str) -> bool:
        """Return True where a version before the champion could serve again."""
        promotions = self._standing(product)
        return bool(promotions and promotions[-1].previous_id)

    def _standing(self, product: str) -> "list[Promotion]":
        """List the promotions that no rollback has undone, oldest first; the last one is the champion's."""
        standing: list[Promotion] = []
        for promotion in self.filter(product=product).order_by("pk"):
            if promotion.rollback:
                standing.pop()
            else:
                standing.append(promotion)
        return standing

    def _check_believed(self, state: ProductState, believed: ModelVersion) -> None:
        if believed.product != state.product:
            raise ForeignModel(
                f"This champion is a version of {believed.product}, not of {state.product}.",
                argument=("champion",),
            )
        if believed.pk != state.champion_id:
            serving = f"Version {state.champion.number}" if state.champion else "No version"
            raise ChampionChanged(
                f"{serving} of {state.product} serves now, not version {believed.number}. Read the champion again.",
                argument=("champion",),
            )

    def record(
        self,
        state: ProductState,
        model: ModelVersion,
        reason: str,
        by: str,
        rollback: bool = False,
        hold: str = "",
    ) -> "Promotion":
        """Switch the locked `state` to `model`, end a trial, and notify every web process after the commit."""
        promotion = self.create(
            product=state.product,
            model=model,
            previous=state.champion,
            rollback=rollback,
            reason=reason,
            by=by,
        )
        state.champion, state.hold = model, hold
        state.save()
        Trial.objects.end_by_promotion(state, reason, by)
        act = Act.ROLL_BACK if rollback else Act.PROMOTE
        audit.record(act, product=state.product, ids=[model, promotion], reason=reason)
        promotion.notify()
        events.publish_after_commit("promotion", product=state.product, promotion=promotion.pk)
        return promotion


class Promotion(BaseModel):
    """The moment from which a version serves: instead of which one, by whom and why."""

    web_writes = worker_writes = APPENDED

    product = models.CharField(max_length=40)
    model = models.ForeignKey(ModelVersion, models.PROTECT, related_name="promotions")
    previous = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    rollback = models.BooleanField(default=False)
    reason = models.TextField()
    by = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PromotionManager()

    class Meta:
        indexes = [models.Index(fields=["product", "-id"], name="promotions_newest_first")]

    def __str__(self) -> str:
        return f"{self.product}: version {self.model.number} serves"

    def notify(self) -> None:
        """Tell the receivers of events, in the transaction of the promotion."""
        kind = EventKind.MODEL_ROLLED_BACK if self.rollback else EventKind.MODEL_PROMOTED
        data = {
            "message": f"Version {self.model.number} of {self.product} serves. {self.reason}",
            "product": self.product,
            "version": self.model.number,
            "previous": self.previous.number if self.previous else None,
            "reason": self.reason,
            "by": self.by,
        }
        Delivery.objects.record(kind, self.product, data)


def _checked_reason(reason: str) -> str:
    if not reason.strip() or "\0" in reason:
        raise BadInput("A reason is required; it is stored with the promotion.", argument=("reason",))
    return reason.strip()


def _end_sentence(text: str) -> str:
    """End a text as a sentence does: others stand behind it."""
    return text if text.endswith((".", "!", "?", "…", "。")) else f"{text}."
