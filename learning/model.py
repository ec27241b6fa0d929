"""A model: a fitted pipeline, the signature it expects, and its answers. As bytes it is an artifact."""

import hashlib
import json
import pickle
import platform
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .columns import Column, Kind, frame
from .estimators import ensemble
from .estimators.families import LIBRARIES, Candidate
from .evaluation.calibrate import Calibration
from .evaluation.intervals import Intervals
from .exceptions import NotAModel, NotFinite
from .inference.compiled import CompiledModel, ModelOutput
from .inference.native import asking, native_output


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a model expects and answers with; a model serves a declaration only if their signatures are
    equal.
    """

    task: str
    columns: tuple[Column, ...]
    #: In the order of the answers' probabilities; empty unless it is a classification.
    classes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the signature as canonical JSON."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The signature in JSON's own types; `from_json` gives it back."""
        columns = [asdict(column) | {"choices": list(column.choices)} for column in self.columns]
        return {"task": self.task, "columns": columns, "classes": list(self.classes)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        columns = tuple(
            Column(
                name=column["name"],
                kind=Kind(column["kind"]),
                nullable=column["nullable"],
                choices=tuple(column["choices"]),
            )
            for column in data["columns"]
        )
        return cls(task=data["task"], columns=columns, classes=tuple(data["classes"]))


@dataclass(frozen=True)
class ClassAnswer:
    """The class an instance belongs to."""

    label: str
    #: The label's probability.
    confidence: float
    #: In the order of the signature's classes; they sum to 1.
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class ValueAnswer:
    """The number that belongs to an instance, in the label's unit."""

    value: float


@dataclass(frozen=True)
class ClusterAnswer:
    """The cluster an instance belongs to; −1 is noise."""

    cluster: int
    #: To each cluster's centre, in standardised features.
    distances: tuple[float, ...]


Answer = ClassAnswer | ValueAnswer | ClusterAnswer


@dataclass(frozen=True)
class Model:
    """A fitted estimator with what it needs to be asked. Several threads may ask it at once."""

    signature: Signature
    family: str
    #: In JSON's own types.
    hyperparameters: dict[str, Any]
    #: A fitted scikit-learn pipeline that takes what `dataset.frame` makes; None where it was left out, because the
    #: compiled form serves.
    estimator: Any
    #: Of a classifier's probabilities; None where they are as good as they are.
    calibration: Calibration | None = None
    #: Around a regressor's values.
    intervals: Intervals | None = None
    #: What serves instead of the estimator, or why that serves; None: nobody has compiled it.
    compiled: CompiledModel | None = None

    def predict(self, rows: Sequence[Sequence[Any]]) -> list[Answer]:
        """An answer for each row of Python values, in the signature's order of columns.

        Every number in an answer is finite; raises NotFinite where the estimator finds none.
        """
        return self.answers(self.arrays(rows)) if rows else []

    def arrays(self, rows: Sequence[Sequence[Any]]) -> ModelOutput:
        """What `predict` says of one row or more, as arrays: `(n, classes)` probabilities, `(n,)` values, or `(n,)`
        clusters with `(n, clusters)` distances. Raises NotFinite.
        """
        if self.compiled is not None and self.compiled.form is not None:
            return _finite(self.calibrated(self.compiled.form.arrays(rows)))
        X = frame(self.signature.columns, rows)
        with asking:
            said = native_output(self.estimator, X, self.signature.task)
        return _finite(self.calibrated(said))

    def answers(self, arrays: ModelOutput) -> list[Answer]:
        """What `arrays` gave, as an answer for each row."""
        if isinstance(arrays, tuple):
            clusters, distances = (each.tolist() for each in arrays)
            return [ClusterAnswer(c, tuple(d)) for c, d in zip(clusters, distances, strict=True)]
        if self.signature.task == "REGRESSION":
            return [ValueAnswer(value) for value in arrays.tolist()]
        return self._classes(arrays)

    def calibrated(self, said: ModelOutput) -> ModelOutput:
        """What an estimator says, as the model answers it."""
        if self.calibration is None or isinstance(said, tuple):
            return said
        return self.calibration.applied(said)

    @property
    def libraries(self) -> dict[str, str]:
        """The versions that it depends on."""
        recipe = Candidate(self.family, self.hyperparameters)
        made_of = {member.family for member in ensemble.members(recipe)}
        runtimes = self.compiled.libraries if self.compiled is not None else ()
        return versions([*(library for library in LIBRARIES if library in made_of), *runtimes])

    def dumps(self) -> bytes:
        """The model as bytes for `loads`. They can run code when loaded: sign them, and check before
        loading.

        Its parts stand one behind the other, so that who serves need not load the estimator: how long the first is;
        the model, without the estimator where the compiled form does without; the estimator.
        """
        apart = self.serves_alone
        model = pickle.dumps(replace(self, estimator=None) if apart else self, protocol=5)
        estimator = pickle.dumps(self.estimator, protocol=5) if apart else b""
        return _LENGTH.pack(len(model)) + model + estimator

    @property
    def serves_alone(self) -> bool:
        """Whether it answers without its estimator, which threads ask in turns."""
        compiled = self.compiled
        return compiled is not None and compiled.form is not None and not compiled.whole

    def _classes(self, probabilities: NDArray[np.float64]) -> list[Answer]:
        best = probabilities.argmax(axis=1).tolist()
        return [
            ClassAnswer(self.signature.classes[code], row[code], tuple(row))
            for code, row in zip(best, probabilities.tolist(), strict=True)
        ]


#: How the length of an artifact's first part is written.
_LENGTH = struct.Struct(">Q")


def loads(artifact: bytes | bytearray, *, whole: bool = True) -> Model:
    """The model that `Model.dumps` wrote; unless it is to be `whole`, without the estimator where it answers without.

    Unpickles: the caller has checked who wrote it. Raises NotAModel.
    """
    if len(artifact) < _LENGTH.size:
        raise NotAModel
    parts = memoryview(artifact)[_LENGTH.size :]
    (length,) = _LENGTH.unpack_from(artifact)
    if length > len(parts):
        raise NotAModel
    model = pickle.loads(parts[:length])
    if not isinstance(model, Model):
        raise NotAModel
    if whole and length < len(parts):
        return replace(model, estimator=pickle.loads(parts[length:]))
    return model


def versions(also: Iterable[str] = ()) -> dict[str, str]:
    """What an unpickled model depends on: Python's minor version and those of the libraries whose objects it holds,
    `also` these.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    names = dict.fromkeys(["scikit-learn", "numpy", "pandas", "scipy", *also])
    return {"python": python} | {name: _version(name) for name in names if name != "python"}


def _version(name: str) -> str:
    # XGBoost comes without support for graphics processors by another name.
    for distribution in (name, f"{name}-cpu"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "not installed"


def _finite(said: ModelOutput) -> ModelOutput:
    """Raises NotFinite unless every number is."""
    numbers = said[1] if isinstance(said, tuple) else said
    if not np.isfinite(numbers).all():
        raise NotFinite
    return said
