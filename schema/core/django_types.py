"""strawberry_django, imported without a search for the C libraries of GeoDjango.

The search runs a compiler and the linker, 0.6 s of each start. An app that uses GeoDjango has loaded the libraries with
its models before this module is imported; nothing else needs them.
"""

import ctypes.util

_find_library = ctypes.util.find_library
ctypes.util.find_library = lambda name: None
try:
    import strawberry_django
finally:
    ctypes.util.find_library = _find_library

__all__ = ["strawberry_django"]
