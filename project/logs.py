"""Logs: lines of text or of JSON that name their request, and a handler that a client cannot flood with them."""

import json
import logging
import sys
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson

from store.telemetry import requests

#: Loggers whose lines clients cause: a line of such a logger is of the kind of its template, whatever its arguments.
CAUSED_BY_CLIENTS = ("django.request", "django.security", "schema", "store.access", "strawberry", "uvicorn")
#: Kinds that are remembered, at most.
MAX_KINDS = 1_000


#: What a line of JSON has beside its message, where the line was logged with it.
DETAILS = ("method", "path", "status", "duration", "code", "error")


class LineFormatter(logging.Formatter):
    """Lines of text; those of a request end with its id."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        fields = getattr(record, "request_fields", {})
        return f"{line} (request {fields['request']})" if "request" in fields else line


class JSONFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        details = {name: getattr(record, name, None) for name in DETAILS}
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "request_fields", {}),
            **{name: value for name, value in details.items() if value is not None},
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return encode(entry)


def encode(entry: dict[str, Any]) -> str:
    """Encode a line of JSON."""
    try:
        return orjson.dumps(entry, default=str).decode()
    except TypeError:  # half surrogate pairs from clients
        return json.dumps(entry, default=str)


def line_of(level: str, logger: str, message: str) -> str:
    """Make a line of JSON without a logger: for processes that have none."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return encode({"time": now, "level": level, "logger": logger, "message": message})


def log_uncaught() -> None:
    """Have what ends the process by an exception logged as a line, instead of printed as a traceback."""

    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        logging.getLogger(__name__).critical("The process ends.", exc_info=(kind, error, trace))

    sys.excepthook = log
    logging.captureWarnings(True)


@dataclass
class Burst:
    """Lines of one kind within an interval."""

    #: When the interval ends, by `time.monotonic`.
    ends: float
    #: The latest line that was left out; None if none was.
    latest: logging.LogRecord | None = None
    omitted: int = 0
    #: Writes the count when the interval ends; None if nothing was left out.
    timer: threading.Timer | None = None


class ThrottledHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Write warnings, and refusals that are logged as errors, once in an interval and kind; all else as it comes.

    What was left out is counted in a line at the end of the interval, which then begins anew.
    """

    def __init__(self, interval: float = 1.0) -> None:
        super().__init__()
        #: Seconds.
        self.interval = interval
        self.bursts: dict[Hashable, Burst] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line or count it. The caller holds the handler's lock."""
        request = requests.current.get()
        # Now, since the line of a count is written by another thread.
        record.request_fields = request.describe() if request else {}
        try:
            self.write_or_count(record)
        except Exception:  # a line with wrong arguments must not end what it tells of
            self.handleError(record)

    def write_or_count(self, record: logging.LogRecord) -> None:
        """Write a line unless its kind was written within the interval."""
        if not is_throttled(record):
            super().emit(record)
            return
        kind, now = kind_of(record), time.monotonic()
        burst = self.bursts.get(kind)
        if burst is None or (burst.latest is None and burst.ends <= now):
            self.begin(kind, now)
            super().emit(record)
            return
        if burst.timer is None:
            burst.timer = self.schedule(kind, burst.ends - now)
        burst.latest, burst.omitted = record, burst.omitted + 1

    def begin(self, kind: Hashable, now: float) -> None:
        """Begin an interval."""
        if len(self.bursts) >= MAX_KINDS:
            self.bursts = {kind: burst for kind, burst in self.bursts.items() if burst.ends > now}
        self.bursts[kind] = Burst(now + self.interval)

    def schedule(self, kind: Hashable, seconds: float) -> threading.Timer:
        """Start the timer that writes the count once the interval is over."""
        timer = threading.Timer(max(0.0, seconds), self.end, (kind,))
        timer.daemon = True
        timer.start()
        return timer

    def close(self) -> None:
        """Write the counts of the intervals that have not ended."""
        for kind, burst in list(self.bursts.items()):
            if burst.timer:
                burst.timer.cancel()
                self.end(kind)
        super().close()

    def end(self, kind: Hashable) -> None:
        """Write a line for those that were left out, and begin the next interval."""
        self.acquire()
        try:
            burst = self.bursts.get(kind)
            if burst is not None and burst.latest is not None:
                self.begin(kind, time.monotonic())
                super().emit(counted(burst.latest, burst.omitted))
        finally:
            self.release()


def is_throttled(record: logging.LogRecord) -> bool:
    """Check if a line may be left out: a warning, or an error that the client made."""
    if record.levelno == logging.WARNING:
        return True
    return record.levelno == logging.ERROR and record.name.startswith("django.security")


def kind_of(record: logging.LogRecord) -> Hashable:
    """The lines that are alike: by their template where clients cause them, else by their whole text."""
    by_template = record.name.startswith(CAUSED_BY_CLIENTS)
    return (
        record.name,
        getattr(record, "status_code", 0),
        str(record.msg) if by_template else record.getMessage(),
    )


def counted(record: logging.LogRecord, omitted: int) -> logging.LogRecord:
    """The latest line of those left out, with their number."""
    line = logging.makeLogRecord(vars(record))
    line.msg, line.args = f"{record.getMessage()} (one of {omitted} lines like this)", ()
    return line
