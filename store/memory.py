"""Memory: what the garbage collector need not look at, and what was freed, given back to the system."""

import ctypes
import gc
import sys


def _trim() -> "ctypes._NamedFuncPointer | None":
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none, and needs none


_malloc_trim = _trim()


def settle() -> None:
    """Have the garbage collector leave alone what is there for good, and look less often at what work makes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def give_back() -> None:
    """Give back what glibc keeps for each thread that freed it: with every loaded model it would be more."""
    if _malloc_trim:
        _malloc_trim(0)
