"""The four shapes that a diagnostic's data can have, as JSON and back. Every number is finite, or None."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from ..exceptions import NotFinite


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line through points, and how far it is to be believed."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    #: Around `y`, of as many points; None where nobody measured.
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _check_finite(self.x, self.y, self.low or (), self.high or ())
        _check_lengths(self.x, self.y, self.low, self.high)


class _Stored:
    """What all shapes have in common."""

    def as_json(self) -> dict[str, Any]:
        """What `data_from_json` reads: only lists, dicts, texts, numbers and None."""
        plain: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        return {name: _listed(value) for name, value in plain.items()}


@dataclass(frozen=True, kw_only=True)
class Curves(_Stored):
    """Lines over one pair of axes."""

    x_title: str
    y_title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, kw_only=True)
class Bars(_Stored):
    """A number for each of several names."""

    names: tuple[str, ...]
    #: None where there is no such number.
    values: tuple[float | None, ...]
    #: Around the values.
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _check_finite(self.values, self.low or (), self.high or ())
        _check_lengths(self.names, self.values, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Points(_Stored):
    """Single instances, or groups of them, in a plane."""

    x_title: str
    y_title: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    #: What each point belongs to, or is; None where all are alike.
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check_finite(self.x, self.y)
        _check_lengths(self.x, self.y, self.groups)


@dataclass(frozen=True, kw_only=True)
class Matrix(_Stored):
    """A number for each pair of a row and a column."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    #: By row; None where there is no such number.
    values: tuple[tuple[float | None, ...], ...]

    def __post_init__(self) -> None:
        _check_finite(*self.values)
        _check_lengths(self.rows, self.values)
        _check_lengths(self.columns, *self.values)


Data = Curves | Bars | Points | Matrix
SHAPES: Mapping[str, type[Data]] = {shape.__name__: shape for shape in (Curves, Bars, Points, Matrix)}


def data_from_json(shape: str, stored: Mapping[str, Any]) -> Data:
    """The data that `as_json` of the shape of this name wrote."""
    fields = {name: _tupled(value) for name, value in stored.items()}
    if shape == Curves.__name__:
        fields["curves"] = tuple(Curve(**curve) for curve in fields["curves"])
    return SHAPES[shape](**fields)


def floats(values: Iterable[Any]) -> tuple[float, ...]:
    """Python's own, of an array's."""
    return tuple(map(float, values))


def known(values: Iterable[Any]) -> tuple[float | None, ...]:
    """As `floats`, with None for what is not a number."""
    return tuple(value if isfinite(value) else None for value in floats(values))


def _check_finite(*numbers: Iterable[float | None]) -> None:
    if not all(value is None or isfinite(value) for values in numbers for value in values):
        raise NotFinite("A number of this picture is not finite.")


def _check_lengths(first: Sequence[Any], *others: Sequence[Any] | None) -> None:
    if any(other is not None and len(other) != len(first) for other in others):
        raise ValueError("What belongs together differs in length.")


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _listed(each) for name, each in value.items()}
    return [_listed(each) for each in value] if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _tupled(each) for name, each in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list | tuple) else value
