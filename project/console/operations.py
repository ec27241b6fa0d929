"""The operations of pages: each a file that is named as its operation is."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "documents"


@dataclass(frozen=True)
class Operation:
    """One operation of the API, as a document that any client could send."""

    name: str
    text: str

    @property
    def is_mutation(self) -> bool:
        """True if it changes something, so that it is not to be repeated to look at the page again."""
        return self.text.startswith("mutation")


@cache
def load(name: str) -> Operation:
    """Load an operation by its name. Raises FileNotFoundError."""
    return Operation(name, (FOLDER / f"{name}.graphql").read_text().strip())


def list_operations() -> list[Operation]:
    """List all operations, in the order of their names."""
    return [load(file.stem) for file in sorted(FOLDER.glob("*.graphql"))]
