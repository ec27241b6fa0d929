"""A declared product → its input, enum, output and feedback types, its query object, its mutations."""

from typing import Any

from store.products.product import DataProduct

from ..core import names
from .inputs import make_enums, make_inputs
from .mutations import make_mutations
from .outputs import make_outputs
from .queries import make_query
from .type_factory import ProductTypes

#: Behind the product's prefix, the types that a product may have beside the enums of its categories.
SUFFIXES = (
    "Label",
    "Features",
    "FeaturesPatch",
    "PredictInput",
    "EntityInput",
    "FeedbackInput",
    "PredictionFilter",
    "Instance",
    "Entity",
    "Feedback",
    "Probability",
    "Prediction",
    "Product",
    "FeedbackPayload",
    "EntityPayload",
)
#: Behind the product's name, the mutation fields that a product may have.
MUTATIONS = ("feedback", "feedback_many", "feedback_retract", "create", "replace", "patch", "upsert_many")


def make(product: DataProduct) -> tuple[ProductTypes, dict[str, Any]]:
    """The product's types, and its mutation fields by name."""
    t = ProductTypes(product, names.prefix(product.name))
    make_enums(t)
    make_inputs(t)
    make_outputs(t)
    make_query(t)
    return t, make_mutations(t)
