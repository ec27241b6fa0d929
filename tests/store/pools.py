"""Pools of threads that have worked on rows of the tests' database."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections

from tests.waiting import PATIENCE


def close_connections(pool: ThreadPoolExecutor) -> None:
    """Close the connections of all threads: the next test may have none, and the database is dropped in the end."""
    # All that there may be: a pool makes another thread while the others have not yet returned to it.
    threads = pool._max_workers
    together = Barrier(threads)

    def close() -> None:
        connections.close_all()
        together.wait(PATIENCE)  # so that no thread closes twice, and another one not at all

    for each in [pool.submit(close) for _ in range(threads)]:
        each.result()
