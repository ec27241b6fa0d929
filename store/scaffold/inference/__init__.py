"""What a file's columns mean: types, values and gaps from one pass, and what becomes of each column."""

from .column import InferredColumn, InferredTable, Role
from .deciding import Wishes, understand
from .reading import Reading, read

__all__ = [
    "InferredColumn",
    "InferredTable",
    "Reading",
    "Role",
    "Wishes",
    "read",
    "understand",
]
