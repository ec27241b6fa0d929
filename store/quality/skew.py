"""Skew: features as they were served for entities, against the entities' rows as they are joined for learning."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from learning.exceptions import ExemplarError

from ..entities import entities
from ..entities.entities import Entity
from ..predictions.predictions import Prediction
from ..products.features import Feature
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import windows

#: Predictions that are compared, at most: the newest ones.
MOST_ROWS = 500
#: Examples of each feature.
MOST_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class SkewExample:
    """A prediction whose feature differs from its entity's row."""

    prediction: Prediction
    #: As JSON.
    served: Any
    row: Any


@dataclass(frozen=True, kw_only=True)
class FeatureSkew:
    """Number of predictions in which one feature differs."""

    column: Feature
    #: Number of predictions that were compared.
    n: int
    differing: int
    examples: Sequence[SkewExample]


@dataclass(frozen=True, kw_only=True)
class Skew:
    """Comparison of served features with rows, feature by feature in declared order."""

    #: Number of predictions that were compared.
    n: int
    #: Number of predictions of the window's newest ones whose entity has no row now, or none that can be predicted.
    without_row: int
    features: Sequence[FeatureSkew]


def find(
    product: DataProduct,
    version: ModelVersion | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Skew:
    """Compare the newest MOST_ROWS served predictions of a window that are about entities which the actor may see.

    A row is joined as it is now; where the Join has a time of its rows, with what was known at that time. A row that
    was changed since the prediction differs as well.

    Args:
        version: None: all versions.
        since, until: of the predictions' time, the first inclusive, the second exclusive; None: no limit.
    """
    rows = windows.select(product, version, since, until).served().filter(entity__isnull=False)
    predictions = list(rows.order_by("-created_at", "-pk")[:MOST_ROWS])
    current = _read_rows(product, {prediction.entity for prediction in predictions})
    pairs = [(each, current[each.entity]) for each in predictions if each.entity in current]
    return Skew(
        n=len(pairs),
        without_row=len(predictions) - len(pairs),
        features=[_compare(column, pairs) for column in product.declared_columns],
    )


def _read_rows(product: DataProduct, keys: set[str]) -> dict[str, dict[str, Any]]:
    """Read the features of rows as predictions store them, by the rows' keys; of those that can be predicted."""
    current = {}
    for key, entity in entities.find_each(product, sorted(keys)).items():
        with suppress(ExemplarError):  # as a required value that is missing
            if isinstance(entity, Entity) and entity.complete:
                current[key] = product.stored_features(product.clean_stored(entity.inputs))
    return current


def _compare(column: Feature, pairs: Sequence[tuple[Prediction, dict[str, Any]]]) -> FeatureSkew:
    """Compare one feature; predictions from before it was declared do not have it."""
    name = column.name
    compared = [(prediction, row) for prediction, row in pairs if name in prediction.features]
    examples = [
        SkewExample(prediction=prediction, served=prediction.features[name], row=row[name])
        for prediction, row in compared
        # Compared as values: a decimal may have been stored with fewer places.
        if column.from_json(prediction.features[name]) != column.from_json(row[name])
    ]
    return FeatureSkew(
        column=column, n=len(compared), differing=len(examples), examples=examples[:MOST_EXAMPLES]
    )
