"""The bounded thread pool for all work on rows; its threads keep their database connections."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")

pool = ThreadPoolExecutor(max_workers=settings.EXEMPLAR_THREADS, thread_name_prefix="rows")

#: Calls that run on the pool or wait for one of its threads; only the event loop counts them.
calls = 0


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` on this thread; close an unusable database connection before and after."""
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


async def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` on a thread of the pool and await its result."""
    global calls
    calls += 1
    try:
        return await run_on(pool, function, *args, **kwargs)
    finally:
        calls -= 1


async def run_on(executor: Executor, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` on a thread of `executor` and await its result."""
    # What is logged there names the request, as here.
    work = partial(contextvars.copy_context().run, partial(call, function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(executor, work)
