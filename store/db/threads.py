"""The bounded pool on which every piece of rows work runs; its threads keep their database connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import close_old_connections

pool = ThreadPoolExecutor(max_workers=settings.EXEMPLAR_THREADS, thread_name_prefix="rows")


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call `function` on this thread, dropping a connection that has become unusable before and after."""
    close_old_connections()
    try:
        return function(*args)
    finally:
        close_old_connections()


async def run(function: Callable[..., Any], *args: Any, on: Executor | None = None) -> Any:
    """Run `function(*args)` on the pool, or on another, and await its result."""
    return await asyncio.get_running_loop().run_in_executor(on or pool, call, function, *args)
