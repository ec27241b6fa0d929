"""Data products: their declaration, typed columns, joins, checks, and the catalogue of those declared.

An app's `products.py` imports from here.
"""

from .features import Age, Before, Category, Join, Latest, Recency, Trend
from .form_fields import FormField
from .indicators import Choices
from .json_paths import Json
from .product import DataProduct

__all__ = [
    "Age",
    "Before",
    "Category",
    "Choices",
    "DataProduct",
    "FormField",
    "Join",
    "Json",
    "Latest",
    "Recency",
    "Trend",
]
