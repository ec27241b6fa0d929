"""Command that builds a product in the foreground and shows its progress."""

import multiprocessing
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Protocol

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from learning.exceptions import ExemplarError
from store.builds import runner
from store.builds.builds import Build, BuildEvent
from store.jobs import leases
from store.jobs.jobs import READY, SUCCEEDED
from store.products import catalogue
from store.products.system_checks import OF_PRODUCTS

#: Seconds between two queries of the build's events.
POLL_SECONDS = 0.2

#: Columns of the progress bar.
PROGRESS_COLUMNS = (
    BarColumn(),
    TaskProgressColumn(),
    TimeElapsedColumn(),
    TextColumn("{task.fields[ends_by]}{task.fields[best]}{task.description}"),
)

#: The process that runs a build, and the attempt that it makes.
Runner = tuple[BaseProcess, int]


class Command(BaseCommand):
    help = "Build a product and follow the build; follow an unfinished one instead. Ctrl-C cancels the build."
    requires_system_checks = OF_PRODUCTS

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        parser.add_argument("--candidates", type=int, help="the number of candidates")
        parser.add_argument("--seconds", type=float, help="the time limit of the build in seconds")
        parser.add_argument("--seed", type=int, help="the seed of all random draws")
        parser.add_argument("--families", nargs="+", help="the families to search")
        parser.add_argument(
            "--hold", action="store_false", dest="auto_promote", default=None, help="promote no version"
        )

    def handle(self, *, product: str, **options: object) -> None:
        names = ("candidates", "seconds", "seed", "families", "auto_promote")
        try:
            build, started = Build.objects.request(
                catalogue.get(product),
                by=_get_user(),
                options={name: options[name] for name in names},
                enqueue=False,
            )
        except ExemplarError as error:
            raise CommandError(str(error)) from error
        if not started:
            self.stdout.write(f"{build} is unfinished: following it.")
        try:
            self.follow(build)
        except KeyboardInterrupt:
            Build.objects.cancel(build.pk, by=_get_user())
            raise CommandError(f"{build} was cancelled.") from None
        build.refresh_from_db()
        if build.status != SUCCEEDED:
            raise CommandError(f"{build} ended as {build.status}. {build.problem_message}".strip())

    def follow(self, build: Build) -> None:
        """Show every event until the final one; run the build in a child process while no other process does."""
        child: Runner | None = None
        cursor = None
        with _display(sys.stdout.isatty()) as display:
            while True:
                for event in BuildEvent.objects.after(build.pk, cursor):
                    display.show(event)
                    cursor = event.cursor
                    if event.final:
                        return
                child = _run_if_ready(build, child)
                time.sleep(POLL_SECONDS)


def _run_if_ready(build: Build, child: Runner | None) -> Runner | None:
    """Start a child process where the build is READY, also after the death of the child before.

    Returns: the running child; None where another process runs the build.
    """
    if child and not child[0].is_alive():
        Build.objects.abandon(build.pk, child[1])
        child = None
    build.refresh_from_db(fields=["status", "attempt"])
    if child or build.status != READY:
        return child
    # A forked child must not share the sockets of its parent.
    connections.close_all()
    process = multiprocessing.get_context("fork").Process(target=_run, args=[build.pk], daemon=False)
    process.start()
    return process, build.attempt + 1


def _run(pk: int) -> None:
    """Run the build in a process group of its own, so that a cancelled build can kill all its fits."""
    os.setpgrp()
    leases.die_with_parent()
    runner.run_job(pk)


def _get_user() -> str:
    return f"manage.py ({os.environ.get('USER') or os.getuid()})"


class Display(Protocol):
    """Shows a build's events one after the other."""

    def show(self, event: BuildEvent) -> None: ...


@contextmanager
def _display(terminal: bool) -> Iterator[Display]:
    """Open a progress bar in a terminal, plain lines elsewhere."""
    if not terminal:
        yield EventLines()
        return
    with Progress(*PROGRESS_COLUMNS, console=Console()) as progress:
        yield EventBar(progress)


class EventLines:
    """Prints a line for each event."""

    def show(self, event: BuildEvent) -> None:
        print(f"{event.percent:3.0f} %  {event.message}", flush=True)


class EventBar:
    """Shows the step, the progress, the time limit and the best score so far."""

    def __init__(self, progress: Progress):
        self.progress, self.best, self.ends_by = progress, "", ""
        self.task = progress.add_task("waiting", total=100.0, best="", ends_by="")

    def show(self, event: BuildEvent) -> None:
        if event.best is not None:
            self.best = f"best {event.best:.4g}  "
        if event.build.ends_by is not None:
            self.ends_by = f"ends by {event.build.ends_by:%H:%M:%S} UTC  "
        self.progress.update(
            self.task,
            completed=event.percent,
            description=event.message,
            best=self.best,
            ends_by=self.ends_by,
        )
        if event.final:
            self.progress.console.print(event.message)
