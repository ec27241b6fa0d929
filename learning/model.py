"""Model: a fitted estimator with the signature that it expects; serialised it is an artifact."""

import hashlib
import json
import pickle
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NotRequired, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from .columns import Column, Kind, Row, frame
from .estimators import ensemble
from .estimators.families import LIBRARIES, Candidate
from .estimators.families.family import Hyperparameters
from .evaluation.calibrate import Calibration
from .evaluation.intervals import Intervals
from .exceptions import NotAModel, NotFinite
from .inference.compiled import CompiledModel, ModelOutput
from .inference.libraries import pickle_with_packages, serving_versions, versions
from .inference.native import estimator_lock, native_output
from .problem import Problem, problem_type


class ColumnJSON(TypedDict):
    """A column in JSON's own types."""

    name: str
    kind: str
    nullable: bool
    choices: list[str]
    most: NotRequired[int | None]


class SignatureJSON(TypedDict):
    """A signature in JSON's own types."""

    task: str
    columns: list[ColumnJSON]
    classes: list[str]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Input columns and classes of a model, or those that a product declares."""

    task: str
    columns: tuple[Column, ...]
    #: In the order of the probabilities; empty unless the task is classification.
    classes: tuple[str, ...] = ()

    @property
    def problem_type(self) -> type[Problem]:
        return problem_type(self.task)

    @property
    def digest(self) -> str:
        """SHA-256 of the signature as canonical JSON, in hexadecimal."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def obstacles(self, declared: "Signature") -> Iterator[str]:
        """Yield why a model with this signature cannot serve a declaration, as parts of a sentence.

        A declaration may be wider or narrower than what was learned: a choice that is new is an unseen value, a null
        that is new is a missing one, a feature that is new is ignored, and the order of both does not matter. Only
        what the model needs, and what it may answer, must still be there.
        """
        if self.task != declared.task:
            yield f"it solves a {self.task.lower()}, and a {declared.task.lower()} is declared"
        columns = {column.name: column for column in declared.columns}
        for learned in self.columns:
            column = columns.get(learned.name)
            if column is None:
                yield f"its feature {learned.name} is no longer declared"
            elif not learned.kind.can_read(column.kind):
                yield f"its feature {learned.name} is {learned.kind}, and {column.kind} is declared"
        for label in self.classes:
            if label not in declared.classes:
                yield f"its class {label!r} is no longer declared"

    def novelties(self, declared: "Signature") -> Iterator[str]:
        """Yield what the declaration has that a model with this signature never saw, as parts of a sentence."""
        learned_columns = {column.name: column for column in self.columns}
        for column in declared.columns:
            learned = learned_columns.get(column.name)
            if learned is None:
                yield f"the feature {column.name} is ignored"
                continue
            if new := [choice for choice in column.choices if choice not in learned.choices]:
                yield f"{', '.join(new)} of {column.name} is an unseen value"
            if column.nullable and not learned.nullable:
                yield f"null of {column.name} is a missing value"

    def as_json(self) -> SignatureJSON:
        """Convert to JSON's own types; `from_json` is the inverse."""
        columns = [
            ColumnJSON(name=c.name, kind=str(c.kind), nullable=c.nullable, choices=list(c.choices))
            for c in self.columns
        ]
        for column, encoded in zip(self.columns, columns, strict=True):
            if column.most is not None:
                encoded["most"] = column.most
        return {"task": self.task, "columns": columns, "classes": list(self.classes)}

    @classmethod
    def from_json(cls, data: SignatureJSON) -> Self:
        """Convert from `as_json`'s form."""
        columns = tuple(
            Column(
                name=column["name"],
                kind=Kind(column["kind"]),
                nullable=column["nullable"],
                choices=tuple(column["choices"]),
                most=column.get("most"),
            )
            for column in data["columns"]
        )
        return cls(task=data["task"], columns=columns, classes=tuple(data["classes"]))


class ClassAnswer(NamedTuple):
    """Prediction of a classifier for one instance. Answers are tuples, as serving makes thousands per second."""

    label: str
    #: Probability of the label.
    confidence: float
    #: In the order of the signature's classes; sums to 1.
    probabilities: tuple[float, ...]


class ValueAnswer(NamedTuple):
    """Prediction of a regressor for one instance, in the label's unit."""

    value: float


class ClusterAnswer(NamedTuple):
    """Prediction of a clustering for one instance."""

    #: −1 is noise.
    cluster: int
    #: Distance to each cluster's centre, in standardised features.
    distances: tuple[float, ...]


Answer = ClassAnswer | ValueAnswer | ClusterAnswer


@dataclass(frozen=True)
class Model:
    """A fitted estimator with everything that its predictions need. Thread-safe."""

    signature: Signature
    family: str
    hyperparameters: Hyperparameters
    #: A fitted scikit-learn pipeline that takes the frames of `columns.frame`; None if it was not loaded, because the
    #: compiled form serves.
    estimator: Any
    #: Calibration of a classifier's probabilities; None if calibrating them gains nothing.
    calibration: Calibration | None = None
    #: Prediction intervals of a regressor.
    intervals: Intervals | None = None
    #: The compiled form, or the reason why there is none; None: the model was not compiled.
    compiled: CompiledModel | None = None
    #: Position of each of the signature's columns in the rows to predict; None: the rows have just these columns.
    positions: tuple[int, ...] | None = None

    def for_columns(self, names: Sequence[str]) -> "Model":
        """Return the model for rows with these columns, which include the signature's."""
        positions = tuple(names.index(column.name) for column in self.signature.columns)
        return self if positions == tuple(range(len(names))) else replace(self, positions=positions)

    def predict(self, rows: Sequence[Row]) -> list[Answer]:
        """Predict each row of Python values, in the order of `for_columns`, by default the signature's.

        Raises NotFinite if the estimator returns a number that is not finite.
        """
        return self.answers(self.arrays(rows)) if rows else []

    def arrays(self, rows: Sequence[Row]) -> ModelOutput:
        """Predict at least one row.

        Returns:
            `(n, classes)` probabilities, `(n,)` values, or `(n,)` clusters with `(n, clusters)` distances.

        Raises:
            NotFinite: As in `predict`.
        """
        if self.positions is not None:
            rows = [[row[position] for position in self.positions] for row in rows]
        if self.compiled is not None and self.compiled.form is not None:
            return _check_finite(self.calibrate(self.compiled.form.arrays(rows)))
        X = frame(self.signature.columns, rows)
        with estimator_lock:
            output = native_output(self.estimator, X, self.signature.task)
        return _check_finite(self.calibrate(output))

    def answers(self, output: ModelOutput) -> list[Answer]:
        """Convert the output of `arrays` to one answer per row."""
        if isinstance(output, tuple):
            clusters, distances = (each.tolist() for each in output)
            return [ClusterAnswer(c, tuple(d)) for c, d in zip(clusters, distances, strict=True)]
        if self.signature.problem_type.has_values:
            return [ValueAnswer(value) for value in output.tolist()]
        return self._class_answers(output)

    def calibrate(self, output: ModelOutput) -> ModelOutput:
        """Apply the calibration, if there is one, to an estimator's output."""
        if self.calibration is None or isinstance(output, tuple):
            return output
        return self.calibration.apply(output)

    @property
    def libraries(self) -> dict[str, str]:
        """Versions of Python and of the libraries whose objects the model holds."""
        recipe = Candidate(self.family, self.hyperparameters)
        families = {member.family for member in ensemble.members(recipe)}
        runtimes = self.compiled.libraries if self.compiled is not None else ()
        return versions([*(library for library in LIBRARIES if library in families), *runtimes])

    def dumps(self) -> bytes:
        """Serialise the model for `loads`. Loading executes code: sign the bytes, and verify them before loading.

        The parts are the length of the second part; the pickled model, without the estimator if the compiled form
        does not need it; the pickled estimator. So a serving process need not load the estimator.
        """
        model = replace(self, estimator=None) if self.serves_alone else self
        return self._join(pickle.dumps(model, protocol=5))

    def pack(self) -> "Artifact":
        """Serialise the model as `dumps` does, and find out what it needs to serve, which takes longer."""
        if not self.serves_alone:
            return Artifact(self.dumps(), self.libraries, self.libraries)
        model, packages = pickle_with_packages(replace(self, estimator=None))
        assert self.compiled is not None
        serving = serving_versions({*packages, *self.compiled.libraries})
        return Artifact(self._join(model), self.libraries, serving)

    def _join(self, model: bytes) -> bytes:
        estimator = pickle.dumps(self.estimator, protocol=5) if self.serves_alone else b""
        return _LENGTH.pack(len(model)) + model + estimator

    @property
    def serves_alone(self) -> bool:
        """True if the compiled form serves without the estimator, which only one thread at a time may use."""
        compiled = self.compiled
        return compiled is not None and compiled.form is not None and not compiled.holds_estimator

    def _class_answers(self, probabilities: NDArray[np.float64]) -> list[Answer]:
        best = probabilities.argmax(axis=1).tolist()
        return [
            ClassAnswer(self.signature.classes[code], row[code], tuple(row))
            for code, row in zip(best, probabilities.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class Artifact:
    """A serialised model, and the versions of the libraries that it depends on."""

    content: bytes
    #: Of Python and the libraries that load all of it.
    versions: dict[str, str]
    #: Of the libraries that load and run the part that serves.
    serving: dict[str, str]


#: Format of the length of an artifact's model part.
_LENGTH = struct.Struct(">Q")


def loads(artifact: bytes | bytearray, *, with_estimator: bool = True) -> Model:
    """Load a model from the bytes of `Model.dumps`. Unpickles them: the caller has verified their origin.

    Args:
        with_estimator: False leaves the estimator out if the compiled form serves without it.

    Raises:
        NotAModel: The bytes are no artifact.
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
    if with_estimator and length < len(parts):
        return replace(model, estimator=pickle.loads(parts[length:]))
    return model


def _check_finite(output: ModelOutput) -> ModelOutput:
    """Return the output. Raises NotFinite if a number is not finite."""
    numbers = output[1] if isinstance(output, tuple) else output
    if not np.isfinite(numbers).all():
        raise NotFinite
    return output
