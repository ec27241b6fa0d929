"""Model versions: every registered model with its recipe, score and signed artifact."""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now, Substr

from learning.evaluation.intervals import Intervals
from learning.inference.libraries import changed_versions, unreadable_versions
from learning.model import Model, Signature, loads
from learning.selection.steps import Fitted

from ..db import pagination
from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.row_cache import RowCache
from ..db.writes import NOTHING
from ..exceptions import ModelDoesNotFit, UnknownId
from ..products.product import DataProduct
from . import artifacts
from .product_states import ProductState

CHAMPION, CHALLENGER, RETIRED = "CHAMPION", "CHALLENGER", "RETIRED"
#: Of a version in a trial that has not ended.
SHADOW, SPLIT = "SHADOW", "SPLIT"

#: Bytes of an artifact that one query reads.
CHUNK_BYTES = 4 * 1024 * 1024
#: Intervals of versions, which never change, by primary key.
_intervals: RowCache[int, Intervals | None] = RowCache(100)


class Status(models.Func):
    """The status of a version, derived from promotions and trials.

    Plain SQL: Django's expressions take longer to compile than PostgreSQL takes to answer.
    """

    template = f"""CASE
        WHEN EXISTS (SELECT FROM store_productstate WHERE champion_id = %(expressions)s) THEN '{CHAMPION}'
        WHEN EXISTS (SELECT FROM store_trial WHERE model_id = %(expressions)s AND ended_at IS NULL)
            THEN (SELECT kind FROM store_trial WHERE model_id = %(expressions)s AND ended_at IS NULL)
        WHEN EXISTS (SELECT FROM store_promotion WHERE model_id = %(expressions)s) THEN '{RETIRED}'
        ELSE '{CHALLENGER}' END"""
    output_field = models.TextField()


class ModelVersionManager(models.Manager["ModelVersion"]):
    """Registers, finds and lists model versions."""

    def get_queryset(self) -> models.QuerySet["ModelVersion"]:
        """Select versions without artifact and intervals, which may be large."""
        return super().get_queryset().defer("artifact", "intervals")

    def champion_of(self, product: str) -> "ModelVersion | None":
        """Find the version that serves by the registry; a web process may be a moment behind."""
        state = ProductState.objects.filter(product=product, champion__isnull=False)
        return self.filter(pk__in=state.values("champion")).first()

    def find(self, pk: int, argument: str = "id") -> "ModelVersion":
        """Find a version by its primary key. Raises UnknownId."""
        version = self.filter(pk=pk).first()
        if version is None:
            raise UnknownId("No model version has this id.", argument=(argument,))
        return version

    def with_roles(self) -> models.QuerySet["ModelVersion"]:
        """Select versions with their status as `role`, to be filtered by."""
        return self.alias(role=Status("pk"))

    def status_of(self, versions: "Iterable[ModelVersion]") -> dict[int, str]:
        """Get the status of each version, by primary key."""
        rows = self.filter(pk__in=[version.pk for version in versions])
        return dict(rows.values_list("pk", Status("pk")))

    def intervals_of(self, keys: Collection[int]) -> dict[int, Intervals | None]:
        """Get the prediction intervals of versions, by primary key; None where a version has none."""

        def load(missing: Collection[int]) -> dict[int, Intervals | None]:
            rows = self.filter(pk__in=missing).values_list("pk", "intervals")
            return {pk: stored and Intervals.from_json(stored) for pk, stored in rows}

        return _intervals.find(keys, load)

    def register(self, build: Any, fitted: Fitted) -> "ModelVersion":
        """Pickle, sign and store a fitted model.

        Returns: the existing version where an earlier attempt has registered the same candidate.
        """
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
            score=fitted.served_score,
            optimism=fitted.optimism,
            calibration=fitted.served and fitted.served.as_json(),
            horizon=fitted.horizon,
            early=fitted.early is not None,
            intervals=fitted.model.intervals and fitted.model.intervals.as_json(),
            **artifacts.serving_columns(fitted.model),
            **artifacts.artifact_columns(fitted.model),
        )

    def next_number(self, product: str) -> int:
        """Get the number of the product's next version; locks the product's state."""
        ProductState.objects.lock(product)
        newest = self.filter(product=product).aggregate(newest=models.Max("number"))["newest"]
        return (newest or 0) + 1


class ModelVersion(BaseModel):
    """A fitted model with its recipe, build time and score. The row never changes."""

    web_writes = NOTHING

    product = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    build = models.ForeignKey("store.Build", models.PROTECT, related_name="models")
    snapshot = models.ForeignKey("store.Snapshot", models.PROTECT, related_name="models")
    candidate = models.ForeignKey("store.Candidate", models.PROTECT, related_name="+")
    family = models.CharField(max_length=40)
    hyperparameters = JSONField()
    metric = models.CharField(max_length=60)
    #: Mean over the fresh folds of the final round, of what serves, less `optimism`; greater is better.
    score = models.FloatField()
    #: How much choosing the recipe from many has raised that mean.
    optimism = models.FloatField(db_default=0.0)
    #: What the calibration changes, as `Served.as_json` writes it; null where the probabilities are not calibrated.
    calibration = JSONField(null=True)
    #: A sentence on how long after the rows learned from lay those that the scores are of; empty without times.
    horizon = models.TextField(blank=True, db_default="")
    #: True for a version that was fitted to serve before its build had ended, of few rows where they are many.
    early = models.BooleanField(db_default=False)
    built_at = models.DateTimeField(db_default=Now(), editable=False)
    #: The columns, types and classes that the model expects.
    signature = JSONField()
    #: Versions of the libraries that the unpickled model depends on, by name.
    versions = JSONField()
    #: Versions of the libraries that what serves depends on, which are fewer where the compiled form serves without
    #: the pickled estimator. Null for versions of a release that did not record them: all are needed.
    serving_versions = JSONField(null=True)
    #: Prediction intervals of a regression, as `Intervals.as_json` writes them; null for other problems.
    intervals = JSONField(null=True)
    #: The libraries of the compiled form, or "pipeline" where there is none.
    runtime = models.CharField(max_length=100, default=artifacts.PIPELINE)
    #: Inference time of a row in a batch of 32; null where the pipeline serves.
    microseconds_per_row = models.FloatField(null=True)
    #: The parity of compiled form and pipeline as a sentence, or why the pipeline serves; null where not checked.
    parity = models.TextField(null=True)
    #: The pickled model; empty after `dropped_at`.
    artifact = models.BinaryField()
    #: Bytes of the artifact.
    size = models.PositiveIntegerField()
    #: SHA-256 of the artifact, in hexadecimal.
    digest = models.CharField(max_length=64)
    #: HMAC over digest, signature and both kinds of versions, by a signing key. `./dev resign` renews it.
    seal = models.CharField(max_length=64)
    #: When retention deleted the artifact of a version that never served; null while it is stored.
    dropped_at = models.DateTimeField(null=True)

    #: The status as this process serves it, of a version that answers; see `serving.splits`.
    role_here = CHAMPION

    objects = ModelVersionManager()
    unchanging = True

    class Meta:
        base_manager_name = "objects"
        verbose_name = "version"
        constraints = [
            models.UniqueConstraint(fields=["product", "number"], name="one_version_per_number"),
            models.UniqueConstraint(fields=["build", "candidate"], name="one_version_per_candidate"),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.number} ({self.family}, {self.metric} {self.score:.4f})"

    @property
    def status(self) -> str:
        """CHAMPION, SHADOW, SPLIT, RETIRED or CHALLENGER; read once for all rows of a page."""
        status: str = pagination.lookup_for_page(self, "status", ModelVersion.objects.status_of)
        return status

    @property
    def compared_score(self) -> float:
        """The score of the recipe as candidates are compared: before the calibration."""
        if self.calibration is None:
            return self.score
        change: dict[str, float] = self.calibration["score"]
        return self.score - change["after"] + change["before"]

    def misfit(self, product: DataProduct, whole: bool = False) -> str | None:
        """Explain why the version cannot serve `product` as declared today; None where it can.

        Args:
            whole: explain why the estimator cannot be loaded, which the compiled form may serve without.
        """
        version = f"version {self.number} of {self.product}"
        if self.dropped_at:
            return f"The artifact of {version} was deleted by retention; build again."
        if obstacles := self._obstacles(product):
            return f"{version.capitalize()} was fitted for another declaration: {'; '.join(obstacles)}. Build again."
        if changed := self._changed_libraries(whole):
            return f"{version.capitalize()} was fitted with {', '.join(changed)}; build again."
        if self.find_key() is None:
            return f"The seal of {version} was made with another key; build again."
        return None

    def _obstacles(self, product: DataProduct) -> list[str]:
        try:
            return product.obstacles(Signature.from_json(self.signature))
        except ValueError as error:  # a kind of column that this release does not know
            return [str(error)]

    def _changed_libraries(self, whole: bool) -> list[str]:
        if whole or self.serving_versions is None or self.serving_versions == self.versions:
            return changed_versions(self.versions)
        return unreadable_versions(self.serving_versions)

    def find_key(self) -> int | None:
        """Find the signing key that made the seal, by its place in the setting; None where none of them did."""
        for place, key in enumerate(settings.EXEMPLAR_SIGNING_KEY):
            if hmac.compare_digest(self.seal.encode(), self.sign(key).encode()):
                return place
        return None

    def sign(self, key: str) -> str:
        """Compute the seal by a key."""
        return artifacts.seal(self.digest, self.versions, self.signature, self.serving_versions, key)

    def knows_all(self, product: DataProduct) -> bool:
        """Return True where the version can serve `product`, and has learned from all that its features may be."""
        return self.misfit(product) is None and not self.novelties(product)

    def novelties(self, product: DataProduct) -> list[str]:
        """List what `product` declares today and the version never saw; it serves all the same."""
        try:
            return list(Signature.from_json(self.signature).novelties(product.signature))
        except ValueError:  # the version of a newer release, which knows more kinds of columns
            return []

    def load(self, product: DataProduct, whole: bool = False) -> Model:
        """Check the seal, then unpickle the model.

        Args:
            whole: load the estimator even where the compiled form serves without it.

        Raises: ModelDoesNotFit.
        """
        if why := self.misfit(product, whole):
            raise ModelDoesNotFit(why)
        artifact = bytearray().join(self.artifact_parts())
        if not hmac.compare_digest(hashlib.sha256(artifact).hexdigest(), self.digest):
            raise ModelDoesNotFit(
                f"The artifact of version {self.number} of {self.product} was changed; build again."
            )
        try:
            return loads(artifact, with_estimator=whole).for_columns(product.feature_names)
        except MemoryError:
            raise
        except Exception as error:  # unpickling objects of another release may raise anything
            raise ModelDoesNotFit(
                f"Version {self.number} of {self.product} was written by another release; build again."
            ) from error

    def artifact_parts(self) -> Iterator[bytes]:
        """Read the artifact in parts.

        libpq holds each result as text of twice its size and keeps the largest buffer as long as the connection. The
        row does not cache the bytes, or they would stay beside the model while it serves.
        """
        rows = ModelVersion.objects.filter(pk=self.pk)
        for start in range(1, self.size + 1, CHUNK_BYTES):
            part = Substr("artifact", start, CHUNK_BYTES, output_field=models.BinaryField())
            yield rows.values_list(part, flat=True).get()
