"""Traces: the stages of requests and the steps of jobs as spans of OpenTelemetry, where a collector is configured.

Spans are made of times that are measured anyway, once a stage is over. Without a collector nothing is imported, and a
request checks one name.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.conf import settings

from learning.lazy_imports import LazyModule

from . import requests
from .requests import RequestRecord

if TYPE_CHECKING:
    import opentelemetry.exporter.otlp.proto.http.trace_exporter as exporter
    import opentelemetry.sdk.resources as resources
    import opentelemetry.sdk.trace as sdk
    import opentelemetry.sdk.trace.export as export
    import opentelemetry.trace as api
    import opentelemetry.trace.propagation.tracecontext as tracecontext
else:
    exporter = LazyModule("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resources = LazyModule("opentelemetry.sdk.resources")
    sdk = LazyModule("opentelemetry.sdk.trace")
    export = LazyModule("opentelemetry.sdk.trace.export")
    api = LazyModule("opentelemetry.trace")
    tracecontext = LazyModule("opentelemetry.trace.propagation.tracecontext")

#: Seconds that the collector may take for the spans of some seconds; more are lost.
TIMEOUT = 2

#: None: spans are not recorded.
tracer: Any = None
_provider: Any = None
#: From `time.perf_counter` to nanoseconds since 1970.
_offset = time.time_ns() - time.perf_counter_ns()

#: The spans of the requests whose batch this task runs.
_batch: ContextVar[Sequence[Any]] = ContextVar("batch", default=())


def start(kind: str) -> None:
    """Begin to send spans of this process, a web process or a worker, if the settings name a collector."""
    global tracer, _provider
    if not settings.EXEMPLAR_TRACES:
        return
    resource = resources.Resource.create({"service.name": "exemplar", "exemplar.process": kind})
    _provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
    endpoint = f"{settings.EXEMPLAR_TRACES.rstrip('/')}/v1/traces"
    sender = exporter.OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT)
    _provider.add_span_processor(export.BatchSpanProcessor(sender, schedule_delay_millis=1_000))
    tracer = _provider.get_tracer("exemplar")


def stop() -> None:
    """Send the last spans; waits for the collector, within its time limit."""
    global tracer, _provider
    if _provider:
        _provider.force_flush(TIMEOUT * 1_000)
        _provider.shutdown()
    tracer = _provider = None


def begin(record: RequestRecord, traceparent: str | None) -> None:
    """Begin the span of a request or job, below the caller's span if it has told one."""
    if tracer is not None and record.span is None:
        caller = tracecontext.TraceContextTextMapPropagator().extract({"traceparent": traceparent or ""})
        record.span = tracer.start_span("request", caller, start_time=_nanoseconds(record.started))


def end(record: RequestRecord, name: str, **attributes: str | int) -> None:
    """End the span of a request or job, under its name and with what is known of it."""
    span = record.span
    if span is None or not span.is_recording():
        return
    span.update_name(name)
    span.set_attributes({f"exemplar.{key}": value for key, value in record.describe().items()} | attributes)
    if record.code:
        span.set_status(api.StatusCode.ERROR, record.code)
    span.end()


def add(parent: Any, name: str, started: float, ended: float, **attributes: str | int) -> Any:
    """Add a span that is over below another one; times are of `time.perf_counter`. Returns it."""
    return add_below(api.set_span_in_context(parent), name, started, ended, attributes)


def add_below(
    context: Any, name: str, started: float, ended: float, attributes: Mapping[str, Any], links: Any = ()
) -> Any:
    """Add a span that is over below a context."""
    span = tracer.start_span(
        name, context, attributes=attributes, links=links, start_time=_nanoseconds(started)
    )
    span.end(_nanoseconds(ended))
    return span


def add_stages(record: RequestRecord, started: float, **ends: float) -> None:
    """Add the stages of a request, each from the end of the one before."""
    if record.span is None:
        return
    for stage, ended in ends.items():
        add(record.span, stage, started, ended)
        started = ended


def current_span() -> Any:
    """The span of the request that this task works for; None without one."""
    record = requests.current.get() if tracer is not None else None
    return record.span if record else None


def join(spans: Sequence[Any]) -> None:
    """Have this task run a batch for the requests of these spans."""
    if tracer is not None:
        _batch.set([span for span in spans if span is not None])


def add_batch(product: str, rows: int, started: float, predicted: float, stored: float) -> None:
    """Add the spans of a batch below its first request, with links to the others."""
    if tracer is None or not (spans := _batch.get()):
        return
    links = [api.Link(span.get_span_context()) for span in spans[1:]]
    facts: dict[str, Any] = {"exemplar.product": product, "exemplar.rows": rows}
    below = api.set_span_in_context(spans[0])
    batch = add_below(below, "batch", started, stored, facts, links)
    add(batch, "model", started, predicted)
    statement: dict[str, Any] = {"db.system": "postgresql", "db.operation.batch.size": rows}
    add(batch, "SQL", predicted, stored, **statement)


# -- Jobs --


def describe_origin() -> dict[str, str]:
    """Describe the request that asks for a job, for the job to carry; empty outside of requests."""
    record = requests.current.get()
    if record is None:
        return {}
    origin = {"request": record.id}
    if record.span is not None:
        tracecontext.TraceContextTextMapPropagator().inject(origin, api.set_span_in_context(record.span))
    return origin


#: When the last step of this process's job ended.
_step_ended: ContextVar[float] = ContextVar("step_ended", default=0.0)


@contextmanager
def running_job(name: str, origin: Mapping[str, str]) -> Iterator[None]:
    """Have what this process logs and traces while the block runs belong to the request that asked for the job."""
    record = RequestRecord(str(origin.get("request", "")).encode() or None)
    record.operation = name
    start("worker")
    begin(record, origin.get("traceparent"))
    _step_ended.set(record.started)
    try:
        with requests.working_for(record):
            yield
    finally:
        end(record, name)
        stop()


def add_step(name: str, message: str) -> None:
    """Add a step of the job that this process runs, from the end of the one before until now."""
    if (span := current_span()) is not None:
        now = time.perf_counter()
        add(span, name, _step_ended.get() or now, now, **{"exemplar.message": message})
        _step_ended.set(now)


def _nanoseconds(moment: float) -> int:
    return _offset + round(moment * 1e9)
