"""Champions: the versions that serve, with their models in memory; loading and switching."""

import logging
import os
import resource
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import DatabaseError, InterfaceError, ProgrammingError, connection, transaction

from learning.exceptions import ExemplarError
from learning.inference.compiled import BATCH
from learning.lazy_imports import LazyModule
from learning.model import Model

from ..builds.builds import Build
from ..db import memory, sqlstates
from ..db.pagination import PageRequest
from ..entities import entities
from ..exceptions import ModelDoesNotFit, NoChampion
from ..jobs import events
from ..jobs.jobs import SUCCEEDED, UNFINISHED
from ..predictions import truth
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from ..registry.versions import ModelVersion
from ..telemetry import metrics

if TYPE_CHECKING:
    import redis
else:
    redis = LazyModule("redis")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InferenceTime:
    """Time that a model needs in this process, in microseconds."""

    #: For a single row; infinite if it was not measured, or if the model may have to wait for another one.
    first: float = inf
    #: For each further row of a batch: often a tenth, as most of the first goes into calls.
    further: float = 0.0

    def microseconds(self, rows: int) -> float:
        """Estimate the time of a batch of so many rows."""
        return self.first + (rows - 1) * self.further


class BatchStages(NamedTuple):
    """The metrics of the batches of one product."""

    wait: metrics.Distribution
    predict: metrics.Distribution
    store: metrics.Distribution
    rows: metrics.Distribution
    predictions: metrics.Sum

    @classmethod
    def of(cls, product: str) -> "BatchStages":
        """Get the metrics of a product's batches."""
        wait, predict, store = (
            metrics.BATCH_SECONDS.of(product, stage) for stage in ("wait", "predict", "store")
        )
        return cls(wait, predict, store, metrics.BATCH_ROWS.of(product), metrics.PREDICTIONS.of(product))

    def observe(self, rows: int, predict: float, store: float) -> None:
        """Count a batch by the seconds of its stages."""
        self.predict.observe(predict)
        self.store.observe(store)
        self.rows.observe(rows)
        self.predictions.add(rows)


@dataclass(frozen=True, eq=False)
class Champion:
    """A version that serves, with its loaded model; a request uses one champion from beginning to end."""

    product: DataProduct
    version: ModelVersion
    model: Model
    #: Measured when the model was loaded.
    pace: InferenceTime = InferenceTime()

    @cached_property
    def stages(self) -> BatchStages:
        """The metrics of its batches."""
        return BatchStages.of(self.product.name)


@dataclass(frozen=True)
class UnservableVersion:
    """A promoted version that cannot serve in this process, with the reason."""

    version: ModelVersion
    reason: str


#: The promoted versions by product; an entry is replaced, never changed.
_promoted: dict[str, Champion | UnservableVersion] = {}
#: Held during a refresh, so that an older reading of the registry cannot overwrite a newer one.
_refreshing = threading.Lock()
#: True if the last refresh has switched a champion.
_switched = False


def find_champion(product: DataProduct) -> Champion | None:
    """The product's champion; None if no version serves."""
    champion = _promoted.get(product.name)
    return champion if isinstance(champion, Champion) else None


def get_champion(product: DataProduct) -> Champion:
    """The product's champion. Raises NoChampion, or ModelDoesNotFit with what to do."""
    match _promoted.get(product.name):
        case Champion() as champion:
            return champion
        case UnservableVersion() as misfit:
            raise ModelDoesNotFit(misfit.reason)
    build = Build.objects.filter(product=product.name).order_by("-pk").first()
    raise NoChampion(f"{product} has no model that serves yet: {_what_next(product, build)}")


def _what_next(product: DataProduct, build: Build | None) -> str:
    if build is None:
        return f'request a build with requestBuild(input: {{product: "{product.name}"}}).'
    if build.status in UNFINISHED:
        return f"build {build.number} is {build.status} ({build.percent:.0f} %); try again when it has ended."
    return f"build {build.number} ended as {build.status}. {build.problem_message or build.decision}"


def load() -> None:
    """Load every champion that fits, and request a build for each product that has instances and needs one.

    Products with few instances come first, so that most products serve soon.
    """
    refresh()
    reasons = {product: _reason_to_build(product) for product in catalogue.products()}
    instances = {product: _instances(product) for product, reason in reasons.items() if reason}
    for product in sorted(instances, key=lambda product: instances[product]):
        if instances[product]:
            Build.objects.request(product, by="start-up", reason=reasons[product])


def _reason_to_build(product: DataProduct) -> str:
    """Say why the product needs a build: nothing serves, or no version has seen all that is declared; else empty."""
    match _promoted.get(product.name):
        case None:
            return "" if _waits_for_person(product) else "No version serves."
        case UnservableVersion(reason=reason):
            return reason
        case Champion():
            newest = ModelVersion.objects.filter(product=product.name).order_by("number").last()
            unseen = "; ".join(newest.novelties(product)) if newest else ""
            return f"The declaration is wider than what was learned: {unseen}." if unseen else ""


def _waits_for_person(product: DataProduct) -> bool:
    """Return whether a product that has never served has a model to promote; another build would find the same."""
    if ProductState.objects.filter(product=product.name, champion__isnull=False).exists():
        return False
    build = Build.objects.filter(product=product.name, status=SUCCEEDED).order_by("-pk").first()
    return build is not None and build.model is not None and build.model.misfit(product) is None


def _instances(product: DataProduct) -> int:
    """Count the instances to learn from, by their labels or feedback; none while the tables cannot be read."""
    rows = product.join.complete()
    if product.join.label:
        rows = rows.filter(**{f"{product.join.label}__isnull": False})
    agreed = truth.Truth.objects.filter(product=product.name, answer__isnull=False)
    try:
        with transaction.atomic():
            return rows.count() + (agreed.count() if product.learns_from_labels else 0)
    except ProgrammingError as error:  # one product's tables must not keep the others from serving
        log.warning("The rows of %s cannot be counted. %s", product, sqlstates.explain(error))
        return 0


def refresh() -> None:
    """Load the registry's champions; a champion that has not changed stays."""
    global _switched
    with _refreshing:
        recorded, switched_before, _switched = _recorded(), _switched, False
        for product in catalogue.products():
            version, current = recorded.get(product.name), _promoted.get(product.name)
            if version is not None and (current is None or current.version.pk != version):
                _promoted[product.name] = _loaded(product, ModelVersion.objects.get(pk=version))
                _switched = True
        # Once more after the next refresh: requests may still use the champion before.
        if _switched or switched_before:
            current = None
            memory.release_memory()


def _recorded() -> dict[str, int]:
    """The registry's champions by product."""
    return dict(ProductState.objects.exclude(champion=None).values_list("product", "champion"))


def _loaded(product: DataProduct, version: ModelVersion) -> Champion | UnservableVersion:
    try:
        champion = load_version(product, version)
    except ModelDoesNotFit as refusal:
        log.warning("%s", refusal)
        return UnservableVersion(version, str(refusal))
    log.info("Version %s of %s serves.", version.number, product.name)
    return champion


def load_version(product: DataProduct, version: ModelVersion) -> Champion:
    """Load a version as what serves: warmed up, with its inference time. Raises ModelDoesNotFit."""
    model = version.load(product)
    return Champion(product, version, model, _warmed(product, model))


def _warmed(product: DataProduct, model: Model) -> InferenceTime:
    """Warm the model up by a row of the product, and measure its time."""
    row = _sample_row(product)
    if row is None:
        return InferenceTime()
    try:
        one, batch = (min(_timed(model, [row] * size) for _ in range(5)) for size in (1, BATCH))
    except ExemplarError:
        return InferenceTime()  # the model has no answer for the row
    except Exception:  # of any library; the other products must serve all the same
        log.exception("The model of %s cannot be warmed up; its batches run on a thread.", product.name)
        return InferenceTime()
    if not model.serves_alone:
        return InferenceTime()
    return InferenceTime(one, max(0.0, batch - one) / (BATCH - 1))


def _sample_row(product: DataProduct) -> Sequence[Any] | None:
    """Read the product's first row; None where there is none, or none that can be read and is valid."""
    try:
        with transaction.atomic():
            rows = entities.page(product, PageRequest(first=1)).nodes
        return product.clean_stored(rows[0].inputs) if rows else None
    except (ExemplarError, ProgrammingError) as error:
        log.warning(
            "The first row of %s cannot warm its model up: %s", product.name, sqlstates.get_reason(error)
        )
        return None


def _timed(model: Model, rows: Sequence[Sequence[Any]]) -> float:
    """Measure one call, in microseconds."""
    start = time.perf_counter()
    model.predict(rows)
    return (time.perf_counter() - start) * 1e6


def summary() -> str:
    """Describe what this process serves, and its memory."""
    models = [f"{name} {c.version.number}" for name, c in _promoted.items() if isinstance(c, Champion)]
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (
        1024 if sys.platform == "linux" else 2**20
    )
    return f"Process {os.getpid()} serves {', '.join(models) or 'nothing yet'} in {megabytes} MB."


def unready() -> list[str]:
    """List the reasons why this process should get no requests; empty if it is ready.

    It is ready while it can serve some champion, or none was promoted yet.
    """
    reasons = [*_postgresql(), *_redis()]
    if catalogue.refusals() and not catalogue.products():
        reasons.append("None of the declared products can be served: ./dev check says why.")
    elif degraded() and not any(isinstance(champion, Champion) for champion in _promoted.values()):
        reasons.append("None of the promoted versions can be served here.")
    return reasons


def degraded() -> list[UnservableVersion]:
    """List the promoted versions that cannot be served here."""
    return [misfit for misfit in _promoted.values() if isinstance(misfit, UnservableVersion)]


def is_read_only() -> bool:
    """Return True where PostgreSQL takes no writes: a standby, or a database that was set so."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return bool(cursor.fetchone() == ("on",))


def _postgresql() -> list[str]:
    try:
        recorded = _recorded()
        if is_read_only():
            return ["PostgreSQL takes no writes at present, so no prediction can be stored."]
    except (DatabaseError, InterfaceError) as error:
        connection.close()
        return [sqlstates.explain(error)]
    missing = [name for name in recorded if catalogue.find(name) and name not in _promoted]
    return [f"The champion of {name} is not loaded yet." for name in missing]


def _redis() -> list[str]:
    try:
        with events.connect() as server:
            server.ping()
    except redis.RedisError as error:
        return [f"Redis cannot be reached: {error}"]
    return []
