"""Types of declared products: inputs, enums, outputs, feedback, the product's object and its mutations."""

from store.products.product import DataProduct

from ..core import names
from .inputs import make_enums, make_inputs
from .mutations import Fields, make_mutations
from .outputs import make_outputs
from .queries import make_query
from .type_factory import ProductTypes

#: Suffixes of the types that a product may have, without the enums of its categories.
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
#: Suffixes of the mutation fields that a product may have.
MUTATIONS = ("feedback", "feedback_many", "feedback_retract", "create", "replace", "patch", "upsert_many")


def make(product: DataProduct) -> tuple[ProductTypes, Fields]:
    """Build the product's types, and its mutation fields by name."""
    t = ProductTypes(product, names.prefix(product.name))
    make_enums(t)
    make_inputs(t)
    make_outputs(t)
    make_query(t)
    return t, make_mutations(t)
