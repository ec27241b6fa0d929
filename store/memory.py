"""Memory: what this process has freed, given back to the system."""

import ctypes
import sys


def _trim() -> "ctypes._NamedFuncPointer | None":
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none, and needs none


_malloc_trim = _trim()


def give_back() -> None:
    """Give back what glibc keeps for each thread that freed it: with every loaded model it would be more."""
    if _malloc_trim:
        _malloc_trim(0)
