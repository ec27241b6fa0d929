"""Progress of a load, as a bar in a terminal and as plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from learning.lazy_imports import LazyModule

if TYPE_CHECKING:
    from rich import console as rich_console
    from rich import progress as rich_progress
else:
    rich_console, rich_progress = LazyModule("rich.console"), LazyModule("rich.progress")

READING, CHECKING, WRITING = "reading", "checking", "writing"

#: Seconds between two plain lines about the same step.
LINE_INTERVAL = 5.0


@dataclass(frozen=True)
class Progress:
    """Progress of one file."""

    path: Path
    #: READING, CHECKING or WRITING.
    step: str
    #: Bytes read so far, after decompression.
    bytes: int
    #: Bytes of the file; None where the file is compressed or its bytes are not read directly.
    total: int | None
    rows: int


ProgressListener = Callable[[Progress], None]


@contextmanager
def show_progress(terminal: bool) -> Iterator[ProgressListener]:
    """Show the progress of a load on the terminal or as lines. Yields the function to pass to `load`."""
    if not terminal:
        yield ProgressLines().show
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


class _Rate:
    """Rows per second of the current step."""

    def __init__(self) -> None:
        self.step: tuple[Path, str] | None = None
        self.started_at = 0.0

    def start_step(self, progress: Progress) -> bool:
        """Restart the clock at a new step. Returns: True where the step is new."""
        if (progress.path, progress.step) == self.step:
            return False
        self.step, self.started_at = (progress.path, progress.step), time.monotonic()
        return True

    def describe_rows(self, progress: Progress) -> str:
        seconds = time.monotonic() - self.started_at
        has_rate = progress.step == READING and seconds > 0.5
        rate = f", {progress.rows / seconds:,.0f} a second" if has_rate else ""
        return f"{progress.rows:,} rows{rate}"


class ProgressLines(_Rate):
    """Prints a line when a step begins and every LINE_INTERVAL seconds while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.printed_at = 0.0

    def show(self, progress: Progress) -> None:
        if self.start_step(progress) or time.monotonic() - self.printed_at > LINE_INTERVAL:
            self.printed_at = time.monotonic()
            rows = f": {self.describe_rows(progress)}" if progress.rows else ""
            print(f"{progress.step} {progress.path.name}{rows}", flush=True)


class ProgressBar(_Rate):
    """A bar for each file, with rows per second."""

    def __init__(self, display: "rich_progress.Progress"):
        super().__init__()
        self.display = display
        self.tasks: dict[Path, rich_progress.TaskID] = {}

    def show(self, progress: Progress) -> None:
        self.start_step(progress)
        if progress.path not in self.tasks:
            self.tasks[progress.path] = self.display.add_task("", rows="")
        # The duration of a statement is unknown.
        total = progress.total if progress.step == READING else None
        self.display.update(
            self.tasks[progress.path],
            description=f"{progress.step} {progress.path.name}",
            completed=min(progress.bytes, total or progress.bytes),
            total=total,
            rows=self.describe_rows(progress),
        )
