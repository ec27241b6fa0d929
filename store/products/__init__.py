"""Data products: their declaration, typed columns, joins, checks, and the catalogue of those declared.

An app's `products.py` imports from here.
"""

from .features import Before, Join, Latest, Recency, Trend
from .product import DataProduct

__all__ = ["Before", "DataProduct", "Join", "Latest", "Recency", "Trend"]
