"""A declared product → its input, enum, output and feedback types, its query object, its mutations."""

from typing import Any

from store.product import DataProduct

from .. import names
from .inputs import make_enums, make_inputs
from .making import Types
from .mutations import make_mutations
from .outputs import make_outputs
from .queries import make_query


def make(product: DataProduct) -> tuple[Types, dict[str, Any]]:
    """The product's types, and its mutation fields by name."""
    t = Types(product, names.prefix(product.name))
    make_enums(t)
    make_inputs(t)
    make_outputs(t)
    make_query(t)
    return t, make_mutations(t)
