"""Mutations of a product, all at the root, where GraphQL executes them one by one."""

from . import feedback_mutations, row_mutations
from .outputs import Fields
from .type_factory import ProductTypes


def make_mutations(t: ProductTypes) -> Fields:
    """Build the product's mutation fields by name."""
    name = t.product.name
    fields = {f"{name}_{suffix}": field for suffix, field in row_mutations.make(t).items()}
    if t.product.learns_from_labels:
        fields |= {f"{name}_{suffix}": field for suffix, field in feedback_mutations.make(t).items()}
    return fields
