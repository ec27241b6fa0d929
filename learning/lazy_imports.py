"""Modules that are imported when they are first used."""

from importlib import import_module
from types import ModuleType


class LazyModule(ModuleType):
    """Stand-in for a module that is imported when one of its attributes is first read.

    For libraries and modules that take long to import and that most processes do not use. The name is bound at the
    top of the module that uses it; type checkers and the contracts on imports see the import itself:

        if TYPE_CHECKING:
            import pandas as pd
        else:
            pd = LazyModule("pandas")

    Python's import locks make the first read safe in threads; those of `importlib.util.LazyLoader` were not before
    Python 3.12. Every later read costs 0.1 µs more than one of the module itself.
    """

    def __getattr__(self, name: str) -> object:
        module = self.__dict__.get("_module")
        if module is None:
            self.__dict__["_module"] = module = import_module(self.__name__)
        return getattr(module, name)
