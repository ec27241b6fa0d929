"""Data products: their declaration, typed columns, joins, checks, and the catalogue of those declared.

An app's `products.py` imports from here.
"""

from .features import Age, Before, Join, Latest, Recency, Trend
from .json_paths import Json
from .product import DataProduct

__all__ = ["Age", "Before", "DataProduct", "Join", "Json", "Latest", "Recency", "Trend"]
