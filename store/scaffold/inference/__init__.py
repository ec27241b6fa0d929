"""What a file's columns mean: types, values and gaps from one pass, and what becomes of each column."""

from .column import Column, Role, Table, Type
from .deciding import Wishes, understand
from .reading import Reading, read

__all__ = ["Column", "Reading", "Role", "Table", "Type", "Wishes", "read", "understand"]
