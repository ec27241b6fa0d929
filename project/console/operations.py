"""The operations of pages: each a file that is named as its operation is, and so are fragments that several share."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from schema.graphiql_queries import prune

FOLDER = Path(__file__).parent / "documents"
#: Operations of a product's own types: `<Type>` and `<field>` stand where its names do.
OF_PRODUCT = FOLDER / "of_product"
FRAGMENTS = FOLDER / "fragments"


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
    text = (FOLDER / f"{name}.graphql").read_text().strip()
    shared = (
        FRAGMENTS / f"{fragment}.graphql" for fragment in dict.fromkeys(re.findall(r"\.\.\.([A-Z]\w*)", text))
    )
    return Operation(
        name, "\n\n".join([text, *(file.read_text().strip() for file in shared if file.exists())])
    )


def list_operations() -> list[Operation]:
    """List all operations, in the order of their names."""
    return [load(file.stem) for file in sorted(FOLDER.glob("*.graphql"))]


@cache
def compose(name: str, prefix: str) -> Operation:
    """Compose an operation of the types with this prefix, without the fields that the product does not have.

    Raises FileNotFoundError.
    """
    text = (OF_PRODUCT / f"{name}.graphql").read_text().strip()
    named = text.replace("<Type>", prefix).replace("<field>", prefix[:1].lower() + prefix[1:])
    return Operation(name, prune(named))


def list_composed(prefix: str) -> list[Operation]:
    """List all operations of the types with this prefix, in the order of their names."""
    return [compose(file.stem, prefix) for file in sorted(OF_PRODUCT.glob("*.graphql"))]
