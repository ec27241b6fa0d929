"""The data sets that come with scikit-learn, read from its files: to import the library takes two seconds."""

import csv
import gzip
from importlib.util import find_spec
from pathlib import Path


def read(name: str) -> list[list[float]]:
    """Read the rows of a file of `sklearn.datasets`, whose first line may be a header.

    Raises: OSError if scikit-learn is not installed or has no such file.
    """
    spec = find_spec("sklearn")  # which does not import it
    if spec is None or spec.origin is None:
        raise OSError("scikit-learn is not installed.")
    path = Path(spec.origin).parent / "datasets" / "data" / name
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [[float(cell) for cell in line.split()] for line in file]
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)  # the numbers of rows and columns, and the names of the classes
        return [[float(cell) for cell in row] for row in rows]
