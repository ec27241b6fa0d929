"""What a web process does beside answering: follow promotions, and look after jobs that nobody runs."""

import asyncio
import logging
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError

from ..db import threads
from ..jobs import events, jobs
from ..serving import champions, dispatcher
from . import maintenance

log = logging.getLogger(__name__)

_tasks: set["asyncio.Task[None]"] = set()
#: Models are loaded on one thread: what loading takes for a moment, the allocator keeps for each thread that did it.
_loading = ThreadPoolExecutor(1, thread_name_prefix="loading")


async def start() -> None:
    """Load the champions, then listen for others. Raises what the database raises: without it nothing can serve."""
    await threads.run_on(_loading, champions.load)
    log.info("%s", champions.summary())
    await dispatcher.start()
    events.hub.listen(_on_event)
    await events.hub.start()
    _keep(asyncio.create_task(_look_for_ever(), name="look"))


async def stop() -> None:
    await events.hub.stop()
    for task in list(_tasks):
        task.cancel()
    await asyncio.gather(*_tasks, return_exceptions=True)
    await dispatcher.stop()


def _keep(task: "asyncio.Task[None]") -> None:
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def _on_event(event: events.Event) -> None:
    if event["kind"] == "promotion":
        _keep(asyncio.create_task(_look(threads.run_on(_loading, champions.refresh)), name="refresh"))


async def _look_for_ever() -> None:
    while True:
        await asyncio.sleep(jobs.MAINTENANCE_INTERVAL)
        await _look(threads.run_on(_loading, champions.refresh))
        await _look(threads.run(maintenance.tick))


async def _look(looking: Awaitable[None]) -> None:
    try:
        await looking
    except (DatabaseError, InterfaceError) as error:
        log.warning("PostgreSQL cannot be reached: %s", str(error).strip())
    except Exception:  # or nobody would look any more
        log.exception(
            "What was to be looked at every %g s was not; the next look tries again.",
            jobs.MAINTENANCE_INTERVAL,
        )
