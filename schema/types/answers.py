"""Answers of predictions, stored or not, in one form for the products of all tasks."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from store import models
from store.db.pagination import share_lookups
from store.exceptions import OutOfRange
from store.products.columns import TypedColumn
from store.products.product import DataProduct
from store.serving import prefetch, would_be

from ..compiled import LOCAL
from ..core import ids, json_values
from .columns import find_column
from .nodes import UNSET, product_of, relation, unset_to_none
from .registry import ModelVersion
from .values import answer_text

#: The level of an interval that a client asks for without a level.
USUAL_LEVEL = 0.9

Level = Annotated[float, strawberry.argument(description="The probability, between 0 and 1, exclusive.")]
OfVersion = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="The id of a version of the product. Leave it out for the champion."),
]


@strawberry.type(
    description="A prediction interval. It comes from the errors on rows that were not used for fitting. Its width is "
    "the same for all rows, or depends on the predicted number or on features as well: see `ModelVersion.intervals`."
)
class Interval:
    low: float = strawberry.field(description="The lower end, not below `Intervals.least`.")
    high: float = strawberry.field(description="The upper end, not above `Intervals.most`.")
    level: float = strawberry.field(description="The probability that was asked for.")
    coverage: float | None = strawberry.field(
        description="The share of true values that such intervals contained when the model was built. Only measured at "
        "the levels 0.5, 0.8, 0.9 and 0.95; null at all others. It is that before `Intervals.widening`."
    )

    @classmethod
    def around(cls, prediction: models.Prediction, level: float) -> "Interval | None":
        """The interval around a prediction; None if its version has none. Raises OutOfRange."""
        if not 0 < level < 1:
            raise OutOfRange(f"A level lies between 0 and 1, not at {level:g}.", argument=("level",))
        intervals = prefetch.prefetch_of(prediction).intervals.get(prediction.model_id)
        if intervals is None or prediction.value is None:
            return None
        low, high = intervals.interval(prediction.value, level, prediction.features)
        return cls(low=low, high=high, level=level, coverage=intervals.coverage.get(f"{level:g}"))


@strawberry.type(description="The distance of an instance from the centre of one cluster.")
class ClusterDistance:
    cluster: int = strawberry.field(description="The number of the cluster, from 0.")
    distance: float = strawberry.field(
        description="The Euclidean distance in the space of standardised features."
    )

    @classmethod
    def list_all(cls, prediction: models.Prediction) -> "list[ClusterDistance]":
        """The distances of a clustering's prediction, by cluster; empty for other tasks."""
        output = prediction.output if isinstance(prediction.output, list | tuple) else ()
        return [cls(cluster=cluster, distance=distance) for cluster, distance in enumerate(output)]


@strawberry.type(description="The probability of one label, in the same form for all products.")
class AnswerProbability:
    answer: str = strawberry.field(description="The label as text, as `Choice.value`.")
    answer_text: str = strawberry.field(description="The label's title for people.")
    probability: float = strawberry.field(description="Its probability, 0 to 1.")

    @classmethod
    def list_all(cls, prediction: models.Prediction) -> "list[AnswerProbability] | None":
        """The probabilities of a classification's prediction; None for other tasks."""
        if not isinstance(prediction.output, dict):
            return None
        product = product_of(prediction)
        return [
            cls(answer=label, answer_text=answer_text(product, label) or label, probability=probability)
            for label, probability in prediction.output.items()
        ]


@strawberry.type
class AnswerFields:
    """The fields of an answer that differ from task to task, each null where the task has no such thing."""

    @strawberry.field(
        description="The probability of each label that the model version can predict, in the same form for all "
        "products; null unless the task is CLASSIFICATION.",
        metadata={LOCAL: True},
    )
    def answer_probabilities(self: models.Prediction) -> list[AnswerProbability] | None:
        return AnswerProbability.list_all(self)

    @strawberry.field(
        description="The interval that contains the true value with this probability; null unless the task is "
        "REGRESSION, and if the model version has none."
    )
    def answer_interval(self: models.Prediction, level: Level = USUAL_LEVEL) -> Interval | None:
        return Interval.around(self, level)

    @strawberry.field(
        description="The distance from the centre of each cluster, by cluster; null unless the task is CLUSTERING.",
        metadata={LOCAL: True},
    )
    def cluster_distances(self: models.Prediction) -> list[ClusterDistance] | None:
        return ClusterDistance.list_all(self) or None


@strawberry.type(
    description="What a version would answer to the features of a stored prediction, or to some of them changed, in "
    "the same form for all products. Nothing of it is stored."
)
class GenericWouldBe(AnswerFields):
    model: ModelVersion = relation("model", "The version that would answer so.")
    answer: str = strawberry.field(description="The predicted label, number or cluster, as text.")
    confidence: float | None = strawberry.field(
        description="The probability of the predicted label, 0 to 1; null unless the task is CLASSIFICATION."
    )
    value: float | None = strawberry.field(
        description="The predicted number; null unless the task is REGRESSION."
    )

    @strawberry.field(
        description="The answer as people read it: the title of a label, a number with its unit."
    )
    def answer_text(self: models.Prediction) -> str:
        return answer_text(product_of(self), self.answer) or self.answer


@strawberry.type
class WouldBeFields:
    """The fields of a stored prediction that ask a model once more."""

    @strawberry.field(
        graphql_type=GenericWouldBe | None,
        description="What another version would answer to the same features, in the same form for all products: "
        "`wouldBe` of the product's own type.",
    )
    def generic_would_be(self: models.Prediction, model: OfVersion = UNSET) -> models.Prediction | None:
        return would_be_of(self, model)

    @strawberry.field(
        graphql_type=list[GenericWouldBe | None] | None,
        description="What the same version would have answered if one feature had had other values: one place for each "
        "value, in order; null where it has no finite answer, or the stored features lack one that it needs. It is "
        "computed when it is selected, and not stored.",
    )
    def what_if(
        self: models.Prediction,
        feature: Annotated[
            str,
            strawberry.argument(description="The name of the feature: the field in the product's inputs."),
        ],
        values: Annotated[
            list[JSON],
            strawberry.argument(
                description=f"The values, as the input takes them: at most {would_be.MOST_VALUES}."
            ),
        ],
    ) -> list[models.Prediction | None]:
        product = product_of(self)
        column = find_column(product, feature)
        answers = would_be.predict_changed(product, self, column, read_values(product, column, values))
        rows = [answer for answer in answers if answer is not None]
        share_lookups(rows)
        prefetch.attach_prefetch(rows)
        return answers


def would_be_of(prediction: models.Prediction, model: str | None) -> models.Prediction | None:
    """Get the answer of a version, or of the champion. Raises UnknownId, WrongKindOfId, ForeignModel, NoChampion."""
    wanted = unset_to_none(model)
    key = None if wanted is None else ids.number(wanted, "ModelVersion", ("model",))
    return prefetch.prefetch_of(prediction).would_be(prediction, key)


def read_values(product: DataProduct, column: TypedColumn, values: Sequence[Any]) -> list[Any]:
    """Read values of JSON as the column takes them; null is a missing value. Raises BadInput, NotFinite."""
    return [
        None if value is None else json_values.read_value(product, column, value, ("values", place))
        for place, value in enumerate(values)
    ]
