"""The lifespan of a web process: load the champions, follow promotions and splits, run maintenance."""

import asyncio
import logging
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError

from ..access import resolver
from ..db import sqlstates, threads
from ..jobs import events, jobs
from ..predictions import policies
from ..products import catalogue
from ..serving import champions, dispatcher, splits
from . import maintenance, row_checks, starts

log = logging.getLogger(__name__)

#: Seconds between two looks for splits.
SPLIT_SECONDS = 1.0

_tasks: set["asyncio.Task[None]"] = set()
#: One thread loads all models: the allocator keeps the peak memory of every thread that loaded one.
_loading = ThreadPoolExecutor(1, thread_name_prefix="loading")


async def start() -> None:
    """Load the champions, then follow promotions. Raises the database's errors: nothing can serve without it."""
    await threads.run(starts.record_start, "web")
    await threads.run(policies.insert_missing, catalogue.products())
    await threads.run_on(_loading, champions.load)
    await threads.run_on(_loading, splits.refresh)
    log.info("%s", champions.summary())
    await dispatcher.start()
    events.hub.listen(_on_event)
    await events.hub.start()
    _hold(asyncio.create_task(_log_errors(threads.run(row_checks.check)), name="rows"))
    _hold(asyncio.create_task(_maintain_forever(), name="maintenance"))
    _hold(asyncio.create_task(_follow_splits(), name="splits"))
    _hold(asyncio.create_task(resolver.refresh_forever(), name="access"))


async def stop() -> None:
    """Stop following and maintenance, then the dispatcher."""
    await events.hub.stop()
    for task in list(_tasks):
        task.cancel()
    await asyncio.gather(*_tasks, return_exceptions=True)
    await dispatcher.stop()


def _hold(task: "asyncio.Task[None]") -> None:
    """Hold a reference to the task until it is done: the event loop holds none."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def _on_event(event: events.Event) -> None:
    if event["kind"] == "promotion":
        _hold(asyncio.create_task(_log_errors(threads.run_on(_loading, champions.refresh)), name="refresh"))
    if event["kind"] in ("promotion", "trial"):
        _hold(asyncio.create_task(_log_errors(threads.run_on(_loading, splits.refresh)), name="refresh"))


async def _follow_splits() -> None:
    """Look for splits that have begun or ended, also while no event tells of them."""
    while True:
        await asyncio.sleep(SPLIT_SECONDS)
        try:
            await threads.run_on(_loading, splits.refresh)
        except (DatabaseError, InterfaceError) as error:  # maintenance warns of it, less often
            log.debug("%s", sqlstates.explain(error))
        except Exception:
            log.exception("Splits could not be looked for; it is tried again in %g s.", SPLIT_SECONDS)


async def _maintain_forever() -> None:
    while True:
        await asyncio.sleep(jobs.MAINTENANCE_INTERVAL)
        await _log_errors(threads.run_on(_loading, champions.refresh))
        await _log_errors(threads.run(maintenance.tick))


async def _log_errors(work: Awaitable[None]) -> None:
    try:
        await work
    except (DatabaseError, InterfaceError) as error:
        log.warning("%s", sqlstates.explain(error))
    except Exception:  # one failure must not end maintenance for the life of the process
        log.exception("Maintenance failed; it is tried again in %g s.", jobs.MAINTENANCE_INTERVAL)
