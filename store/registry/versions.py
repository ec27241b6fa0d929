"""The registry: every model version with its signed artifact, and which of them serves."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Substr

from learning.model import Model, Signature, loads, versions
from learning.selection.steps import Fitted

from ..db import base, pagination
from ..db.fields import JSONField
from ..exceptions import (
    BadInput,
    ChampionChanged,
    Conflict,
    ForeignModel,
    ModelDoesNotFit,
    NoChampion,
    UnknownId,
)
from ..jobs import events
from ..products import catalogue
from ..products.product import DataProduct
from . import artifacts

CHAMPION, CHALLENGER, RETIRED = "CHAMPION", "CHALLENGER", "RETIRED"

#: Bytes of an artifact that are read at once.
PART = 4 * 1024 * 1024


class Status(models.Func):
    """What follows from the promotions of the version with this key; in SQL, as Django takes longer to put it together
    than PostgreSQL to answer.
    """

    template = f"""CASE
        WHEN EXISTS (SELECT FROM store_productstate WHERE champion_id = %(expressions)s) THEN '{CHAMPION}'
        WHEN EXISTS (SELECT FROM store_promotion WHERE model_id = %(expressions)s) THEN '{RETIRED}'
        ELSE '{CHALLENGER}' END"""
    output_field = models.TextField()


class ModelVersionManager(models.Manager["ModelVersion"]):
    def get_queryset(self) -> models.QuerySet["ModelVersion"]:
        """Without artifact and intervals, which may be large."""
        return super().get_queryset().defer("artifact", "intervals")

    def champion_of(self, product: str) -> "ModelVersion | None":
        """The version that serves, by the registry; a web process may be a moment behind."""
        state = ProductState.objects.filter(product=product, champion__isnull=False)
        return self.filter(pk__in=state.values("champion")).first()

    def named(self, pk: int, argument: str = "id") -> "ModelVersion":
        """The version with this number in the whole registry. Raises UnknownId."""
        found = self.filter(pk=pk).first()
        if found is None:
            raise UnknownId("No model version has this id.", argument=(argument,))
        return found

    def listed(self, product: str, status: list[str] | None = None) -> models.QuerySet["ModelVersion"]:
        rows = self.filter(product=product)
        return rows if status is None else rows.alias(derived=Status("pk")).filter(derived__in=status)

    def status_of(self, versions: "Iterable[ModelVersion]") -> dict[int, str]:
        """By their keys."""
        rows = self.filter(pk__in=[version.pk for version in versions])
        return dict(rows.values_list("pk", Status("pk")))

    def register(self, build: Any, fitted: Fitted) -> "ModelVersion":
        """Pickle, sign and keep a fitted model; an attempt that registered it before gets that version back."""
        candidate = build.candidates.get(key=fitted.candidate.key)
        existing = self.filter(build=build, candidate=candidate).first()
        return existing or self.create(
            product=build.product,
            number=self.next_number(build.product),
            build=build,
            snapshot=build.snapshot,
            candidate=candidate,
            family=fitted.candidate.family,
            hyperparameters=fitted.candidate.hyperparameters,
            metric=fitted.metric,
            score=fitted.score,
            intervals=fitted.model.intervals and fitted.model.intervals.as_json(),
            **artifacts.served(fitted.model),
            **artifacts.sealed(fitted.model),
        )

    def next_number(self, product: str) -> int:
        ProductState.objects.lock(product)
        newest = self.filter(product=product).aggregate(newest=models.Max("number"))["newest"]
        return (newest or 0) + 1


class ModelVersion(base.BaseModel):
    """A fitted model with its recipe, build time and score; the row never changes."""

    product = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    build = models.ForeignKey("store.Build", models.PROTECT, related_name="models")
    snapshot = models.ForeignKey("store.Snapshot", models.PROTECT, related_name="models")
    candidate = models.ForeignKey("store.Candidate", models.PROTECT, related_name="+")
    family = models.CharField(max_length=40)
    hyperparameters = JSONField()
    metric = models.CharField(max_length=60)
    #: Mean over the contest's fresh folds; greater is better.
    score = models.FloatField()
    built_at = models.DateTimeField(auto_now_add=True)
    #: The columns, types and classes that the model expects.
    signature = JSONField()
    #: The libraries that an unpickled model depends on.
    versions = JSONField()
    #: How far truths lie from a regressor's values, as `Intervals.as_json` has it; null for others.
    intervals = JSONField(null=True)
    #: The libraries that answer, or "pipeline".
    runtime = models.CharField(max_length=100, default=artifacts.PIPELINE)
    #: Of 32 rows at once, from Python values to numbers; null where the pipeline serves.
    microseconds_per_row = models.FloatField(null=True)
    #: On how many rows the runtime says what the pipeline says, or why that serves; null where nobody looked.
    parity = models.TextField(null=True)
    #: Empty once it went to make room.
    artifact = models.BinaryField()
    #: Bytes of the artifact.
    size = models.PositiveIntegerField()
    #: SHA-256 of the artifact, in hexadecimal.
    digest = models.CharField(max_length=64)
    #: HMAC over digest, versions and signature: we wrote it.
    seal = models.CharField(max_length=64)
    #: When its artifact went to make room: it never served, and its build is old. Null: it is there.
    dropped_at = models.DateTimeField(null=True)

    objects = ModelVersionManager()
    unchanging = True

    class Meta:
        base_manager_name = "objects"
        verbose_name = "version"
        permissions = [("promote_modelversion", "Can let versions serve, and roll back")]
        constraints = [
            models.UniqueConstraint(fields=["product", "number"], name="one_version_per_number"),
            models.UniqueConstraint(fields=["build", "candidate"], name="one_version_per_candidate"),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.number} ({self.family}, {self.metric} {self.score:.4f})"

    @property
    def status(self) -> str:
        """CHAMPION, RETIRED or CHALLENGER, as it was when somebody first asked for it on this row's page."""
        status: str = pagination.together(self, "status", ModelVersion.objects.status_of)
        return status

    def misfit(self, product: DataProduct) -> str | None:
        """Why it cannot serve `product` as declared today, as a sentence; None where it fits."""
        if self.dropped_at:
            return f"The artifact of version {self.number} of {self.product} went to make room; build again."
        if not product.fits(Signature.from_json(self.signature)):
            return (
                f"Version {self.number} of {self.product} was learned for another declaration; build again."
            )
        now = versions(self.versions)
        if changed := [name for name in now if self.versions.get(name) != now[name]]:
            was = ", ".join(f"{name} {self.versions.get(name)} (now {now[name]})" for name in changed)
            return f"Version {self.number} of {self.product} was learned with {was}; build again."
        if not hmac.compare_digest(self.seal, artifacts.seal(self.digest, self.versions, self.signature)):
            return f"The seal of version {self.number} of {self.product} is not ours; build again."
        return None

    def load(self, product: DataProduct, whole: bool = False) -> Model:
        """The fitted model, unpickled only after its seal was checked; unless it is to be `whole`, without the
        estimator where it answers without. Raises ModelDoesNotFit.
        """
        if why := self.misfit(product):
            raise ModelDoesNotFit(why)
        artifact = self._artifact()
        if not hmac.compare_digest(hashlib.sha256(artifact).hexdigest(), self.digest):
            raise ModelDoesNotFit(
                f"The artifact of version {self.number} of {self.product} was changed; build again."
            )
        try:
            return loads(artifact, with_estimator=whole)
        except MemoryError:
            raise
        except Exception as error:  # what unpickling another release's objects may raise has no end
            raise ModelDoesNotFit(
                f"Version {self.number} of {self.product} was written by another release; build again."
            ) from error

    def _artifact(self) -> bytearray:
        """Read in parts: libpq has each answer as text of twice its size, and keeps the memory of the largest for as
        long as its connection lives.

        Not through the row, which would keep the bytes beside the model for as long as it serves.
        """
        rows, artifact = ModelVersion.objects.filter(pk=self.pk), bytearray()
        for start in range(1, self.size + 1, PART):
            part = Substr("artifact", start, PART, output_field=models.BinaryField())
            artifact += rows.values_list(part, flat=True).get()
        return artifact


class ProductStateManager(models.Manager["ProductState"]):
    def lock(self, product: str) -> "ProductState":
        """The product's one row, held until the transaction ends, so that two deciders come one after the other."""
        self.get_or_create(product=product)
        return self.select_for_update().get(product=product)


class ProductState(base.BaseModel):
    """Which version serves, and why automatic promotion is on hold."""

    product = models.CharField(max_length=40, primary_key=True)
    champion = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    #: Why a build's winner waits for a person; empty: it does not.
    hold = models.TextField(blank=True)

    objects = ProductStateManager()

    class Meta:
        verbose_name = "product"

    def __str__(self) -> str:
        return self.product


class PromotionManager(models.Manager["Promotion"]):
    @transaction.atomic
    def promote(
        self, model: ModelVersion, reason: str, by: str, believed: ModelVersion | None = None
    ) -> "Promotion":
        """Let `model` serve, as a person decided; automatic promotion is no longer on hold.

        Raises ForeignModel, ChampionChanged, ModelDoesNotFit, Conflict where it serves already, BadInput.
        """
        state = ProductState.objects.lock(model.product)
        if believed:
            self._check_belief(state, believed)
        if state.champion_id == model.pk:
            raise Conflict(f"Version {model.number} of {model.product} serves already.", argument=("model",))
        if why := model.misfit(catalogue.get(model.product)):
            raise ModelDoesNotFit(why, argument=("model",))
        return self.record(state, model, _given(reason), by)

    @transaction.atomic
    def rollback(self, product: str, believed: ModelVersion, reason: str, by: str) -> "Promotion":
        """Let the version before the champion serve again, and hold automatic promotion until a person promotes.

        Raises ForeignModel, ChampionChanged, NoChampion where there is none before, ModelDoesNotFit, BadInput.
        """
        state = ProductState.objects.lock(catalogue.get(product).name)
        self._check_belief(state, believed)
        came = self._chain(state.product)[-1]
        if came.previous is None:
            raise NoChampion(
                f"{product} has no version before {believed.number} to go back to.", argument=("champion",)
            )
        if why := came.previous.misfit(catalogue.get(product)):
            raise ModelDoesNotFit(why)
        why = _given(reason)
        return self.record(state, came.previous, why, by, rollback=True, hold=f"Rolled back by {by}: {why}")

    def newest(self, product: str) -> models.QuerySet["Promotion"]:
        return self.filter(product=product).prefetch_related("model", "previous").order_by("-pk")

    def undoable(self, product: str) -> bool:
        """Whether there is a version before the champion that could serve again."""
        chain = self._chain(product)
        return bool(chain and chain[-1].previous_id)

    def _chain(self, product: str) -> "list[Promotion]":
        """The promotions that still stand, the champion's last: each rollback has undone the one before it."""
        chain: list[Promotion] = []
        for promotion in self.filter(product=product).order_by("pk"):
            if promotion.rollback:
                chain.pop()
            else:
                chain.append(promotion)
        return chain

    def _check_belief(self, state: ProductState, believed: ModelVersion) -> None:
        if believed.product != state.product:
            raise ForeignModel(
                f"The champion given is a version of {believed.product}, not of {state.product}.",
                argument=("champion",),
            )
        if believed.pk != state.champion_id:
            serving = f"version {state.champion.number}" if state.champion else "no version"
            raise ChampionChanged(
                f"Of {state.product}, {serving} serves by now, not version {believed.number}: look again.",
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
        """Switch the locked `state` to `model`, and tell every web process once this is committed."""
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
        events.publish_after_commit("promotion", product=state.product, promotion=promotion.pk)
        return promotion


class Promotion(base.BaseModel):
    """A version began to serve: when, instead of which, by whom and why."""

    product = models.CharField(max_length=40)
    model = models.ForeignKey(ModelVersion, models.PROTECT, related_name="promotions")
    previous = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    rollback = models.BooleanField(default=False)
    reason = models.TextField()
    by = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)

    objects = PromotionManager()

    class Meta:
        indexes = [models.Index(fields=["product", "-id"], name="promotions_newest_first")]

    def __str__(self) -> str:
        return f"{self.product}: version {self.model.number} serves"


def _given(reason: str) -> str:
    if not reason.strip() or "\0" in reason:
        raise BadInput("Give a reason: it stays with the promotion.", argument=("reason",))
    return reason.strip()
