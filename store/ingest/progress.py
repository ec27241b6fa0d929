"""Progress of a load, as a bar in a terminal and as plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learning.lazy_imports import LazyModule

from .files import Layout, Position, Row, read_rows

if TYPE_CHECKING:
    from rich import console as rich_console
    from rich import progress as rich_progress
else:
    rich_console, rich_progress = LazyModule("rich.console"), LazyModule("rich.progress")

READING, CHECKING, WRITING = "reading", "checking", "writing"

#: Seconds between two plain lines about the same step.
LINE_INTERVAL = 5.0
#: Rows between two reports while they are read one by one.
REPORTED_ROWS = 5000


@dataclass(frozen=True)
class Progress:
    """Progress of one file."""

    #: The name of the file, with that of the sheet.
    title: str
    #: READING, CHECKING or WRITING.
    step: str
    #: Bytes of the file that were read so far.
    bytes: int
    #: Bytes of the file; None where they are not read one after another.
    total: int | None
    rows: int


def count_bytes(layout: Layout) -> int | None:
    """Count the bytes of a file that is read one byte after another; None for another file."""
    return layout.path.stat().st_size if layout.format in ("csv", "json", "jsonl") else None


ProgressListener = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """Listen to the progress of a load that nobody watches."""


def read_with_progress(layout: Layout, listener: ProgressListener) -> Iterator[Row]:
    """Read the rows of a file, and report every REPORTED_ROWS rows how far it was read."""
    position, total = Position(), count_bytes(layout)
    for number, row in enumerate(read_rows(layout, position)):
        if number % REPORTED_ROWS == 0:
            listener(Progress(layout.title, READING, position.tell(), total, number))
        yield row


@contextmanager
def show_progress(terminal: bool) -> Iterator[ProgressListener]:
    """Show the progress of a load on the terminal or as lines. Yields the function to pass to `load`."""
    if not terminal:
        lines = ProgressLines()
        with _called_every(LINE_INTERVAL, lines.repeat):
            yield lines.show
        return
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("{task.fields[rows]}"),
    )
    with rich_progress.Progress(
        *columns, console=rich_console.Console(stderr=True), transient=True
    ) as progress:
        yield ProgressBar(progress).show


@contextmanager
def _called_every(seconds: float, function: Callable[[], None]) -> Iterator[None]:
    """Call the function in a thread, again and again, while the block runs."""
    ended = threading.Event()

    def call() -> None:
        while not ended.wait(seconds):
            function()

    thread = threading.Thread(target=call, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Rate:
    """Seconds of the current step, and rows per second."""

    def __init__(self) -> None:
        self.step: tuple[str, str] | None = None
        self.started_at = 0.0

    def start_step(self, progress: Progress) -> bool:
        """Restart the clock at a new step. Returns: True where the step is new."""
        if (progress.title, progress.step) == self.step:
            return False
        self.step, self.started_at = (progress.title, progress.step), time.monotonic()
        return True

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started_at

    def describe_rows(self, progress: Progress) -> str:
        has_rate = progress.step == READING and self.seconds > 0.5
        rate = f", {progress.rows / self.seconds:,.0f} a second" if has_rate else ""
        return f"{progress.rows:,} rows{rate}" if progress.rows else ""


class ProgressLines(_Rate):
    """Prints a line when a step begins, and one every LINE_INTERVAL seconds while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.progress: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Remember how far the load is; print the start of a step."""
        self.progress = progress
        if self.start_step(progress):
            self.print_line(self.describe_rows(progress))

    def repeat(self) -> None:
        """Print how far the current step is: a statement tells nothing while it runs."""
        if progress := self.progress:
            is_reading = progress.step == READING
            share = f"{progress.bytes / progress.total:.0%}" if is_reading and progress.total else ""
            parts = (share, self.describe_rows(progress), f"{self.seconds:,.0f} s")
            self.print_line(", ".join(filter(None, parts)))

    def print_line(self, details: str) -> None:
        assert self.progress
        subject = f"{self.progress.step} {self.progress.title}"
        print(f"{subject}: {details}" if details else subject, flush=True)


class ProgressBar(_Rate):
    """A bar for each file, with rows per second."""

    def __init__(self, display: "rich_progress.Progress"):
        super().__init__()
        self.display = display
        self.tasks: dict[str, rich_progress.TaskID] = {}

    def show(self, progress: Progress) -> None:
        self.start_step(progress)
        if progress.title not in self.tasks:
            self.tasks[progress.title] = self.display.add_task("", rows="")
        # The duration of a statement is unknown.
        total = progress.total if progress.step == READING else None
        self.display.update(
            self.tasks[progress.title],
            description=f"{progress.step} {progress.title}",
            completed=min(progress.bytes, total or progress.bytes),
            total=total,
            rows=self.describe_rows(progress),
        )
