"""Label pool: what has no label and might be labelled next, with how uncertain the model is of it.

These are subjects of served predictions, and rows of the tables that nobody has asked about, which the champion
predicts here without a prediction being stored.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet, TextField
from django.db.models.functions import Cast

from learning.evaluation import label_order
from learning.evaluation.intervals import Intervals
from learning.model import Answer, ClassAnswer, ValueAnswer

from ..db.pagination import Cursors, PageRequest
from ..entities import base_rows, entities
from ..exceptions import ModelDoesNotFit
from ..predictions import truth
from ..predictions.predictions import Prediction, PredictionQuerySet
from ..products.features import refusals_explained
from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import predict

log = logging.getLogger(__name__)

#: Predictions, and rows without one, among which the order is made, at most.
MOST_PREDICTIONS = MOST_ENTITIES = 2_000
#: Predictions that one query reads.
CHUNK = 5_000
#: The probability of the interval whose width is the uncertainty of a regression.
LEVEL = 0.9

#: By whether answers are classes, the order in which predictions are read, and its columns of this name.
BY_CONFIDENCE, NEWEST_FIRST = ("confidence", "pk"), ("-created_at", "-pk")


class Unlabelled(NamedTuple):
    """A subject without a label, as a model sees it."""

    subject: str
    #: The instance, as it is stored with a prediction.
    features: Mapping[str, Any]
    entity: str | None = None
    reference: str | None = None
    #: The newest prediction about it; None where nobody has asked.
    prediction: str | None = None
    #: The version that answered; None where none serves.
    model: int | None = None
    answer: str | None = None
    #: The second most probable class.
    runner_up: str | None = None
    confidence: float | None = None
    #: 1 less the distance between the probabilities of the first two classes, or the width of the interval in the
    #: label's unit; None where no version says.
    uncertainty: float | None = None


def gather(product: DataProduct) -> list[Unlabelled]:
    """Gather what has no label: the most uncertain subjects of predictions, and the newest rows without one."""
    return [*_of_predictions(product), *_of_entities(product)]


def find_labelled(product: DataProduct, subjects: Mapping[str, str | None]) -> set[str]:
    """Find which subjects have a label that counts: by feedback, or in the label column of their row.

    Args:
        subjects: the key of the row of each subject that is one.
    """
    truths = truth.find_truths(product, subjects)
    labelled = {subject for subject, row in truths.items() if row.answer is not None}
    keys = {key: subject for subject, key in subjects.items() if key is not None and subject not in labelled}
    if keys and product.join.label:
        with refusals_explained(product.join):
            rows = base_rows.select_keys(product, keys).filter(**{f"{product.join.label}__isnull": False})
            # A column may call texts equal that are two entities, as `char(4)` does.
            labelled |= {keys[key] for key in map(str, rows.values_list("pk", flat=True)) if key in keys}
    return labelled


def _of_predictions(product: DataProduct) -> list[Unlabelled]:
    """Read predictions until there are enough: the least confident ones first, of numbers the newest."""
    rows: dict[str, Prediction] = {}
    for chunk in _chunks(product):
        keys = _find_newest(product, chunk)
        newest = {row.subject: row for row in chunk if row.pk in keys}
        labelled = find_labelled(product, {subject: row.entity for subject, row in newest.items()})
        rows |= {subject: row for subject, row in newest.items() if subject not in labelled}
        if len(rows) >= MOST_PREDICTIONS:
            break
    features = dict(
        Prediction.objects.filter(pk__in=[row.pk for row in rows.values()]).values_list("pk", "features")
    )
    described = _describe(product, [row for row in rows.values() if row.pk in features], features)
    return sorted(described, key=lambda row: -(row.uncertainty or 0.0))[:MOST_PREDICTIONS]


def _chunks(product: DataProduct) -> Iterator[list[Prediction]]:
    """Yield predictions by an index, without their features."""
    rows: PredictionQuerySet = Prediction.objects.served().filter(product=product.name)
    order = BY_CONFIDENCE if product.problem.has_classes else NEWEST_FIRST
    rows = rows.filter(confidence__isnull=False) if product.problem.has_classes else rows
    cursors, after = Cursors(order), None
    while chunk := list(cursors.select(rows.defer("features"), PageRequest(after=after))[:CHUNK]):
        yield chunk
        after = cursors.encode(chunk[-1])


def _find_newest(product: DataProduct, chunk: Iterable[Prediction]) -> set[str]:
    """Find the newest prediction about each subject of a chunk."""
    subjects = {row.subject for row in chunk}
    about = Prediction.objects.served().filter(product=product.name, subject__in=subjects)
    return set(
        about.order_by("subject", "-created_at", "-pk").distinct("subject").values_list("pk", flat=True)
    )


def _describe(
    product: DataProduct, rows: Sequence[Prediction], features: Mapping[str, Mapping[str, Any]]
) -> Iterator[Unlabelled]:
    intervals = _find_intervals(product, {row.model_id for row in rows})
    for row in rows:
        doubt: dict[str, Any] = {}
        if product.problem.has_classes and isinstance(row.output, dict):
            doubt = _doubt_of_classes(row.answer, row.output)
        elif row.value is not None:
            doubt = {"uncertainty": _width(intervals.get(row.model_id), row.value, features[row.pk])}
        yield Unlabelled(
            row.subject,
            features[row.pk],
            row.entity,
            row.reference,
            row.pk,
            row.model_id,
            row.answer,
            **doubt,
        )


def _find_intervals(product: DataProduct, versions: Collection[int]) -> Mapping[int, Intervals | None]:
    """Find the prediction intervals of versions; none unless the product predicts numbers."""
    return ModelVersion.objects.intervals_of(versions) if product.problem.has_values else {}


def _width(intervals: Intervals | None, value: float, features: Mapping[str, Any]) -> float | None:
    """Compute the width of the interval around a number; None without one, or where it has no end."""
    if intervals is None:
        return None
    low, high = intervals.interval(value, LEVEL, features)
    return high - low if isfinite(high - low) else None


def _doubt_of_classes(answer: str, probabilities: Mapping[str, float]) -> dict[str, Any]:
    """Describe how uncertain a classifier is."""
    uncertainty = label_order.margin_uncertainty(np.array([list(probabilities.values())]))
    others = {label: share for label, share in probabilities.items() if label != answer}
    return {
        "runner_up": max(others, key=lambda label: others[label]) if others else None,
        "confidence": probabilities.get(answer),
        "uncertainty": float(uncertainty[0]),
    }


def _of_entities(product: DataProduct) -> list[Unlabelled]:
    """Predict rows without a label that nobody has asked about, the newest keys first."""
    keys = _list_unasked(product)
    labelled = find_labelled(product, {truth.subject_of_entity(product, key): None for key in keys})
    keys = [key for key in keys if truth.subject_of_entity(product, key) not in labelled]
    rows = entities.find_each(product, keys)
    validated = [predict.validate_entity(product, key, rows.get(key)) for key in keys]
    requests = predict.accepted(validated)
    version = ModelVersion.objects.champion_of(product.name)
    answers = _predict(product, version, [request.instance for request in requests])
    intervals = _find_intervals(product, [version.pk] if version else [])
    unlabelled = []
    for request, answer in zip(requests, answers, strict=True):
        features = product.stored_features(request.instance)
        subject = truth.subject_of_entity(product, request.entity or "")
        described = _describe_answer(version, answer, features, intervals) if version and answer else {}
        unlabelled.append(Unlabelled(subject, features, request.entity, **described))
    return unlabelled


def _list_unasked(product: DataProduct) -> list[str]:
    """List the keys of rows without a label that no served prediction is about."""
    predictions = Prediction.objects.served().filter(product=product.name, entity=OuterRef("entity_key"))
    with refusals_explained(product.join):
        rows: QuerySet[Any] = base_rows.select(product).annotate(entity_key=Cast("pk", TextField()))
        if product.join.label:
            rows = rows.filter(**{f"{product.join.label}__isnull": True})
        rows = rows.filter(~Exists(predictions)).order_by("-pk")
        return list(rows.values_list("entity_key", flat=True)[:MOST_ENTITIES])


def _predict(
    product: DataProduct, version: ModelVersion | None, instances: Sequence[Sequence[Any]]
) -> Sequence[Answer | None]:
    """Predict instances by a version; no answers where none can serve."""
    if version is None or not instances:
        return [None] * len(instances)
    try:
        return version.load(product).predict(instances)
    except ModelDoesNotFit as misfit:
        log.warning("%s", misfit)
        return [None] * len(instances)


def _describe_answer(
    version: ModelVersion,
    answer: Answer,
    features: Mapping[str, Any],
    intervals: Mapping[int, Intervals | None],
) -> dict[str, Any]:
    match answer:
        case ClassAnswer(label, _, probabilities):
            shares = dict(zip(version.signature["classes"], probabilities, strict=True))
            return {"model": version.pk, "answer": label, **_doubt_of_classes(label, shares)}
        case ValueAnswer(value):
            width = _width(intervals.get(version.pk), value, features)
            return {"model": version.pk, "answer": repr(value), "uncertainty": width}
    return {}


def select_readable(product: DataProduct, rows: Sequence[Unlabelled]) -> Sequence[Unlabelled]:
    """Leave out instances that today's columns cannot read, as of a feature that was a text and is a number now."""
    columns, instances = product.signature.columns, [product.restore_row(row.features) for row in rows]
    if label_order.are_readable(columns, instances):
        return rows
    return [
        row
        for row, instance in zip(rows, instances, strict=True)
        if label_order.are_readable(columns, [instance])
    ]


def place(product: DataProduct, rows: Sequence[Unlabelled]) -> label_order.Floats:
    """Place subjects in the space of their standardised features."""
    instances = [product.restore_row(row.features) for row in rows]
    return label_order.place_rows(product.signature.columns, instances)
