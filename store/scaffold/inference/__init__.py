"""Inference of columns: types, values and gaps from one pass over the rows, and the role of each column."""

from .column import InferredColumn, InferredTable, Role
from .column_statistics import FileStatistics, collect_statistics
from .options import ColumnOptions
from .roles import infer_table

__all__ = [
    "ColumnOptions",
    "FileStatistics",
    "InferredColumn",
    "InferredTable",
    "Role",
    "collect_statistics",
    "infer_table",
]
