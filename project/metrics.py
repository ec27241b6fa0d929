"""The endpoint `/metrics`: what all web processes of this machine count, and the facts, in Prometheus' formats."""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from learning.lazy_imports import LazyModule
from project.siblings import Siblings
from schema.core import security
from schema.core.errors import refusal_of
from schema.core.responses import STATUS
from store.access import resolver
from store.access.credentials import read_credentials
from store.access.permissions import Permission
from store.db import threads
from store.exceptions import Forbidden, Unauthenticated
from store.runtime import measurements
from store.telemetry.metrics import OF_PROCESS, PROCESS_UP, Histogram, Metric, Snapshot

if TYPE_CHECKING:
    import prometheus_client.core as prometheus
    import prometheus_client.exposition as exposition
else:
    prometheus = LazyModule("prometheus_client.core")
    exposition = LazyModule("prometheus_client.exposition")

#: Seconds for which facts are kept: whoever scrapes more often does not ask PostgreSQL more often.
FACTS_SECONDS = 2.0
#: Seconds that PostgreSQL or Valkey may take for their facts.
PATIENCE = 5.0


#: Not the pool of `threads`: all of its threads may be waiting for PostgreSQL, which the metrics have to say.
scraping = ThreadPoolExecutor(3, thread_name_prefix="metrics")

#: Who may read the metrics.
WHO = "Metrics are for those who may VIEW all products, and for the addresses in EXEMPLAR_METRICS."


class Metrics:
    """The endpoint of one web process."""

    def __init__(self) -> None:
        self.siblings = Siblings(measurements.read_process)
        self.facts = Facts()

    async def respond(self, request: Request) -> Response:
        """Respond with the metrics to those who may read them."""
        if settings.EXEMPLAR_METRICS is None:
            return PlainTextResponse("Metrics are switched off: set EXEMPLAR_METRICS.\n", 404)
        if not security.is_served(request.headers.get("host", "")):
            return PlainTextResponse("This Host is not one that is served here.\n", 400)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Read metrics by GET.\n", 405, {"Allow": "GET, HEAD"})
        if not is_near(request) and (refusal := await find_refusal(request)):
            return refusal
        return await self.read(request.headers.get("accept", ""))

    async def read(self, accept: str) -> Response:
        """Respond with the metrics of all siblings, and the facts."""
        snapshots, facts = await asyncio.gather(self.siblings.ask(), self.facts.get())
        text, media_type = await threads.run_on(scraping, render, snapshots, facts, accept)
        return Response(text, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


def is_near(request: Request) -> bool:
    """Check if a request comes from an address whose requests need no credential."""
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in ipaddress.ip_network(network) for network in settings.EXEMPLAR_METRICS or ())


async def find_refusal(request: Request) -> Response | None:
    """Find the reason why the caller may not read metrics; None where it may: it may view all products."""
    try:
        actor = await resolver.find(read_credentials(request.headers.raw))
        actor.require(Permission.VIEW, None)
    except (Unauthenticated, Forbidden) as refusal:
        status = STATUS[refusal.code]
        headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
        return PlainTextResponse(f"{refusal.message} {WHO}\n", status, headers)
    except Exception as error:  # PostgreSQL cannot be reached
        return PlainTextResponse(f"{refusal_of(error).message}\n", 503)
    return None


class Facts:
    """The facts in PostgreSQL and Valkey, read once for all scrapes of a moment."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.snapshot: Snapshot = {}
        self.until = 0.0

    async def get(self) -> Snapshot:
        """Get the facts, as they were up to `FACTS_SECONDS` ago."""
        async with self.lock:
            if self.until < time.monotonic():
                self.snapshot = await read_facts()
                self.until = time.monotonic() + FACTS_SECONDS
            return self.snapshot


async def read_facts() -> Snapshot:
    """Read the facts, side by side."""
    postgresql, valkey = await asyncio.gather(
        read_in_time(measurements.read_postgresql, measurements.postgresql_down),
        read_in_time(measurements.read_valkey, measurements.valkey_down),
    )
    return postgresql | valkey


async def read_in_time(read: Callable[[], Snapshot], down: Callable[[], Snapshot]) -> Snapshot:
    """Read facts on a thread, or those that there are while nothing answers."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await threads.run_on(scraping, read_and_close, read)
    except TimeoutError:
        return down()


def read_and_close(read: Callable[[], Snapshot]) -> Snapshot:
    """Read facts on a connection of their own, which is not kept: scrapes are rare."""
    try:
        return read()
    finally:
        connection.close()


def render(snapshots: Mapping[str, Snapshot | None], facts: Snapshot, accept: str) -> tuple[bytes, str]:
    """Render what processes have snapshots, and the facts; returns the text and its media type."""
    encode, media_type = exposition.choose_encoder(accept)
    return encode(Collector(snapshots, facts)), media_type


class Collector:
    """All metrics in the form that prometheus-client writes."""

    def __init__(self, snapshots: Mapping[str, Snapshot | None], facts: Snapshot):
        self.snapshots, self.facts = snapshots, facts

    def collect(self) -> "Iterator[prometheus.Metric]":
        """Yield each metric with its series; those of a process have the label `process`."""
        for metric in Metric.declared.values():
            family = begin_family(metric)
            for labels, value in self.find_series(metric):
                add_series(family, metric, labels, value)
            yield family

    def find_series(self, metric: Metric) -> Iterator[tuple[Sequence[str], Any]]:
        if metric is PROCESS_UP:
            for process, snapshot in self.snapshots.items():
                yield (process,), int(snapshot is not None)
        elif metric in OF_PROCESS:
            for process, snapshot in self.snapshots.items():
                for labels, value in (snapshot or {}).get(metric.name, ()):
                    yield (process, *labels), value
        else:
            yield from self.facts.get(metric.name, ())


def begin_family(metric: Metric) -> "prometheus.Metric":
    """Begin the family of a metric."""
    kinds = {
        "counter": prometheus.CounterMetricFamily,
        "gauge": prometheus.GaugeMetricFamily,
        "histogram": prometheus.HistogramMetricFamily,
    }
    return kinds[metric.kind](metric.name, metric.meaning, labels=labels_of(metric))


def labels_of(metric: Metric) -> tuple[str, ...]:
    """The names of a metric's labels, as they are exposed."""
    return (("process",) if metric in OF_PROCESS else ()) + metric.labels


def add_series(family: Any, metric: Metric, labels: Sequence[str], value: Any) -> None:
    """Add one series to its family."""
    if isinstance(metric, Histogram):
        counts, total = value
        bounds = [*map(str, map(float, metric.bounds)), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
    else:
        family.add_metric(labels, value)
