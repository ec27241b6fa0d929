"""Would-be predictions: what another version says of stored instances. Nothing of it is stored."""

from collections.abc import Iterator, Sequence
from typing import Any

from learning.exceptions import NotFinite

from ..exceptions import BadInput, ForeignModel, OutOfRange
from ..predictions import upsert
from ..predictions.predictions import Prediction
from ..products.features import Feature
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import champions
from .each_answer import predict_each
from .loaded_versions import loaded

#: The values that one feature is changed to at once.
MOST_VALUES = 200


def predict(
    product: DataProduct, key: int | None, predictions: Sequence[Prediction]
) -> dict[str, Prediction]:
    """Predict stored instances of a product by another version, all at once.

    Args:
        key: the version's; None: the champion.

    Returns: unsaved predictions by the stored one's id. Instances that lack a feature of the version are absent, and
        those to which it has no finite answer.
    Raises: UnknownId, ForeignModel, ModelDoesNotFit, NoChampion.
    """
    version = _find_version(product, key)
    model = loaded.get(product, version)
    instances = list(_list_complete(product, version, predictions))
    answers = predict_each(model, [row for _, row in instances], NotFinite)
    classes = version.signature["classes"]
    return {
        prediction.id: _to_prediction(prediction, version, upsert.encode_answer(answer, classes))
        for (prediction, _), answer in zip(instances, answers, strict=True)
        if answer is not None
    }


def predict_changed(
    product: DataProduct, prediction: Prediction, column: Feature, values: Sequence[Any]
) -> list[Prediction | None]:
    """Predict a stored instance with one input changed to each of these values, by the version that answered.

    Returns: unsaved predictions, one for each value in order; None where the version has no finite answer, and for all
        if the stored instance lacks a feature of the version.
    Raises: BadInput where the feature is computed, OutOfRange, ModelDoesNotFit.
    """
    if column.computation is not None:
        raise BadInput(f"{column.title} is computed: change what it is computed from.", argument=("feature",))
    if len(values) > MOST_VALUES:
        raise OutOfRange(
            f"At most {MOST_VALUES} values are tried at once, not {len(values):,}.", argument=("values",)
        )
    version = prediction.model
    if not _is_complete(version, prediction):
        return [None] * len(values)
    inputs = dict(product.restore_instance(prediction.features))
    changes = [
        {column.name: _clean_value(column, value, ("values", place))} for place, value in enumerate(values)
    ]
    instances = [product.clean_stored(product.instance(inputs | change)) for change in changes]
    answers = predict_each(loaded.get(product, version), instances, NotFinite)
    classes = version.signature["classes"]
    return [
        answer and _to_prediction(prediction, version, upsert.encode_answer(answer, classes), features)
        for answer, features in zip(answers, map(product.stored_features, instances), strict=True)
    ]


def _clean_value(column: Feature, value: Any, path: Sequence[str | int]) -> Any:
    """Validate a value of JSON. Raises BadInput, OutOfRange, NotFinite."""
    try:
        return column.clean_input(value, path)
    except (TypeError, ValueError, AttributeError) as error:  # a value of another type
        raise BadInput(f"{column.title} must be {column.expected}.", argument=path) from error


def _find_version(product: DataProduct, key: int | None) -> ModelVersion:
    if key is None:
        return champions.get_champion(product).version
    version = ModelVersion.objects.find(key, "model")
    if version.product != product.name:
        raise ForeignModel(
            f"This is a version of {version.product}, not of {product.name}.", argument=("model",)
        )
    return version


def _list_complete(
    product: DataProduct, version: ModelVersion, predictions: Sequence[Prediction]
) -> Iterator[tuple[Prediction, list[Any]]]:
    """Yield the predictions that have all features of the version, with their instances."""
    for prediction in predictions:
        if _is_complete(version, prediction):
            yield prediction, product.restore_row(prediction.features)


def _is_complete(version: ModelVersion, prediction: Prediction) -> bool:
    return {column["name"] for column in version.signature["columns"]} <= prediction.features.keys()


def _to_prediction(
    stored: Prediction, version: ModelVersion, output: upsert.Output, features: dict[str, Any] | None = None
) -> Prediction:
    return Prediction(
        product=stored.product,
        model=version,
        subject=stored.subject,
        entity=stored.entity,
        reference=stored.reference,
        features=stored.features if features is None else features,
        **output._asdict(),
    )
