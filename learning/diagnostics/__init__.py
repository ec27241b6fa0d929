"""Diagnostics of a model: charts with their data and a sentence about each.

This module has the kinds and data; `drawing` draws the charts, and takes a second or two to import.
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
