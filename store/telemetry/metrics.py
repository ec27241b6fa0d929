"""Metrics: their declarations, and what this process has counted, as plain numbers.

A fast request costs about 170 µs, so counting it must cost one or two: prometheus-client's own histograms take ten
times as long. `project.metrics` renders these numbers in Prometheus' format when they are scraped.
"""

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

#: Combinations of labels of one metric in one process, at most; all others are counted together, under `OTHER`.
MOST_SERIES = 500
OTHER = "other"
#: Values of a histogram that are sorted into its buckets at once, in some 20 µs.
MANY_VALUES = 256

Labels = tuple[str, ...]


class Metric:
    """A metric: what it is called, what it means, and what tells its series apart."""

    #: All metrics by name, in the order of their declaration.
    declared: ClassVar[dict[str, "Metric"]] = {}
    kind: ClassVar[str]

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = ()):
        self.name, self.meaning, self.labels = f"exemplar_{name}", meaning, tuple(labels)
        self.declared[self.name] = self


class Gauge(Metric):
    """A number that rises and falls; it is read when the metrics are scraped."""

    kind = "gauge"


class Counted(Metric):
    """A metric that the process counts while it works, by its labels."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = ()):
        super().__init__(name, meaning, labels)
        self.lock = threading.Lock()
        self.series: dict[Labels, Any] = {}

    def find_series(self, labels: Labels) -> Any:
        """Get the series of these labels, or of `OTHER` where there are too many."""
        series = self.series.get(labels)
        return self._add_series(labels) if series is None else series

    def _add_series(self, labels: Labels) -> Any:
        with self.lock:
            if len(self.series) >= MOST_SERIES:
                labels = (OTHER,) * len(self.labels)
            return self.series.setdefault(labels, self.begin())

    def begin(self) -> Any:
        """Begin a series."""
        raise NotImplementedError

    def read(self) -> list[tuple[Labels, Any]]:
        """Read all series, as values of JSON."""
        return [(labels, series.read()) for labels, series in list(self.series.items())]


class Sum:
    """One series of a counter."""

    __slots__ = ("lock", "value")

    def __init__(self) -> None:
        self.lock, self.value = threading.Lock(), 0

    def add(self, amount: int) -> None:
        """Add to the sum; any thread may."""
        with self.lock:
            self.value += amount

    def read(self) -> int:
        return self.value


class Counter(Counted):
    """A number that only rises while the process lives."""

    kind = "counter"

    def begin(self) -> Sum:
        return Sum()

    def of(self, *labels: str) -> Sum:
        """Get the series of these labels; keep it where it is used often."""
        series: Sum = self.find_series(labels)
        return series

    def add(self, amount: int, *labels: str) -> None:
        """Add to the series of these labels; any thread may."""
        self.of(*labels).add(amount)


class Distribution:
    """One series of a histogram. Values are sorted into buckets many at once, in a tenth of the time for each."""

    __slots__ = ("bounds", "counts", "lock", "sum", "values")

    def __init__(self, bounds: Sequence[float]):
        self.bounds, self.lock = np.array(bounds, float), threading.Lock()
        self.counts, self.sum = np.zeros(len(bounds) + 1, int), 0.0
        #: Not in their buckets yet.
        self.values: list[float] = []

    def observe(self, value: float) -> None:
        """Count a value; any thread may."""
        self.values.append(value)
        if len(self.values) >= MANY_VALUES:
            self.sort()

    def sort(self) -> None:
        """Sort values into their buckets."""
        if not self.values:
            return
        with self.lock:
            # Another thread may append meanwhile.
            values = self.values[:]
            del self.values[: len(values)]
            self.counts += np.bincount(np.searchsorted(self.bounds, values), minlength=len(self.counts))
            self.sum += sum(values)

    def read(self) -> tuple[list[int], float]:
        """The numbers of values by bucket, each without those of the buckets below it, and the sum of all values."""
        self.sort()
        with self.lock:
            return self.counts.tolist(), self.sum


class Histogram(Counted):
    """The distribution of a quantity, in buckets."""

    kind = "histogram"

    def __init__(self, name: str, meaning: str, labels: Sequence[str], bounds: Sequence[float]):
        super().__init__(name, meaning, labels)
        #: The largest value of each bucket but the last.
        self.bounds = tuple(bounds)

    def begin(self) -> Distribution:
        return Distribution(self.bounds)

    def of(self, *labels: str) -> Distribution:
        """Get the series of these labels; keep it where it is used often."""
        series: Distribution = self.find_series(labels)
        return series


#: Values of one process by metric: the labels of each series, and its number or distribution.
Snapshot = dict[str, list[tuple[Labels, Any]]]


def read_counted() -> Snapshot:
    """Read all that this process has counted."""
    return {metric.name: metric.read() for metric in Metric.declared.values() if isinstance(metric, Counted)}


# -- What each web process counts --

REQUEST_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
STAGE_BOUNDS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2)
ROW_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

REQUEST_SECONDS = Histogram(
    "request_seconds",
    "Seconds from the arrival of a GraphQL operation to its response. `path` is fast, standard or socket (WebSocket); "
    "streams are not counted. `operation` is the field that it selects, as tumor.predict; never a client's own name.",
    ("path", "operation"),
    REQUEST_BOUNDS,
)
STAGE_SECONDS = Histogram(
    "stage_seconds",
    "Seconds of a stage of an operation. On the fast path: document (read the request, find its plan), read (its "
    "variables), predict (wait for a batch, predict, store) and serialize. On the others: document (parse and "
    "validate) and execute.",
    ("path", "stage", "operation"),
    STAGE_BOUNDS,
)
BATCH_SECONDS = Histogram(
    "batch_seconds",
    "Seconds of a stage of a batch of predictions: wait (of its oldest request), predict (the model) and store (the "
    "statement, until it is committed).",
    ("product", "stage"),
    STAGE_BOUNDS,
)
BATCH_ROWS = Histogram("batch_rows", "Predictions of a batch.", ("product",), ROW_BOUNDS)
PREDICTIONS = Counter("predictions", "Predictions that were answered and stored.", ("product",))
FEEDBACK = Counter(
    "feedback", "Feedback that was stored. `change` is given or retracted.", ("product", "change")
)
REFUSALS = Counter("refusals", "Errors in responses, by their code.", ("code",))

# -- What is measured in each web process when it is asked --

WAITING_ROWS = Gauge("waiting_rows", "Predictions that wait for a batch.", ("product",))
POOL_CONNECTIONS = Gauge(
    "pool_connections",
    "Connections that store predictions. `state` is free, busy or lost (being opened again).",
    ("state",),
)
POOL_WAITING = Gauge("pool_waiting", "Batches that wait for a connection.")
THREADS = Gauge("threads", "Threads for rows, of EXEMPLAR_THREADS. `state` is busy or idle.", ("state",))
THREADS_WAITING = Gauge("threads_waiting", "Calls that wait for a thread.")
STREAMS = Gauge(
    "streams",
    "Open streams. `transport` is websocket or http (server-sent events, multipart).",
    ("transport",),
)
CHAMPION_LOADED = Gauge(
    "champion_loaded",
    "Number of the version that the process has loaded; 0 where it cannot be loaded.",
    ("product",),
)
RESIDENT_BYTES = Gauge("process_resident_bytes", "Resident memory of the process.")
CPU_SECONDS = Counter("process_cpu_seconds", "Seconds of processor time that the process has used.")
START_SECONDS = Gauge("process_start_seconds", "When the process started, in seconds since 1970.")
PROCESS_UP = Gauge(
    "process_up", "1 where the web process has told its metrics, 0 where it has not within a second."
)

# -- Facts, which are the same whichever process is asked --

POSTGRESQL_UP = Gauge(
    "postgresql_up", "1 where PostgreSQL has answered, else 0; then the facts it holds are missing."
)
POSTGRESQL_SECONDS = Gauge("postgresql_seconds", "Seconds in which PostgreSQL has told all facts.")
POSTGRESQL_CONNECTIONS = Gauge("postgresql_connections", "Connections to the database, of all its clients.")
POSTGRESQL_BYTES = Gauge("postgresql_bytes", "Size of the database.")
STORED_ROWS = Gauge(
    "stored_rows", "Rows of a table (predictions, feedback), as PostgreSQL estimates them.", ("table",)
)
VALKEY_UP = Gauge(
    "valkey_up", "1 where Valkey or Redis has answered, else 0; then the facts it holds are missing."
)
VALKEY_SECONDS = Gauge("valkey_seconds", "Seconds in which Valkey has told all facts.")
VALKEY_BYTES = Gauge("valkey_bytes", "Memory that Valkey's data take.")
VALKEY_CLIENTS = Gauge("valkey_clients", "Clients of Valkey.")
QUEUE_JOBS = Gauge("queue_jobs", "Jobs in the queue that no worker has taken.")
WORKERS = Gauge("workers", "Workers that have shown a sign of life.")
JOBS = Gauge(
    "jobs",
    "Unfinished jobs. `kind` is build, import, scoring or comparison, `status` READY or RUNNING.",
    ("kind", "status"),
)
BUILDS = Counter(
    "builds", "Builds that have ended. `outcome` is SUCCEEDED, FAILED or CANCELLED.", ("product", "outcome")
)
BUILD_PERCENT = Gauge("build_percent", "Progress of the unfinished build.", ("product",))
BUILD_STEP_SECONDS = Gauge(
    "build_step_seconds",
    "Seconds of each step of the product's newest build that has ended. `step` is the type of the event that ends it.",
    ("product", "step"),
)
CHAMPION_VERSION = Gauge("champion_version", "Number of the version that is promoted.", ("product",))
CHAMPION_BUILT = Gauge(
    "champion_built_seconds", "When the champion was built, in seconds since 1970.", ("product",)
)
CHAMPION_PROMOTED = Gauge(
    "champion_promoted_seconds", "When the champion was promoted, in seconds since 1970.", ("product",)
)
PROMOTION_HELD = Gauge(
    "promotion_held", "1 where the winners of builds wait for a person to promote them, else 0.", ("product",)
)
CHAMPION_SCORE = Gauge(
    "champion_score",
    "Score of the champion, greater is better; `metric` is what was measured.",
    ("product", "metric"),
)

#: The metrics that each web process tells, under a label `process`.
OF_PROCESS = (
    *(
        REQUEST_SECONDS,
        STAGE_SECONDS,
        BATCH_SECONDS,
        BATCH_ROWS,
        PREDICTIONS,
        FEEDBACK,
        REFUSALS,
        WAITING_ROWS,
    ),
    *(POOL_CONNECTIONS, POOL_WAITING, THREADS, THREADS_WAITING, STREAMS, CHAMPION_LOADED),
    *(RESIDENT_BYTES, CPU_SECONDS, START_SECONDS, PROCESS_UP),
)
