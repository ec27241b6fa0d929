"""Upsert of predictions: the statement that stores a batch, its parameters, and the predictions that it returns."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import DEFAULT_DB_ALIAS, connection

from learning.model import Answer, ClassAnswer, ClusterAnswer, ValueAnswer

from ..products.product import DataProduct
from . import truth
from .predictions import Prediction

#: Between the JSON texts of a list, none of which holds it (RFC 7464); empty is null.
SEPARATOR = "\x1e"

#: Stores rows. Whole columns come as one text each: what a driver makes of lists takes three times as long.
INSERT = r"""
INSERT INTO store_prediction (id, product, model_id, subject, entity, reference, features, answer, value, confidence,
    output, created_at, updated_at, times_asked)
SELECT id, %(product)s::text, %(model)s::bigint, subject, entity, reference, features::jsonb, answer, value, confidence,
    output::jsonb, now(), now(), asked
FROM unnest(%(id)s::uuid[], %(subject)s::uuid[], %(entity)s::text[], %(reference)s::text[],
    string_to_array(%(features)s, E'\x1e'), %(answer)s::text[], %(value)s::float8[], %(confidence)s::float8[],
    string_to_array(%(output)s, E'\x1e', ''), %(asked)s::int[])
    AS row (id, subject, entity, reference, features, answer, value, confidence, output, asked)
ON CONFLICT (id) DO UPDATE
SET updated_at = now(), times_asked = store_prediction.times_asked + excluded.times_asked
"""

#: INSERT, which returns the time of the statement, and the rows that existed before: only those have been locked, by
#: `xmax`.
UPSERT = f"""
WITH stored AS ({INSERT}
    RETURNING id, created_at, updated_at, times_asked, answer, value, confidence, output, xmax <> 0 AS before
)
SELECT NULL, now(), now(), NULL, NULL, NULL, NULL, NULL
UNION ALL
SELECT id::text, created_at, updated_at, times_asked, answer, value, confidence, output::text FROM stored WHERE before
"""

#: UPSERT, parsed and planned once for a connection, and how it is then run.
NAMES = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", UPSERT)))
PREPARE = f"PREPARE record (text, bigint, {', '.join(['text'] * (len(NAMES) - 2))}) AS " + UPSERT % {
    name: f"${place}" for place, name in enumerate(NAMES, 1)
}
EXECUTE = f"EXECUTE record ({', '.join(f'%({name})s' for name in NAMES)})"


class ValidRequest(NamedTuple):
    """A request that can be predicted: its features are canonical, and its entity exists. Made by `serving.predict`.

    A form of its own, so that nothing is predicted or stored that was not validated.
    """

    #: In the order of the product's columns.
    instance: Sequence[Any]
    entity: str | None = None
    reference: str | None = None


class Output(NamedTuple):
    """The columns that hold an answer."""

    answer: str
    value: float | None
    confidence: float | None
    #: Probabilities by label, or distances by cluster; in JSON's types.
    output: Any


class PredictionBatch:
    """Predictions of one version that one statement stores: its parameters, and how to read what it returns."""

    def __init__(
        self, product: DataProduct, version: Any, requests: Sequence[ValidRequest], answers: Sequence[Answer]
    ):
        self.product, self.version, self.requests = product, version, requests
        self.features = [product.stored_features(request.instance) for request in requests]
        texts = [orjson.dumps(features).decode() for features in self.features]
        self.subjects = [
            _subject(product, request, text) for request, text in zip(requests, texts, strict=True)
        ]
        self.ids = [
            truth.digest(f"{version.pk}\0{subject}\0{text}")
            for subject, text in zip(self.subjects, texts, strict=True)
        ]
        classes = version.signature["classes"]
        self.outputs = [_output(answer, classes) for answer in answers]
        #: The number of requests of this batch for each id.
        self.counts = Counter(self.ids)
        #: Of UPSERT and INSERT.
        self.parameters = self._parameters(texts)

    def __len__(self) -> int:
        return len(self.requests)

    def _parameters(self, texts: Sequence[str]) -> dict[str, Any]:
        # Each id once, as one statement cannot touch a row twice, and sorted, so that two statements which store the
        # same rows cannot wait for each other.
        places = [place for _, place in sorted({id: place for place, id in enumerate(self.ids)}.items())]
        outputs = [self.outputs[place] for place in places]
        return {
            "product": self.product.name,
            "model": self.version.pk,
            # Nothing in them is to be escaped.
            "id": f"{{{','.join([self.ids[place] for place in places])}}}",
            "subject": f"{{{','.join([self.subjects[place] for place in places])}}}",
            "entity": _array([self.requests[place].entity for place in places]),
            "reference": _array([self.requests[place].reference for place in places]),
            "features": SEPARATOR.join([texts[place] for place in places]),
            "answer": _array([output.answer for output in outputs]),
            "value": _array([output.value for output in outputs]),
            "confidence": _array([output.confidence for output in outputs]),
            "output": SEPARATOR.join(
                ["" if output.output is None else orjson.dumps(output.output).decode() for output in outputs]
            ),
            "asked": _array([self.counts[self.ids[place]] for place in places]),
        }

    def stored(self, returned: Iterable[tuple[Any, ...]]) -> list[Prediction]:
        """The predictions in the requests' order, by what UPSERT returned.

        A row that existed keeps its answer: asked again beside other rows, a model may differ in the last digit.
        """
        (_, now, *_), *before = returned
        stored: dict[str, tuple[Output, datetime, datetime, int]] = {
            id: (output, now, now, self.counts[id]) for id, output in zip(self.ids, self.outputs, strict=True)
        }
        for id, created, updated, times, *output in before:
            stored[id] = self._output_before(*output), created, updated, times
        return [self._prediction(place, *stored[id]) for place, id in enumerate(self.ids)]

    def _output_before(
        self, answer: str, value: float | None, confidence: float | None, text: str | None
    ) -> Output:
        output = None if text is None else orjson.loads(text)
        if output is not None and (classes := self.version.signature["classes"]):
            output = {label: output[label] for label in classes}  # jsonb has an order of its own
        return Output(answer, value, confidence, output)

    def _prediction(
        self, place: int, output: Output, created: datetime, updated: datetime, times_asked: int
    ) -> Prediction:
        _, entity, reference = self.requests[place]
        answer, value, confidence, json = output
        values = {
            "id": self.ids[place],
            "product": self.product.name,
            "model_id": self.version.pk,
            "subject": self.subjects[place],
            "entity": entity,
            "reference": reference,
            "features": self.features[place],
            "answer": answer,
            "value": value,
            "confidence": confidence,
            "output": json,
            "created_at": created,
            "updated_at": updated,
            "times_asked": times_asked,
        }
        return Prediction.from_values(DEFAULT_DB_ALIAS, values, {"model": self.version})


def store(batch: PredictionBatch) -> list[Prediction]:
    """Store a batch on this thread's connection, in one statement; returns its predictions once that is done.

    Equal features asked of one version about one subject are one row, also within the batch.
    """
    if not batch:
        return []
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, batch.parameters)
        return batch.stored(cursor.fetchall())


def insert(batch: PredictionBatch) -> None:
    """Store a batch as `store` does, without reading the rows back: for thousands."""
    if batch:
        with connection.cursor() as cursor:
            cursor.execute(INSERT, batch.parameters)


def _subject(product: DataProduct, request: ValidRequest, features: str) -> str:
    if request.entity is not None:
        return truth.subject(product, "entity", request.entity)
    if request.reference is not None:
        return truth.subject(product, "reference", request.reference)
    return truth.subject(product, "features", features)


def _output(answer: Answer, classes: Sequence[str]) -> Output:
    match answer:
        case ClassAnswer(label, confidence, probabilities):
            return Output(label, None, confidence, dict(zip(classes, probabilities, strict=True)))
        case ValueAnswer(value):
            return Output(repr(value), value, None, None)
        case ClusterAnswer(cluster, distances):
            return Output(str(cluster), None, None, distances)


def _array(values: Sequence[str | float | None]) -> str:
    """An array as PostgreSQL reads it."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | float | None) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'
    return "NULL" if value is None else repr(value)
