"""Builds a product here and now, and shows how far it is."""

import multiprocessing
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

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

#: Seconds between two looks at the build's rows.
LOOK = 0.2


class Command(BaseCommand):
    help = "Builds a product here and now; attaches to its build where one is unfinished. Ctrl-C cancels the build."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        parser.add_argument("--candidates", type=int, help="how many are drawn")
        parser.add_argument("--seconds", type=float, help="time limit of the build")
        parser.add_argument("--seed", type=int, help="everything random is drawn from it")
        parser.add_argument("--families", nargs="+", help="which may compete")
        parser.add_argument(
            "--hold", action="store_false", dest="auto_promote", default=None, help="promote nothing"
        )

    def handle(self, *, product: str, **options: Any) -> None:
        wanted = {
            name: options[name] for name in ("candidates", "seconds", "seed", "families", "auto_promote")
        }
        try:
            build, started = Build.objects.request(
                catalogue.get(product), by=_whoami(), options=wanted, enqueue=False
            )
        except ExemplarError as error:
            raise CommandError(str(error)) from error
        if not started:
            self.stdout.write(f"{build} is unfinished: following it.")
        try:
            self.follow(build)
        except KeyboardInterrupt:
            Build.objects.cancel(build.pk, by=_whoami())
            raise CommandError(f"{build} was cancelled.") from None
        build.refresh_from_db()
        if build.status != SUCCEEDED:
            raise CommandError(f"{build} ended as {build.status}. {build.problem_message}".strip())

    def follow(self, build: Build) -> None:
        """Show every event until the final one; run the build in a child process while nobody else does."""
        child, cursor = None, None
        with _display(sys.stdout.isatty()) as display:
            while True:
                for event in BuildEvent.objects.after(build.pk, cursor):
                    display.show(event)
                    cursor = event.cursor
                    if event.final:
                        return
                child = _run_if_waiting(build, child)
                time.sleep(LOOK)


def _run_if_waiting(build: Build, child: Any) -> Any:
    """The child process that runs the build; a new one where it waits, because the one before has died or none was."""
    if child and not child.is_alive():
        Build.objects.abandon(build.pk, child.attempt)
        child = None
    build.refresh_from_db(fields=["status", "attempt"])
    if child or build.status != READY:
        return child
    # A forked child must not share the sockets of its parent.
    connections.close_all()
    child = multiprocessing.get_context("fork").Process(target=_run, args=[build.pk], daemon=False)
    child.attempt = build.attempt + 1
    child.start()
    return child


def _run(pk: int) -> None:
    """A process group of its own, so that a build which is cancelled can end itself with all its fits."""
    os.setpgrp()
    leases.die_with_parent()
    runner.run_job(pk)


def _whoami() -> str:
    return f"manage.py ({os.environ.get('USER') or os.getuid()})"


class Display(Protocol):
    def show(self, event: BuildEvent) -> None: ...


@contextmanager
def _display(terminal: bool) -> Iterator[Display]:
    """A progress bar in a terminal, plain lines elsewhere."""
    if not terminal:
        yield EventLines()
        return
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[best]}{task.description}"),
    )
    with Progress(*columns, console=Console()) as progress:
        yield EventBar(progress)


class EventLines:
    def show(self, event: BuildEvent) -> None:
        print(f"{event.percent:3.0f} %  {event.message}", flush=True)


class EventBar:
    """The step, the share that is done and the best score so far."""

    def __init__(self, progress: Progress):
        self.progress, self.best = progress, ""
        self.task = progress.add_task("waiting", total=100.0, best="")

    def show(self, event: BuildEvent) -> None:
        if event.best is not None:
            self.best = f"best {event.best:.4g}  "
        self.progress.update(self.task, completed=event.percent, description=event.message, best=self.best)
        if event.final:
            self.progress.console.print(event.message)
