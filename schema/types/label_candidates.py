"""The interface of what to label next, of all products."""

import strawberry

from store import models
from store.entities.entities import Entity as EntityRow
from store.serving.label_pool import LEVEL

from ..core import names
from .nodes import product_field, product_of, relation
from .prediction_interfaces import Entity, Prediction
from .products import DataProduct
from .registry import ModelVersion
from .values import answer_text

#: Descriptions of fields that the interface has, and each product's type.
NEWEST_PREDICTION = (
    "The newest prediction about it when the order was made; null for a row that nobody had asked about."
)
ITS_ENTITY = "The row that it is, or that the prediction is about; null if there is none."


@strawberry.interface(
    description="A place in the order in which to label what has no label: a subject of predictions, or a row of the "
    "tables that nobody has asked about."
)
class LabelCandidate:
    position: int = strawberry.field(
        description="The place in the order, from 1. Places of what has a label by now are left out."
    )
    reference: str | None = strawberry.field(
        description="The caller's own name for it, such as an order number; null if it has none."
    )
    answer: str | None = strawberry.field(
        description="The most probable label, or the number, that the version has predicted, as text; null while no "
        "version serves."
    )
    confidence: float | None = strawberry.field(
        description="The probability of the predicted label, 0 to 1; null unless the task is CLASSIFICATION."
    )
    uncertainty: float | None = strawberry.field(
        description="Of classes, 1 less the distance between the probabilities of the first two: 0 is certain, 1 is a "
        f"tie. Of numbers, the width of the interval at {LEVEL:g}, in the label's unit. Null if the version says none."
    )
    model: ModelVersion | None = relation("model", "The version that has predicted; null while none serves.")
    product: DataProduct = product_field()

    @strawberry.field(description="The answer as people read it; null while no version serves.")
    def answer_text(self: models.LabelCandidate) -> str | None:
        return answer_text(product_of(self), self.answer)

    @strawberry.field(
        description="The second most probable label as people read it; null unless the task is CLASSIFICATION."
    )
    def runner_up_text(self: models.LabelCandidate) -> str | None:
        return answer_text(product_of(self), self.runner_up)

    @strawberry.field(description="Why its label would teach, as a sentence to show to people.")
    def reason(self: models.LabelCandidate) -> str:
        return describe_reason(self)

    @strawberry.field(
        graphql_type=Prediction | None,
        description=NEWEST_PREDICTION,
    )
    def prediction(self: models.LabelCandidate) -> models.Prediction | None:
        return self.find_prediction()

    @strawberry.field(
        graphql_type=Entity | None,
        description=ITS_ENTITY,
    )
    def entity(self: models.LabelCandidate) -> EntityRow | None:
        return self.find_entity()

    @classmethod
    def resolve_type(cls, candidate: models.LabelCandidate, *_: object) -> str:
        return f"{names.prefix(candidate.product)}LabelCandidate"

    @classmethod
    def is_type_of(cls, candidate: object, *_: object) -> bool:
        # `resolve_type` has already decided the type where several are possible.
        return True


def describe_reason(candidate: models.LabelCandidate) -> str:
    """Describe as a sentence why the label would teach."""
    product, version = product_of(candidate), candidate.find_version()
    if version is None:
        return "No version serves yet; it differs from those before it."
    prefix = "" if candidate.prediction_id else "Nobody has asked about it. "
    first, second = (answer_text(product, answer) for answer in (candidate.answer, candidate.runner_up))
    if candidate.uncertainty is None:
        return f"{prefix}Version {version.number} answers {first}, and does not say how certain it is."
    if not product.problem.has_classes:
        return f"{prefix}Version {version.number} answers {first}; its interval is {candidate.uncertainty:.3g} wide."
    confidence = candidate.confidence or 0.0
    if second is None:
        return f"{prefix}Version {version.number} answers {first} ({_in_percent(confidence)})."
    others = max(0.0, confidence - (1 - candidate.uncertainty))
    doubt = f"{first} ({_in_percent(confidence)}) and {second} ({_in_percent(others)})"
    return f"{prefix}Version {version.number} hesitates between {doubt}."


def _in_percent(share: float) -> str:
    return f"{100 * share:.0f} %"
