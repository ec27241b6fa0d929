"""Process memory: what the garbage collector skips, and freed memory that returns to the system."""

import ctypes
import gc
import sys


def _glibc_function(name: str) -> "ctypes._NamedFuncPointer | None":
    """Find a function that only glibc has; None elsewhere, where it is not needed."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


_malloc_trim, _mallopt = _glibc_function("malloc_trim"), _glibc_function("mallopt")
#: The option's number in malloc.h.
_M_ARENA_MAX = -8


def limit_arenas() -> None:
    """Make all threads that start later allocate from two arenas.

    With an arena each, every thread would keep the memory of models that were switched out.
    """
    if _mallopt:
        _mallopt(_M_ARENA_MAX, 2)


def freeze_heap() -> None:
    """Exclude all present objects from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def release_memory() -> None:
    """Collect garbage and call malloc_trim, so that replaced models do not add up."""
    gc.collect()  # a few milliseconds, since the frozen objects are skipped
    if _malloc_trim:
        _malloc_trim(0)
