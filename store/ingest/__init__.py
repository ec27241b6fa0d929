"""Load files into feature tables: stage as text, check and cast in SQL, upsert by key; all rows or none."""

from .loading import CannotLoad, LoadSummary, TooManyRejects, load
from .progress import Progress
from .tables import NoTable

__all__ = ["CannotLoad", "LoadSummary", "NoTable", "Progress", "TooManyRejects", "load"]
