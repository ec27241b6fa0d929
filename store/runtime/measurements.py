"""Measurements: what the metrics say of this process, and the facts in PostgreSQL and Valkey, when they are scraped."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Count, Max

from learning.lazy_imports import LazyModule

from ..builds.builds import Build, BuildEvent
from ..db import threads
from ..jobs import events, queue
from ..jobs.jobs import READY, RUNNING, UNFINISHED
from ..products import catalogue
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..serving import champions, dispatcher
from ..telemetry import metrics, streams
from ..telemetry.metrics import Labels, Metric, Snapshot
from . import maintenance

if TYPE_CHECKING:
    import redis
    import rq
else:
    redis, rq = LazyModule("redis"), LazyModule("rq")

#: Milliseconds that PostgreSQL may take for one of the facts.
STATEMENT_TIMEOUT = 2_000
#: The tables whose rows are estimated, by their name in the metrics.
TABLES = {"predictions": "store_prediction", "feedback": "store_feedback"}

STARTED = time.time()

#: A value of a metric, with its labels.
Value = tuple[Metric, Labels, float]

#: Seconds of each step of a build that has ended, by the build.
_steps: dict[int, dict[str, float]] = {}


def collect(values: Iterator[Value]) -> Snapshot:
    """Collect values by their metrics."""
    snapshot: Snapshot = {}
    for metric, labels, value in values:
        snapshot.setdefault(metric.name, []).append((labels, value))
    return snapshot


# -- This process --


def read_process() -> Snapshot:
    """Read all that this process has counted, and measure the rest. Called on the event loop."""
    return metrics.read_counted() | collect(_measure_process())


def _measure_process() -> Iterator[Value]:
    yield from _measure_pools()
    for transport, number in streams.open_streams.items():
        yield metrics.STREAMS, (transport,), number
    for product in catalogue.products():
        champion = champions.find_champion(product)
        yield metrics.CHAMPION_LOADED, (product.name,), champion.version.number if champion else 0
    yield metrics.RESIDENT_BYTES, (), _resident_bytes()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield metrics.CPU_SECONDS, (), usage.ru_utime + usage.ru_stime
    yield metrics.START_SECONDS, (), STARTED


def _measure_pools() -> Iterator[Value]:
    most = settings.EXEMPLAR_THREADS
    yield metrics.THREADS, ("busy",), min(threads.calls, most)
    yield metrics.THREADS, ("idle",), max(0, most - threads.calls)
    yield metrics.THREADS_WAITING, (), max(0, threads.calls - most)
    if (current := dispatcher.current) is None:
        return
    for state, number in current.connections.count().items():
        yield metrics.POOL_CONNECTIONS, (state,), number
    yield metrics.POOL_WAITING, (), len(current.connections.waiting)
    for product in catalogue.products():
        sizes = (size for champion, size in current.predictions.sizes.items() if champion.product == product)
        yield metrics.WAITING_ROWS, (product.name,), sum(sizes)


def _resident_bytes() -> int:
    """Get the resident memory (on Linux; elsewhere the most that it ever was)."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# -- PostgreSQL --


def read_postgresql() -> Snapshot:
    """Read the facts that PostgreSQL holds; only that it is down, where it does not answer."""
    started = time.perf_counter()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(STATEMENT_TIMEOUT)])
            facts = [*_read_server(cursor), *_read_jobs(), *_read_steps(), *_read_champions()]
    except (DatabaseError, InterfaceError):
        return postgresql_down()
    up = (metrics.POSTGRESQL_UP, (), 1), (metrics.POSTGRESQL_SECONDS, (), time.perf_counter() - started)
    return collect(iter([*up, *facts]))


def postgresql_down() -> Snapshot:
    """The one fact that there is while PostgreSQL does not answer."""
    return collect(iter([(metrics.POSTGRESQL_UP, (), 0)]))


def _read_server(cursor: Any) -> Iterator[Value]:
    cursor.execute(
        "SELECT numbackends, pg_database_size(datid) FROM pg_stat_database WHERE datname = current_database()"
    )
    connections, size = cursor.fetchone()
    yield metrics.POSTGRESQL_CONNECTIONS, (), connections
    yield metrics.POSTGRESQL_BYTES, (), size
    cursor.execute(
        "SELECT relname, greatest(reltuples, 0) FROM pg_class WHERE oid = ANY(%s::regclass[])",
        [list(TABLES.values())],
    )
    rows = dict(cursor.fetchall())
    for name, table in TABLES.items():
        yield metrics.STORED_ROWS, (name,), rows.get(table, 0)


def _read_jobs() -> Iterator[Value]:
    for kind in maintenance.KINDS:
        rows = kind.objects.filter(status__in=UNFINISHED).values_list("status").annotate(Count("pk"))
        numbers = dict(rows.order_by())
        for status in (READY, RUNNING):
            yield metrics.JOBS, (kind.KIND, status), numbers.get(status, 0)
    builds = Build.objects.filter(product__in=_names())
    for product, status, number in builds.values_list("product", "status").annotate(Count("pk")).order_by():
        if status not in UNFINISHED:
            yield metrics.BUILDS, (product, status), number
    for product, percent in builds.filter(status__in=UNFINISHED).values_list("product", "percent"):
        yield metrics.BUILD_PERCENT, (product,), percent


def _read_steps() -> Iterator[Value]:
    ended = Build.objects.filter(product__in=_names()).exclude(status__in=UNFINISHED)
    newest = dict(ended.values_list("product").annotate(Max("pk")).order_by())
    for pk in _steps.keys() - set(newest.values()):
        _steps.pop(pk, None)
    for product, pk in newest.items():
        if pk not in _steps:
            _steps[pk] = _sum_steps(pk)
        for step, seconds in _steps[pk].items():
            yield metrics.BUILD_STEP_SECONDS, (product, step), seconds


def _sum_steps(pk: int) -> dict[str, float]:
    """Sum the seconds before each kind of event of a build; a build that never ran has none."""
    before = Build.objects.values_list("started_at", flat=True).get(pk=pk)
    seconds: dict[str, float] = {}
    for kind, at in BuildEvent.objects.filter(build=pk).order_by("sequence").values_list("kind", "at"):
        if before is not None:
            # An event of an earlier attempt is older than the start of the last one.
            seconds[kind] = seconds.get(kind, 0.0) + max(0.0, (at - before).total_seconds())
            before = max(at, before)
    return seconds


def _read_champions() -> Iterator[Value]:
    promoted = Promotion.objects.filter(product__in=_names()).values_list("product").annotate(Max("at"))
    for product, at in promoted.order_by():
        yield metrics.CHAMPION_PROMOTED, (product,), at.timestamp()
    states = ProductState.objects.filter(product__in=_names(), champion__isnull=False)
    for product, hold, number, metric, score, built_at in states.values_list(
        "product", "hold", "champion__number", "champion__metric", "champion__score", "champion__built_at"
    ):
        yield metrics.CHAMPION_VERSION, (product,), number
        yield metrics.CHAMPION_BUILT, (product,), built_at.timestamp()
        yield metrics.CHAMPION_SCORE, (product, metric), score
        yield metrics.PROMOTION_HELD, (product,), int(bool(hold))


def _names() -> list[str]:
    """The names of the declared products: rows of others stay for ever."""
    return [product.name for product in catalogue.products()]


# -- Valkey --


def read_valkey() -> Snapshot:
    """Read the facts that Valkey holds; only that it is down, where it does not answer."""
    started = time.perf_counter()
    try:
        with events.connect() as server:
            facts = list(_read_valkey(server))
    except (redis.RedisError, OSError):
        return valkey_down()
    up = (metrics.VALKEY_UP, (), 1), (metrics.VALKEY_SECONDS, (), time.perf_counter() - started)
    return collect(iter([*up, *facts]))


def valkey_down() -> Snapshot:
    """The one fact that there is while Valkey does not answer."""
    return collect(iter([(metrics.VALKEY_UP, (), 0)]))


def _read_valkey(server: "redis.Redis") -> Iterator[Value]:
    yield metrics.VALKEY_BYTES, (), server.info("memory")["used_memory"]
    yield metrics.VALKEY_CLIENTS, (), server.info("clients")["connected_clients"]
    jobs = queue.get_queue(server)
    yield metrics.QUEUE_JOBS, (), jobs.count
    yield metrics.WORKERS, (), len(rq.Worker.all(queue=jobs))
