"""Data of diagnostics in four shapes, and their conversion from and to JSON. Every number is finite or None."""

from collections.abc import Iterable, Mapping, Sized
from dataclasses import asdict, dataclass
from math import isfinite
from typing import SupportsFloat

from ..exceptions import NotFinite
from ..json_types import JSONObject, JSONValue


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line through points, with an error band where it was measured."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    #: Bounds of the error band at each point; None without a band.
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _check_finite(self.x, self.y, self.low or (), self.high or ())
        _check_lengths(self.x, self.y, self.low, self.high)


class _JSONData:
    """Conversion to JSON that all shapes share."""

    def as_json(self) -> JSONObject:
        """Convert to JSON's own types; `data_from_json` is the inverse."""
        fields = asdict(self)  # type: ignore[call-overload]
        return {name: _tuples_to_lists(value) for name, value in fields.items()}


@dataclass(frozen=True, kw_only=True)
class Curves(_JSONData):
    """Curves over one pair of axes."""

    x_title: str
    y_title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, kw_only=True)
class Bars(_JSONData):
    """A number per name."""

    names: tuple[str, ...]
    #: None if the number is not defined.
    values: tuple[float | None, ...]
    #: Bounds of the error bars; None without error bars.
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _check_finite(self.values, self.low or (), self.high or ())
        _check_lengths(self.names, self.values, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Points(_JSONData):
    """Points in a plane: instances, or groups of them."""

    x_title: str
    y_title: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    #: Name of each point or of its group; None if points have no names.
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check_finite(self.x, self.y)
        _check_lengths(self.x, self.y, self.groups)


@dataclass(frozen=True, kw_only=True)
class Matrix(_JSONData):
    """A number per row and column."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    #: Numbers by row; None if a number is not defined.
    values: tuple[tuple[float | None, ...], ...]

    def __post_init__(self) -> None:
        _check_finite(*self.values)
        _check_lengths(self.rows, self.values)
        _check_lengths(self.columns, *self.values)


Data = Curves | Bars | Points | Matrix
SHAPES: Mapping[str, type[Data]] = {shape.__name__: shape for shape in (Curves, Bars, Points, Matrix)}


def data_from_json(shape: str, stored: JSONObject) -> Data:
    """Convert from `as_json`'s form; `shape` is the name of the class."""
    fields = {name: _lists_to_tuples(value) for name, value in stored.items()}
    if shape == Curves.__name__:
        fields["curves"] = tuple(Curve(**curve) for curve in fields["curves"])  # type: ignore[attr-defined]
    return SHAPES[shape](**fields)  # type: ignore[arg-type]


def floats(values: Iterable[SupportsFloat]) -> tuple[float, ...]:
    """Convert an array's numbers to Python floats."""
    return tuple(map(float, values))


def finite_or_none(values: Iterable[SupportsFloat]) -> tuple[float | None, ...]:
    """Convert an array's numbers to Python floats, and to None if they are not finite."""
    return tuple(value if isfinite(value) else None for value in floats(values))


def _check_finite(*numbers: Iterable[float | None]) -> None:
    if not all(value is None or isfinite(value) for values in numbers for value in values):
        raise NotFinite("A number of this chart is not finite.")


def _check_lengths(first: Sized, *others: Sized | None) -> None:
    if any(other is not None and len(other) != len(first) for other in others):
        raise ValueError("Parts of a chart's data differ in length.")


def _tuples_to_lists(value: object) -> JSONValue:
    if isinstance(value, dict):
        return {name: _tuples_to_lists(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_tuples_to_lists(each) for each in value]
    return value  # type: ignore[return-value]


def _lists_to_tuples(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _lists_to_tuples(each) for name, each in value.items()}
    return tuple(map(_lists_to_tuples, value)) if isinstance(value, list | tuple) else value
