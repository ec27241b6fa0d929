"""Runtimes of other libraries, kept as bytes: what they hold in memory cannot be pickled."""

import zlib
from typing import Any

import numpy as np
import onnxruntime
import treelite

from .numbers import Floats

#: Compiled trees are as good as this fast, and a quarter as large.
_LEVEL = 1


class Session:
    """onnxruntime on one thread: from "X" to "Y"; several threads may ask at once."""

    def __init__(self, model: bytes):
        self._packed = zlib.compress(model, _LEVEL)
        self._start(model)

    def __getstate__(self) -> bytes:
        return self._packed

    def __setstate__(self, packed: bytes) -> None:
        self._packed = packed
        self._start(zlib.decompress(packed))

    def _start(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, X: Floats) -> Floats:
        (told,) = self._session.run(["Y"], {"X": X})
        return told.astype(np.float64)  # type: ignore[no-any-return]


class Trees:
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


def narrowed(X: Floats) -> Floats:
    """As forests see numbers: rounded to float32."""
    return X.astype(np.float32).astype(np.float64)
