"""What is to be seen of a model: pictures with their numbers and sentences. Drawing them is `drawing`'s, which takes
its time to import.
"""

from .kinds import Diagnostic, DiagnosticKind, kinds, shape
from .shapes import Bars, Curve, Curves, Data, Matrix, Points, data_from_json

__all__ = [
    "Bars",
    "Curve",
    "Curves",
    "Data",
    "Diagnostic",
    "DiagnosticKind",
    "Matrix",
    "Points",
    "data_from_json",
    "kinds",
    "shape",
]
