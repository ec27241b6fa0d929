"""Diagnostics: one type for each shape of data, over the rows that hold picture, numbers and sentences."""

from typing import Any

import strawberry

from learning.diagnostics import Curve as Line
from learning.diagnostics import DiagnosticKind

from .problems import Problem

DiagnosticKind = strawberry.enum(DiagnosticKind, name="DiagnosticKind", description="What is looked at.")


@strawberry.interface(
    description="A look at a version. `text` says what is to be seen; `problem` why there is no picture."
)
class Diagnostic:
    title: str
    text: str = strawberry.field(description="What is to be seen, as sentences.")

    @strawberry.field
    def kind(self: Any) -> DiagnosticKind:
        return DiagnosticKind(self.kind)

    @strawberry.field(description="A whole SVG document, without scripts and without a size.")
    def svg(self: Any) -> str | None:
        return self.svg or None

    @strawberry.field
    def problem(self) -> Problem | None:
        return Problem.of(self)

    @classmethod
    def resolve_type(cls, row: Any, *_: Any) -> str:
        return NAMES[row.shape]

    @classmethod
    def is_type_of(cls, row: Any, *_: Any) -> bool:
        return True


@strawberry.type(
    description="A line through points, with `low` and `high` around them where they were measured."
)
class Curve:
    name: str
    x: list[float]
    y: list[float]
    low: list[float] | None
    high: list[float] | None

    @classmethod
    def of(cls, line: Line) -> "Curve":
        return cls(name=line.name, x=line.x, y=line.y, low=line.low, high=line.high)


@strawberry.type(description="Lines over one pair of axes; empty where there is no picture.")
class CurveDiagnostic(Diagnostic):
    @strawberry.field
    def x_title(self: Any) -> str:
        return self.shown.x_title if self.shown else ""

    @strawberry.field
    def y_title(self: Any) -> str:
        return self.shown.y_title if self.shown else ""

    @strawberry.field
    def curves(self: Any) -> list[Curve]:
        return [Curve.of(line) for line in self.shown.curves] if self.shown else []


@strawberry.type(description="A number for each of several names; empty where there is no picture.")
class BarsDiagnostic(Diagnostic):
    @strawberry.field
    def names(self: Any) -> list[str]:
        return self.shown.names if self.shown else []

    @strawberry.field
    def values(self: Any) -> list[float | None]:
        return self.shown.values if self.shown else []

    @strawberry.field
    def low(self: Any) -> list[float] | None:
        return self.shown and self.shown.low

    @strawberry.field
    def high(self: Any) -> list[float] | None:
        return self.shown and self.shown.high


@strawberry.type(description="Instances, or groups of them, in a plane; empty where there is no picture.")
class PointsDiagnostic(Diagnostic):
    @strawberry.field
    def x_title(self: Any) -> str:
        return self.shown.x_title if self.shown else ""

    @strawberry.field
    def y_title(self: Any) -> str:
        return self.shown.y_title if self.shown else ""

    @strawberry.field
    def x(self: Any) -> list[float]:
        return self.shown.x if self.shown else []

    @strawberry.field
    def y(self: Any) -> list[float]:
        return self.shown.y if self.shown else []

    @strawberry.field(description="What each point belongs to, or is.")
    def groups(self: Any) -> list[str] | None:
        return self.shown and self.shown.groups


@strawberry.type(description="A number for each pair of a row and a column; empty where there is no picture.")
class MatrixDiagnostic(Diagnostic):
    @strawberry.field
    def rows(self: Any) -> list[str]:
        return self.shown.rows if self.shown else []

    @strawberry.field
    def columns(self: Any) -> list[str]:
        return self.shown.columns if self.shown else []

    @strawberry.field(description="By row; null where there is no such number.")
    def values(self: Any) -> list[list[float | None]]:
        return self.shown.values if self.shown else []


#: By the shapes' names.
NAMES = {
    "Curves": CurveDiagnostic.__name__,
    "Bars": BarsDiagnostic.__name__,
    "Points": PointsDiagnostic.__name__,
    "Matrix": MatrixDiagnostic.__name__,
}
SHAPES = [CurveDiagnostic, BarsDiagnostic, PointsDiagnostic, MatrixDiagnostic]
