"""A model: a fitted pipeline, the signature it expects, and its answers. As bytes it is an artifact."""

import hashlib
import json
import pickle
import platform
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from . import ensemble
from .calibrate import Calibration
from .columns import Column, Kind, frame
from .exceptions import NotAModel, NotFinite
from .families import Candidate, boosters
from .intervals import Intervals


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


#: Held while an estimator computes: forests reset the process's warning filters for a moment, and another thread that
#: meets them reset warns for each of its trees. Python's own lock lets only one compute at a time anyway.
_asking = threading.Lock()


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
    #: A fitted scikit-learn pipeline that takes what `dataset.frame` makes.
    estimator: Any
    #: Of a classifier's probabilities; None where they are as good as they are.
    calibration: Calibration | None = None
    #: Around a regressor's values.
    intervals: Intervals | None = None

    def predict(self, rows: Sequence[Sequence[Any]]) -> list[Answer]:
        """An answer for each row of Python values, in the signature's order of columns.

        Every number in an answer is finite; raises NotFinite where the estimator finds none.
        """
        if not rows:
            return []
        X = frame(self.signature.columns, rows)
        with _asking:
            return self._answers(X)

    def _answers(self, X: DataFrame) -> list[Answer]:
        match self.signature.task:
            case "CLASSIFICATION":
                told = _finite(self.estimator.predict_proba(X))
                return self._classes(self.calibration.applied(told) if self.calibration else told)
            case "REGRESSION":
                return [ValueAnswer(value) for value in _finite(self.estimator.predict(X)).tolist()]
            case _:
                distances = _finite(self.estimator.transform(X)).tolist()
                clusters = self.estimator.predict(X).tolist()
                return [ClusterAnswer(int(c), tuple(d)) for c, d in zip(clusters, distances, strict=True)]

    @property
    def libraries(self) -> dict[str, str]:
        """The versions that it depends on."""
        recipe = Candidate(self.family, self.hyperparameters)
        made_of = {member.family for member in ensemble.members(recipe)}
        return versions(library for library in boosters.LIBRARIES if library in made_of)

    def dumps(self) -> bytes:
        """The model as bytes for `loads`. They can run code when loaded: sign them, and check before
        loading.
        """
        return pickle.dumps(self, protocol=5)

    def _classes(self, probabilities: NDArray[np.float64]) -> list[Answer]:
        best = probabilities.argmax(axis=1).tolist()
        return [
            ClassAnswer(self.signature.classes[code], row[code], tuple(row))
            for code, row in zip(best, probabilities.tolist(), strict=True)
        ]


def loads(artifact: bytes) -> Model:
    """The model that `Model.dumps` wrote. Unpickles: the caller has checked who wrote it. Raises
    NotAModel.
    """
    model = pickle.loads(artifact)
    if not isinstance(model, Model):
        raise NotAModel
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


def _finite(values: Any) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise NotFinite
    return array
