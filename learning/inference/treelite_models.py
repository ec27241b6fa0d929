"""Treelite runtime step, pickled as bytes because Treelite's model object cannot be pickled."""

import zlib

import numpy as np
import treelite

from .numeric import Floats

_COMPRESSION_LEVEL = 1


class TreeliteModel:
    """Predicts with Treelite's General Tree Inference Library on one thread."""

    def __init__(self, model: treelite.Model):
        self._model = model

    def __getstate__(self) -> bytes:
        return zlib.compress(self._model.serialize_bytes(), _COMPRESSION_LEVEL)

    def __setstate__(self, compressed: bytes) -> None:
        self._model = treelite.Model.deserialize_bytes(zlib.decompress(compressed))

    def __call__(self, X: Floats) -> Floats:
        output = treelite.gtil.predict(self._model, X, nthread=1)
        return np.asarray(output, dtype=np.float64).reshape(len(X), -1)
