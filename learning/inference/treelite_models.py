"""Treelite's inference library, kept as bytes: what it holds in memory cannot be pickled."""

import zlib
from typing import Any

import numpy as np
import treelite

from .numeric import Floats

_LEVEL = 1


class TreeliteModel:
    """Treelite's General Tree Inference Library on one thread."""

    def __init__(self, model: Any):
        self._model = model

    def __getstate__(self) -> bytes:
        return zlib.compress(self._model.serialize_bytes(), _LEVEL)

    def __setstate__(self, packed: bytes) -> None:
        self._model = treelite.Model.deserialize_bytes(zlib.decompress(packed))

    def __call__(self, X: Floats) -> Floats:
        told = treelite.gtil.predict(self._model, X, nthread=1)
        return np.asarray(told, dtype=np.float64).reshape(len(X), -1)
