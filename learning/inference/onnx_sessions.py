"""onnxruntime step, pickled as bytes because onnxruntime's session cannot be pickled."""

import zlib

import numpy as np
import onnxruntime

from .numeric import Floats

#: zlib's fastest level: the node numbers, which are most of the bytes, get no smaller with the slowest.
_COMPRESSION_LEVEL = 1


class OnnxSession:
    """Runs an ONNX model from "X" to "Y" on one thread. Thread-safe."""

    def __init__(self, model: bytes):
        self._compressed = zlib.compress(model, _COMPRESSION_LEVEL)
        self._start(model)

    def __getstate__(self) -> bytes:
        return self._compressed

    def __setstate__(self, compressed: bytes) -> None:
        self._compressed = compressed
        self._start(zlib.decompress(compressed))

    def _start(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, X: Floats) -> Floats:
        (output,) = self._session.run(["Y"], {"X": X})
        return output.astype(np.float64)  # type: ignore[no-any-return]


def round_to_float32(X: Floats) -> Floats:
    """Round to float32 precision, as scikit-learn's forests do."""
    return X.astype(np.float32).astype(np.float64)
