"""Open streams of this process, by transport; only the event loop counts them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

open_streams: Counter[str] = Counter(websocket=0, http=0)


@contextmanager
def opened(transport: str) -> Iterator[None]:
    """Count a stream as open while the block runs."""
    open_streams[transport] += 1
    try:
        yield
    finally:
        open_streams[transport] -= 1
