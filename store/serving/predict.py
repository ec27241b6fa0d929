"""Prediction service: validates requests, predicts with one champion, stores each prediction before it is returned.

`predict` runs all stages on the calling thread and its connection. `dispatcher` runs the same stages on the event loop,
with connections of its own, and stores the predictions of many requests in one statement.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from learning.exceptions import ExemplarError

from ..access import acting
from ..access.actors import ANONYMOUS, Actor
from ..access.permissions import Permission
from ..entities import base_rows, entities
from ..entities.entities import Entity
from ..exceptions import Faults, IncompleteEntity, StoreError, UnknownEntity
from ..predictions import upsert
from ..predictions.predictions import Prediction, checked_name
from ..predictions.upsert import PredictionBatch, ValidRequest
from ..products.product import DataProduct
from . import splits
from .champions import Champion
from .prefetch import attach_prefetch

Path = tuple[str | int, ...]


class PredictionRequest(NamedTuple):
    """A request for one prediction, as a client made it: nothing of it has been validated."""

    #: In the order of the product's inputs, in the types that the API delivers; None: those that the entity's tables
    #: hold now.
    instance: Sequence[Any] | None = None
    #: The key of the base row that the prediction is about.
    entity: str | None = None
    #: The client's own name for what the prediction is about.
    reference: str | None = None
    #: Where the request stands in the client's input; errors name what lies below.
    path: Path = ()


def predict(champion: Champion, requests: Sequence[PredictionRequest]) -> list[Prediction | ExemplarError]:
    """Predict and store each request, on this thread's connection; a refused request has its error in its place."""
    validated = note_asker(
        validate(champion.product, requests), find_asker(acting.current(), champion.product)
    )
    predictions = upsert.store(compute(champion, accepted(validated)))
    champion.stages.predictions.add(len(predictions))
    return merge(validated, attach_prefetch(predictions))


def predict_one(champion: Champion, request: PredictionRequest) -> Prediction:
    """Predict and store one request.

    Raises: BadInput, OutOfRange, NotFinite, UnknownEntity, IncompleteEntity, SeveralFaults.
    """
    [prediction] = predict(champion, [request])
    if isinstance(prediction, ExemplarError):
        raise prediction
    return prediction


def validate(
    product: DataProduct, requests: Sequence[PredictionRequest]
) -> list[ValidRequest | ExemplarError]:
    """Validate each request; a refused one becomes its error. At most two queries, none unless `needs_query`."""
    if not needs_query(product, requests):
        return validate_alone(product, requests)
    from_tables = [request.entity or "" for request in requests if request.instance is None]
    named = {
        request.entity for request in requests if request.instance is not None and request.entity is not None
    }
    rows = entities.find_each(product, from_tables) if from_tables else {}
    keys = _find_keys(product, named) if named else None
    return [_validate(product, request, rows, keys) for request in requests]


def find_asker(actor: Actor | None, product: DataProduct) -> str | None:
    """Find the author who reads back what this actor asks for; None where that needs no note, or nobody can tell who.

    Whoever may view the product reads all of its predictions, and callers without any credential are one author.
    """
    if actor is None or actor.author == ANONYMOUS or actor.may(Permission.VIEW, product.name):
        return None
    return actor.author


def note_asker(
    validated: Sequence[ValidRequest | ExemplarError], asker: str | None
) -> Sequence[ValidRequest | ExemplarError]:
    """Have the valid requests name who asks."""
    if asker is None:
        return validated
    return [r._replace(asker=asker) if isinstance(r, ValidRequest) else r for r in validated]


def _find_keys(product: DataProduct, named: Collection[str]) -> Collection[str] | None:
    """Find which of the keys a prediction may be about; None where any may."""
    return None if _takes_new_keys(product) else base_rows.existing(product, named)


def _takes_new_keys(product: DataProduct) -> bool:
    """Return True where a prediction may be about a key that no row has; where each row is somebody's, none may."""
    return product.writable and product.join.visible_to is None


def validate_alone(
    product: DataProduct, requests: Sequence[PredictionRequest]
) -> list[ValidRequest | ExemplarError]:
    """Validate requests of which none `needs_query`."""
    return [_validate(product, request) for request in requests]


def needs_query(product: DataProduct, requests: Sequence[PredictionRequest]) -> bool:
    """Check if `validate` queries the database: an entity is read, or must exist."""
    for instance, entity, _, _ in requests:
        if instance is None or (entity is not None and not _takes_new_keys(product)):
            return True
    return False


def accepted(validated: Sequence[ValidRequest | ExemplarError]) -> list[ValidRequest]:
    """List the valid requests, without the refusals."""
    return [request for request in validated if isinstance(request, ValidRequest)]


def compute(champion: Champion, requests: Sequence[ValidRequest]) -> PredictionBatch:
    """Run the model on the requests, or in a split that of each subject. Nothing is stored yet."""
    if split := splits.find(champion):
        return splits.compute(split, champion, requests)
    answers = champion.model.predict([request.instance for request in requests])
    return PredictionBatch(champion.product, champion.version, requests, answers)


def estimate_microseconds(champion: Champion, rows: int) -> float:
    """Estimate the time of `compute` in the models."""
    microseconds = champion.pace.microseconds(rows)
    if split := splits.find(champion):
        microseconds += split.challenger.pace.microseconds(rows)
    return microseconds


def merge(
    validated: Sequence[ValidRequest | ExemplarError], predictions: Sequence[Prediction]
) -> list[Prediction | ExemplarError]:
    """Put the predictions of the valid requests, which are in order, among the refusals."""
    remaining = iter(predictions)
    return [request if isinstance(request, ExemplarError) else next(remaining) for request in validated]


def _validate(
    product: DataProduct,
    request: PredictionRequest,
    rows: Mapping[str, Entity | StoreError] | None = None,
    keys: Collection[str] | None = None,
) -> ValidRequest | ExemplarError:
    """Validate one request by the rows that were read, and by the keys that exist (None: any may)."""
    instance, entity, reference, path = request
    if instance is None:
        return validate_entity(product, entity or "", (rows or {}).get(entity or ""), path)
    try:
        if entity is not None:
            _check_entity(product, entity, keys, path)
        cleaned = product.clean_instance(instance, (*path, "features"))
        if reference is not None:
            checked_name(reference, (*path, "reference"))
        return ValidRequest(cleaned, entity, reference)
    except StoreError:
        return _faults_of(product, request, keys)


def _faults_of(
    product: DataProduct, request: PredictionRequest, keys: Collection[str] | None
) -> ExemplarError:
    """Validate a refused request once more, each part of it, to report all of its faults at once."""
    instance, entity, reference, path = request
    assert instance is not None, "only the caller's own features are validated with the rest"
    faults = Faults()
    with faults.collect():
        product.clean_instance(instance, (*path, "features"))
    with faults.collect():
        if entity is not None:
            _check_entity(product, entity, keys, path)
    with faults.collect():
        checked_name(reference, (*path, "reference"))
    return faults.error


def _check_entity(product: DataProduct, entity: str, keys: Collection[str] | None, path: Path) -> None:
    """Raises UnknownEntity unless the entity exists, or feedback could insert its row."""
    if keys is not None and entity not in keys:
        raise _unknown(product, entity, (*path, "entity"))
    if not product.is_key(entity):
        noun = product.join.model._meta.verbose_name
        raise UnknownEntity(f"{entity!r} cannot be the key of a {noun}.", argument=(*path, "entity"))


def validate_entity(
    product: DataProduct, key: str, entity: Entity | StoreError | None, path: Path = ()
) -> ValidRequest | ExemplarError:
    """Validate the features that an entity's tables hold.

    Args:
        entity: None where no base row has the key; the error where it cannot be read.
    """
    if entity is None:
        return _unknown(product, key, path)
    if isinstance(entity, StoreError):
        return type(entity)(entity.message, argument=path)
    if not entity.complete:
        needed = ", ".join(product.join.required_rows)
        return IncompleteEntity(f"{key} lacks a feature row: {product} joins {needed}.", argument=path)
    try:
        return ValidRequest(product.clean_stored(entity.inputs, path), entity=key)
    except StoreError as refusal:
        return refusal


def _unknown(product: DataProduct, key: str, path: Path) -> UnknownEntity:
    return UnknownEntity(f"No {product.join.model._meta.verbose_name} has the key {key!r}.", argument=path)
