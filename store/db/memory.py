"""Memory: what the garbage collector need not look at, and what was freed, given back to the system."""

import ctypes
import gc
import sys


def _of_glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    """A function that other libraries for C do not have, and do not need."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


_malloc_trim, _mallopt = _of_glibc("malloc_trim"), _of_glibc("mallopt")
#: As malloc.h has it.
_M_ARENA_MAX = -8


def share_arenas() -> None:
    """Have all threads that come allocate from two arenas: each would keep what models that were switched out have
    freed.
    """
    if _mallopt:
        _mallopt(_M_ARENA_MAX, 2)


def freeze_heap() -> None:
    """Have the garbage collector leave alone what is there for good, and look less often at what work makes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def release_memory() -> None:
    """Give back what nobody refers to but itself, and what glibc keeps for each thread that freed it: with every loaded
    model it would be more.
    """
    gc.collect()  # a few milliseconds: what was there from the start is not looked at
    if _malloc_trim:
        _malloc_trim(0)
