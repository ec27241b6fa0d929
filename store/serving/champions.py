"""Serving: the champions in memory, switched whole when another version is promoted."""

import logging
import os
import resource
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connection

from learning.exceptions import ExemplarError
from learning.inference.compiled import BATCH
from learning.lazy_imports import LazyModule
from learning.model import Model

from ..builds.builds import Build
from ..db import memory
from ..entities import entities
from ..exceptions import ModelDoesNotFit, NoChampion
from ..jobs import events
from ..jobs.jobs import UNFINISHED
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from ..registry.versions import ModelVersion

if TYPE_CHECKING:
    import redis
else:
    redis = LazyModule("redis")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InferenceTime:
    """What a model takes in this process, in microseconds."""

    #: For a row alone; infinite where nobody knows: no row could be tried, or it may have to wait for another model's.
    first: float = inf
    #: For each further row of a batch: often a tenth, as most of the first goes into calls.
    further: float = 0.0

    def microseconds(self, rows: int) -> float:
        """For so many at once."""
        return self.first + (rows - 1) * self.further


@dataclass(frozen=True, eq=False)
class Champion:
    """A version that serves, with its model loaded; one request uses one of these from beginning to end."""

    product: DataProduct
    version: ModelVersion
    model: Model
    #: As measured when the model was loaded.
    pace: InferenceTime = InferenceTime()


@dataclass(frozen=True)
class UnservableVersion:
    """A version that is promoted and cannot serve here, and why."""

    version: ModelVersion
    reason: str


#: What serves now, by product; an entry is replaced, never changed.
_promoted: dict[str, Champion | UnservableVersion] = {}
#: Held while memory is made to agree with the registry: who has read it earlier must not write later.
_refreshing = threading.Lock()
#: Whether the last refresh has changed what serves.
_switched = False


def find_champion(product: DataProduct) -> Champion | None:
    """The product's champion, from memory; None where nothing serves."""
    found = _promoted.get(product.name)
    return found if isinstance(found, Champion) else None


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
        return f'request a build with requestBuild(product: "{product.name}").'
    if build.status in UNFINISHED:
        return f"build {build.number} is {build.status} ({build.percent:.0f} %); try again when it has ended."
    return f"build {build.number} ended as {build.status}. {build.problem_message or build.decision}"


def load() -> None:
    """Load every champion that fits, and ask for a build where a product that could have one has none: those of few
    instances first, so that most products serve soon.
    """
    refresh()
    without = [p for p in catalogue.products() if not isinstance(_promoted.get(p.name), Champion)]
    instances = {product: _instances(product) for product in without}
    for product in sorted(without, key=lambda product: instances[product]):
        if instances[product]:
            Build.objects.request(product, by="start-up")


def _instances(product: DataProduct) -> int:
    """How many it could learn from."""
    rows = product.join.complete()
    if product.join.label:
        rows = rows.filter(**{f"{product.join.label}__isnull": False})
    return rows.count()


def refresh() -> None:
    """Make memory agree with the registry; a product whose champion has not changed is not touched."""
    global _switched
    with _refreshing:
        recorded, before, _switched = _recorded(), _switched, False
        for product in catalogue.products():
            version, known = recorded.get(product.name), _promoted.get(product.name)
            if version is not None and (known is None or known.version.pk != version):
                _promoted[product.name] = _loaded(product, ModelVersion.objects.get(pk=version))
                _switched = True
        # Once more the next time: now somebody may still be answered by the one before.
        if _switched or before:
            known = None
            memory.release_memory()


def _recorded() -> dict[str, int]:
    """The registry's champions by product."""
    return dict(ProductState.objects.exclude(champion=None).values_list("product", "champion"))


def _loaded(product: DataProduct, version: ModelVersion) -> Champion | UnservableVersion:
    try:
        model = version.load(product)
    except ModelDoesNotFit as refusal:
        log.warning("%s", refusal)
        return UnservableVersion(version, str(refusal))
    champion = Champion(product, version, model, _warmed(product, model))
    log.info("Version %s of %s serves.", version.number, product.name)
    return champion


def _warmed(product: DataProduct, model: Model) -> InferenceTime:
    """How fast it is once everything that the first row brings about has come about."""
    page = entities.page(product, 1, None)
    try:
        row = product.clean(page.nodes[0].features)
        one, batch = (min(_timed(model, [row] * size) for _ in range(5)) for size in (1, BATCH))
    except (IndexError, ExemplarError):
        return InferenceTime()  # no row, or none that could be asked about
    except Exception:  # of any library; other products need not wait for this one
        log.exception("A model of %s cannot be tried.", product.name)
        return InferenceTime()
    if not model.serves_alone:
        return InferenceTime()
    return InferenceTime(one, max(0.0, batch - one) / (BATCH - 1))


def _timed(model: Model, rows: Sequence[Sequence[Any]]) -> float:
    """Microseconds."""
    start = time.perf_counter()
    model.predict(rows)
    return (time.perf_counter() - start) * 1e6


def summary() -> str:
    """What serves here, and the memory that this process takes."""
    models = [f"{name} {c.version.number}" for name, c in _promoted.items() if isinstance(c, Champion)]
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (
        1024 if sys.platform == "linux" else 2**20
    )
    return f"Process {os.getpid()} serves {', '.join(models) or 'nothing yet'} in {megabytes} MB."


def unready() -> list[str]:
    """Why this process should get no requests, as sentences; empty when all is well."""
    return [*_postgresql(), *_redis()]


def _postgresql() -> list[str]:
    try:
        recorded = _recorded()
    except (DatabaseError, InterfaceError) as error:
        connection.close()
        return [f"PostgreSQL cannot be reached: {str(error).strip().splitlines()[0]}"]
    missing = [name for name in recorded if catalogue.find(name) and name not in _promoted]
    return [f"The champion of {name} is not loaded yet." for name in missing]


def _redis() -> list[str]:
    try:
        with events.connect() as server:
            server.ping()
    except redis.RedisError as error:
        return [f"Redis cannot be reached: {error}"]
    return []
