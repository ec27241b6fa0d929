"""Releases of libraries: those that a model was written with, and whether those that are installed can read it."""

import pickle
import platform
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any

from ..estimators.families import LIBRARIES

#: Distributions of the packages whose objects a compiled form may hold, where the names differ.
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
#: Libraries that compute from data of a stable format: arrays, ONNX, Treelite's own. Every release of the same major
#: version reads it.
_STABLE_FORMATS = ("numpy", "onnxruntime", "treelite")
#: Libraries whose objects are pickled as they are: only the release that wrote them is sure to read them.
_PICKLED = ("scikit-learn", "scipy", "pandas", *LIBRARIES)


def versions(more: Iterable[str] = ()) -> dict[str, str]:
    """Return Python's minor version and the versions of the libraries that every pipeline needs, and of `more`."""
    python = ".".join(platform.python_version_tuple()[:2])
    names = dict.fromkeys(["scikit-learn", "numpy", "pandas", "scipy", *more])
    return {"python": python} | {name: _version(name) for name in names if name != "python"}


def serving_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of NumPy, which every compiled form needs, and of the libraries among these packages."""
    names = {_DISTRIBUTIONS.get(package, package) for package in packages}
    return {name: _version(name) for name in sorted({"numpy", *names & {*_STABLE_FORMATS, *_PICKLED}})}


def changed_versions(recorded: Mapping[str, str]) -> list[str]:
    """List what `versions` recorded and is installed in another release, as "name old (now new)"."""
    installed = versions(recorded)
    changed = [name for name in installed if recorded.get(name) != installed[name]]
    return [f"{name} {recorded.get(name)} (now {installed[name]})" for name in changed]


def unreadable_versions(recorded: Mapping[str, str]) -> list[str]:
    """List what `serving_versions` recorded and the installed release cannot read, as "name old (now new)"."""
    installed = {name: _version(name) for name in recorded}
    changed = [name for name in recorded if not _can_read(name, recorded[name], installed[name])]
    return [f"{name} {recorded[name]} (now {installed[name]})" for name in changed]


def pickle_with_packages(value: object) -> tuple[bytes, set[str]]:
    """Pickle a value. Returns the bytes, and the packages whose objects, classes and functions are in them."""
    file = BytesIO()
    recorder = _PackageRecorder(file, protocol=5)
    recorder.dump(value)
    return file.getvalue(), recorder.packages


class _PackageRecorder(pickle.Pickler):
    """Pickler that records the packages of what it writes."""

    def __init__(self, file: BytesIO, protocol: int):
        super().__init__(file, protocol)
        self.packages: set[str] = set()

    def reducer_override(self, value: Any) -> Any:
        named = value if hasattr(value, "__qualname__") else type(value)
        self.packages.add(str(getattr(named, "__module__", "")).partition(".")[0])
        return NotImplemented


def _can_read(name: str, recorded: str, installed: str) -> bool:
    if name in _STABLE_FORMATS:
        return recorded.partition(".")[0] == installed.partition(".")[0]
    return recorded == installed


@lru_cache(maxsize=256)
def _version(name: str) -> str:
    # What is imported stays as it is while the process runs. Reading the metadata takes milliseconds each time.
    # The CPU-only distribution of XGBoost has the suffix.
    for distribution in (name, f"{name}-cpu"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "not installed"
