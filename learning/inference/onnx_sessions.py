"""onnxruntime, kept as bytes: what it holds in memory cannot be pickled."""

import zlib

import numpy as np
import onnxruntime

from .numeric import Floats

#: zlib's fastest: what takes most of the bytes, nodes' numbers, is as small as with the slowest.
_LEVEL = 1


class OnnxSession:
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


def narrowed(X: Floats) -> Floats:
    """As forests see numbers: rounded to float32."""
    return X.astype(np.float32).astype(np.float64)
