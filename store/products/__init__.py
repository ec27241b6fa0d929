"""Data products: their declaration, typed columns, joins, checks, and the catalogue of those declared.

An app's `products.py` imports from here.
"""

from .features import Before, Join, Latest
from .product import DataProduct

__all__ = ["Before", "DataProduct", "Join", "Latest"]
