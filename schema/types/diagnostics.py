"""Diagnostics of model versions: one type for each shape of data."""

from typing import TypeVar

import strawberry

from learning.diagnostics import Bars, Curves, Matrix, Points
from learning.diagnostics import Curve as CurveData
from store import models

from ..core.enums import DiagnosticKind
from .problems import Problem

S = TypeVar("S", Bars, Curves, Matrix, Points)


@strawberry.interface(
    description="A chart about a model version, as a picture, as numbers and as text. The type of the object says "
    "which numbers it has."
)
class Diagnostic:
    title: str = strawberry.field(description="The heading to show above the chart.")
    text: str = strawberry.field(description="The findings, as sentences to show to people.")

    @strawberry.field(description="The kind of the chart.")
    def kind(self: models.Diagnostic) -> DiagnosticKind:
        return DiagnosticKind(self.kind)

    @strawberry.field(
        description="The picture: a complete SVG document without scripts, which scales to its container. Null if it "
        "could not be drawn; then `problem` says why."
    )
    def svg(self: models.Diagnostic) -> str | None:
        return self.svg or None

    @strawberry.field(description="The reason why there is no picture; null if there is one.")
    def problem(self: models.Diagnostic) -> Problem | None:
        return Problem.find(self)

    @classmethod
    def resolve_type(cls, row: models.Diagnostic, *_: object) -> str:
        return TYPES[row.shape]

    @classmethod
    def is_type_of(cls, row: object, *_: object) -> bool:
        return True


@strawberry.type(description="A line through points.")
class Curve:
    name: str = strawberry.field(description="The line's name for the legend.")
    x: list[float] = strawberry.field(description="The points' horizontal coordinates.")
    y: list[float] = strawberry.field(description="The points' vertical coordinates, as many as `x`.")
    low: list[float] | None = strawberry.field(
        description="The lower edge of the band around `y`, as many values as `x`; null if it was not measured."
    )
    high: list[float] | None = strawberry.field(
        description="The upper edge of the band around `y`, as many values as `x`; null if it was not measured."
    )

    @classmethod
    def from_data(cls, curve: CurveData) -> "Curve":
        return cls(
            name=curve.name,
            x=list(curve.x),
            y=list(curve.y),
            low=list_or_none(curve.low),
            high=list_or_none(curve.high),
        )


def list_or_none(values: tuple[float, ...] | None) -> list[float] | None:
    """The numbers as a list; None stays None."""
    return None if values is None else list(values)


def data_of(row: models.Diagnostic, shape: type[S]) -> S | None:
    """The numbers of a diagnostic of this shape; None if there is no picture."""
    data = row.parsed_data
    return data if isinstance(data, shape) else None


@strawberry.type(
    description="A chart of lines over one pair of axes. Its lists are empty if there is no picture."
)
class CurveDiagnostic(Diagnostic):
    @strawberry.field(description="The label of the horizontal axis.")
    def x_title(self: models.Diagnostic) -> str:
        return data.x_title if (data := data_of(self, Curves)) else ""

    @strawberry.field(description="The label of the vertical axis.")
    def y_title(self: models.Diagnostic) -> str:
        return data.y_title if (data := data_of(self, Curves)) else ""

    @strawberry.field(description="The lines.")
    def curves(self: models.Diagnostic) -> list[Curve]:
        return list(map(Curve.from_data, data.curves)) if (data := data_of(self, Curves)) else []


@strawberry.type(
    description="A chart of bars, one for each name. Its lists are empty if there is no picture."
)
class BarsDiagnostic(Diagnostic):
    @strawberry.field(description="The bars' names.")
    def names(self: models.Diagnostic) -> list[str]:
        return list(data.names) if (data := data_of(self, Bars)) else []

    @strawberry.field(description="The bars' values, as many as `names`; null where a value is undefined.")
    def values(self: models.Diagnostic) -> list[float | None]:
        return list(data.values) if (data := data_of(self, Bars)) else []

    @strawberry.field(
        description="The lower ends of the error bars, as many as `names`; null if they were not measured."
    )
    def low(self: models.Diagnostic) -> list[float] | None:
        return list_or_none(data.low) if (data := data_of(self, Bars)) else None

    @strawberry.field(
        description="The upper ends of the error bars, as many as `names`; null if they were not measured."
    )
    def high(self: models.Diagnostic) -> list[float] | None:
        return list_or_none(data.high) if (data := data_of(self, Bars)) else None


@strawberry.type(
    description="A chart of points: instances, or groups of them. Its lists are empty if there is no picture."
)
class PointsDiagnostic(Diagnostic):
    @strawberry.field(description="The label of the horizontal axis.")
    def x_title(self: models.Diagnostic) -> str:
        return data.x_title if (data := data_of(self, Points)) else ""

    @strawberry.field(description="The label of the vertical axis.")
    def y_title(self: models.Diagnostic) -> str:
        return data.y_title if (data := data_of(self, Points)) else ""

    @strawberry.field(description="The points' horizontal coordinates.")
    def x(self: models.Diagnostic) -> list[float]:
        return list(data.x) if (data := data_of(self, Points)) else []

    @strawberry.field(description="The points' vertical coordinates, as many as `x`.")
    def y(self: models.Diagnostic) -> list[float]:
        return list(data.y) if (data := data_of(self, Points)) else []

    @strawberry.field(
        description="The points' groups, as many as `x`: colour the points by them. Null if all are of one group."
    )
    def groups(self: models.Diagnostic) -> list[str] | None:
        data = data_of(self, Points)
        return None if data is None or data.groups is None else list(data.groups)


@strawberry.type(
    description="A chart of a number for each pair of a row and a column. Its lists are empty if there is no picture."
)
class MatrixDiagnostic(Diagnostic):
    @strawberry.field(description="The rows' names.")
    def rows(self: models.Diagnostic) -> list[str]:
        return list(data.rows) if (data := data_of(self, Matrix)) else []

    @strawberry.field(description="The columns' names.")
    def columns(self: models.Diagnostic) -> list[str]:
        return list(data.columns) if (data := data_of(self, Matrix)) else []

    @strawberry.field(
        description="The numbers: for each of `rows` a list as long as `columns`; null where a number is undefined."
    )
    def values(self: models.Diagnostic) -> list[list[float | None]]:
        return list(map(list, data.values)) if (data := data_of(self, Matrix)) else []


#: Names of the types by the names of the shapes.
TYPES = {
    Curves.__name__: CurveDiagnostic.__name__,
    Bars.__name__: BarsDiagnostic.__name__,
    Points.__name__: PointsDiagnostic.__name__,
    Matrix.__name__: MatrixDiagnostic.__name__,
}
SHAPES = [CurveDiagnostic, BarsDiagnostic, PointsDiagnostic, MatrixDiagnostic]
