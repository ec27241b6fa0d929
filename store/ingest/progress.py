"""How far a load is, and how that is shown: a bar in a terminal, plain lines elsewhere."""

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
PAUSE = 5.0


@dataclass(frozen=True)
class Progress:
    """How far a load is."""

    path: Path
    #: What happens to the file: READING, CHECKING or WRITING.
    step: str
    #: Bytes that were read, packed ones counted unpacked.
    bytes: int
    #: Of the file; None where it is not known, because they are packed or not read as they are.
    total: int | None
    rows: int


Told = Callable[[Progress], None]


@contextmanager
def shown(terminal: bool) -> Iterator[Told]:
    """What to tell `load`'s progress."""
    if not terminal:
        yield Lines().show
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
        yield Bar(progress).show


class _Rate:
    """Rows a second of the step that runs."""

    def __init__(self) -> None:
        self.step: tuple[Path, str] | None = None
        self.begun = 0.0

    def begins(self, now: Progress) -> bool:
        """Whether another step has begun."""
        if (now.path, now.step) == self.step:
            return False
        self.step, self.begun = (now.path, now.step), time.monotonic()
        return True

    def rows(self, now: Progress) -> str:
        seconds = time.monotonic() - self.begun
        rate = f", {now.rows / seconds:,.0f} a second" if now.step == READING and seconds > 0.5 else ""
        return f"{now.rows:,} rows{rate}"


class Lines(_Rate):
    """A line when a step begins, and now and then while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.said = 0.0

    def show(self, now: Progress) -> None:
        if self.begins(now) or time.monotonic() - self.said > PAUSE:
            self.said = time.monotonic()
            print(f"{now.step} {now.path.name}" + (f": {self.rows(now)}" if now.rows else ""), flush=True)


class Bar(_Rate):
    """A bar for each file, with rows a second."""

    def __init__(self, progress: "rich_progress.Progress"):
        super().__init__()
        self.progress = progress
        self.tasks: dict[Path, rich_progress.TaskID] = {}

    def show(self, now: Progress) -> None:
        self.begins(now)
        if now.path not in self.tasks:
            self.tasks[now.path] = self.progress.add_task("", rows="")
        total = now.total if now.step == READING else None  # nobody knows how long statements run
        self.progress.update(
            self.tasks[now.path],
            description=f"{now.step} {now.path.name}",
            completed=min(now.bytes, total or now.bytes),
            total=total,
            rows=self.rows(now),
        )
