"""Would-be predictions: what another version says of stored instances. Nothing of it is stored."""

from collections.abc import Iterator, Sequence
from typing import Any

from learning.exceptions import NotFinite

from ..exceptions import ForeignModel
from ..predictions import upsert
from ..predictions.predictions import Prediction
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import champions
from .each_answer import predict_each
from .loaded_versions import loaded


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
    needed = {column["name"] for column in version.signature["columns"]}
    for prediction in predictions:
        if needed <= prediction.features.keys():
            yield prediction, product.restore_row(prediction.features)


def _to_prediction(stored: Prediction, version: ModelVersion, output: upsert.Output) -> Prediction:
    return Prediction(
        product=stored.product,
        model=version,
        subject=stored.subject,
        entity=stored.entity,
        reference=stored.reference,
        features=stored.features,
        **output._asdict(),
    )
