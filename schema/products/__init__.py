"""Types of declared products: inputs, enums, outputs, feedback, the product's object and its mutations."""

from store.products.product import DataProduct

from ..core import names
from .filters import make_filters
from .inputs import make_enums, make_inputs
from .mutations import Fields, make_mutations
from .outputs import make_outputs
from .predicting import PREDICTING, make_predicting
from .queries import make_query
from .type_factory import ProductTypes

#: Suffixes of the types that a product may have, without the enums of its categories.
SUFFIXES = (
    "Label",
    "Features",
    "FeaturesPatch",
    "PredictInput",
    "EntityInput",
    "CreateInput",
    "ReplaceInput",
    "PatchInput",
    "UpsertManyInput",
    "DeleteInput",
    "FeedbackInput",
    "LabelCondition",
    "FeatureFilter",
    "FeedbackManyInput",
    "FeedbackRetractInput",
    "PredictionFilter",
    "EntityFilter",
    "Instance",
    "Entity",
    "Feedback",
    "Probability",
    "WouldBe",
    "Prediction",
    "LabelCandidate",
    "Product",
    "FeedbackPayload",
    *(f"{names.prefix(suffix)}Input" for suffix in PREDICTING if suffix != "predict"),
    *(f"{names.prefix(suffix)}Payload" for suffix in PREDICTING),
    "FeedbackManyPayload",
    "FeedbackRetractPayload",
    "CreatePayload",
    "ReplacePayload",
    "PatchPayload",
    "UpsertManyPayload",
    "DeletePayload",
)
#: Suffixes of the mutation fields that a product may have.
MUTATIONS = (
    *PREDICTING,
    "feedback",
    "feedback_many",
    "feedback_retract",
    "create",
    "replace",
    "patch",
    "upsert_many",
    "delete",
)


def make(product: DataProduct) -> tuple[ProductTypes, Fields]:
    """Build the product's types, and its mutation fields by name."""
    t = ProductTypes(product, names.prefix(product.name))
    make_enums(t)
    make_inputs(t)
    make_filters(t)
    make_outputs(t)
    make_query(t)
    return t, make_predicting(t) | make_mutations(t)
