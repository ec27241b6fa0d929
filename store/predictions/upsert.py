"""Upsert of predictions: the statement that stores a batch, its parameters, and the predictions that it returns."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import DEFAULT_DB_ALIAS, connection

from learning.model import Answer, ClassAnswer, ClusterAnswer, ValueAnswer

from ..db.arrays import write_array
from ..products.product import DataProduct
from . import truth
from .predictions import Prediction

#: Between the JSON texts of a list, none of which holds it (RFC 7464); empty is null.
SEPARATOR = "\x1e"

#: Stores rows. Whole columns come as one text each: what a driver makes of lists takes three times as long.
_INSERT_ROWS = r"""
INSERT INTO store_prediction (id, product, model_id, subject, entity, reference, features, answer, value, confidence,
    output, created_at, updated_at, times_asked, served)
SELECT id, %(product)s::text, model, subject, entity, reference, features::jsonb, answer, value, confidence,
    output::jsonb, now(), now(), {times_asked}, {served}
FROM unnest(%(id)s::uuid[], %(model)s::bigint[], %(subject)s::uuid[], %(entity)s::text[], %(reference)s::text[],
    string_to_array(%(features)s, E'\x1e'), %(answer)s::text[], %(value)s::float8[], %(confidence)s::float8[],
    string_to_array(%(output)s, E'\x1e', ''), %(asked)s::int[])
    AS row (id, model, subject, entity, reference, features, answer, value, confidence, output, asked)
"""

#: Stores what is served. A row that was not served before is from now on.
INSERT = f"""{_INSERT_ROWS.format(times_asked="asked", served="true")}
ON CONFLICT (id) DO UPDATE
SET updated_at = now(), times_asked = store_prediction.times_asked + excluded.times_asked, served = true
"""

#: Stores what is not served. Rows that exist stay as they are.
INSERT_UNSERVED = f"""{_INSERT_ROWS.format(times_asked="0", served="false")}
ON CONFLICT (id) DO NOTHING
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

#: UPSERT, which also notes who asked: callers who may not view the product read back what they asked for themselves.
UPSERT_ASKED = UPSERT.replace(
    "\n)\nSELECT NULL",
    """
), noted AS (
    INSERT INTO store_predictionasker (prediction_id, author)
    SELECT * FROM unnest(%(asked_id)s::uuid[], %(asker)s::text[]) ON CONFLICT DO NOTHING
)
SELECT NULL""",
)


def _prepared(name: str, statement: str) -> tuple[str, str]:
    """Build the command that has a connection parse and plan a statement once, and the one that then runs it."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    places = {parameter: f"${place}" for place, parameter in enumerate(names, 1)}
    types = ", ".join(["text"] * len(names))
    execute = f"EXECUTE {name} ({', '.join(f'%({parameter})s' for parameter in names)})"
    return f"PREPARE {name} ({types}) AS {statement % places}", execute


_PREPARE, EXECUTE = _prepared("record", UPSERT)
_PREPARE_ASKED, EXECUTE_ASKED = _prepared("record_asked", UPSERT_ASKED)
#: Prepares both statements.
PREPARE = f"{_PREPARE};\n{_PREPARE_ASKED}"


class ValidRequest(NamedTuple):
    """A request that can be predicted: its features are canonical, and its entity exists. Made by `serving.predict`.

    A form of its own, so that nothing is predicted or stored that was not validated.
    """

    #: In the order of the product's columns.
    instance: Sequence[Any]
    entity: str | None = None
    reference: str | None = None
    #: The author who reads it back, where nobody may but those who view the product; None: nobody does.
    asker: str | None = None


class Output(NamedTuple):
    """The columns that hold an answer."""

    answer: str
    value: float | None
    confidence: float | None
    #: Probabilities by label, or distances by cluster; in JSON's types.
    output: Any


class IdentifiedRequests:
    """Requests with their features as they are stored, and the subjects that they are about."""

    def __init__(self, product: DataProduct, requests: Sequence[ValidRequest]):
        self.requests = requests
        self.features = [product.stored_features(request.instance) for request in requests]
        #: The features as JSON.
        self.texts = [orjson.dumps(features).decode() for features in self.features]
        self.subjects = [
            _subject(product, request, text) for request, text in zip(requests, self.texts, strict=True)
        ]


class PredictionBatch:
    """Predictions that one statement stores: its parameters, and how to read what it returns."""

    def __init__(
        self,
        product: DataProduct,
        version: Any,
        requests: Sequence[ValidRequest],
        answers: Sequence[Answer],
        identified: IdentifiedRequests | None = None,
    ):
        """Build the rows.

        Args:
            version: that of all predictions, or a list with that of each.
            identified: the requests, where their subjects are known already.
        """
        identified = identified or IdentifiedRequests(product, requests)
        self.product, self.requests, self.features = product, requests, identified.features
        self.subjects, texts = identified.subjects, identified.texts
        self.versions: list[Any] = version if isinstance(version, list) else [version] * len(requests)
        self.ids = [
            truth.digest(f"{version.pk}\0{subject}\0{text}")
            for version, subject, text in zip(self.versions, self.subjects, texts, strict=True)
        ]
        self.outputs = [
            encode_answer(answer, version.signature["classes"])
            for answer, version in zip(answers, self.versions, strict=True)
        ]
        #: The number of requests of this batch for each id.
        self.counts = Counter(self.ids)
        #: True where a caller reads back what it asked for.
        self.has_askers = any(request.asker for request in requests)
        #: Of UPSERT and INSERT.
        self.parameters = self._parameters(texts) | (self._askers() if self.has_askers else {})

    def __len__(self) -> int:
        return len(self.requests)

    def _parameters(self, texts: Sequence[str]) -> dict[str, Any]:
        # Each id once, as one statement cannot touch a row twice, and sorted, so that two statements which store the
        # same rows cannot wait for each other.
        places = [place for _, place in sorted({id: place for place, id in enumerate(self.ids)}.items())]
        outputs = [self.outputs[place] for place in places]
        return {
            "product": self.product.name,
            # Nothing in them is to be escaped.
            "id": f"{{{','.join([self.ids[place] for place in places])}}}",
            "model": write_array([self.versions[place].pk for place in places]),
            "subject": f"{{{','.join([self.subjects[place] for place in places])}}}",
            "entity": write_array([self.requests[place].entity for place in places]),
            "reference": write_array([self.requests[place].reference for place in places]),
            "features": SEPARATOR.join([texts[place] for place in places]),
            "answer": write_array([output.answer for output in outputs]),
            "value": write_array([output.value for output in outputs]),
            "confidence": write_array([output.confidence for output in outputs]),
            "output": SEPARATOR.join(
                ["" if output.output is None else orjson.dumps(output.output).decode() for output in outputs]
            ),
            "asked": write_array([self.counts[self.ids[place]] for place in places]),
        }

    def _askers(self) -> dict[str, str]:
        """The parameters of UPSERT_ASKED: each author with what it asked for, in one order for all statements."""
        pairs = sorted({(id, r.asker) for id, r in zip(self.ids, self.requests, strict=True) if r.asker})
        ids = ",".join([id for id, _ in pairs])
        return {"asked_id": f"{{{ids}}}", "asker": write_array([asker for _, asker in pairs])}

    def stored(self, returned: Iterable[tuple[Any, ...]]) -> list[Prediction]:
        """The predictions in the requests' order, by what UPSERT returned.

        A row that existed keeps its answer: asked again beside other rows, a model may differ in the last digit.
        """
        (_, now, *_), *before = returned
        stored: dict[str, tuple[Output, datetime, datetime, int]] = {
            id: (output, now, now, self.counts[id]) for id, output in zip(self.ids, self.outputs, strict=True)
        }
        versions = dict(zip(self.ids, self.versions, strict=True)) if before else {}
        for id, created, updated, times, *output in before:
            classes = versions[id].signature["classes"]
            stored[id] = _output_before(classes, *output), created, updated, times
        return [self._prediction(place, *stored[id]) for place, id in enumerate(self.ids)]

    def _prediction(
        self, place: int, output: Output, created: datetime, updated: datetime, times_asked: int
    ) -> Prediction:
        _, entity, reference, _ = self.requests[place]
        version = self.versions[place]
        answer, value, confidence, json = output
        values = {
            "id": self.ids[place],
            "product": self.product.name,
            "model_id": version.pk,
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
            "served": True,
        }
        return Prediction.from_values(DEFAULT_DB_ALIAS, values, {"model": version})


def store(batch: PredictionBatch) -> list[Prediction]:
    """Store a batch on this thread's connection, in one statement; returns its predictions once that is done.

    Equal features asked of one version about one subject are one row, also within the batch.
    """
    if not batch:
        return []
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_ASKED if batch.has_askers else UPSERT, batch.parameters)
        return batch.stored(cursor.fetchall())


def insert(batch: PredictionBatch) -> None:
    """Store a batch as `store` does, without reading the rows back: for thousands."""
    if batch:
        with connection.cursor() as cursor:
            cursor.execute(INSERT, batch.parameters)


def insert_unserved(batch: PredictionBatch) -> None:
    """Store a batch that was predicted beside what was served, once each."""
    if batch:
        with connection.cursor() as cursor:
            cursor.execute(INSERT_UNSERVED, batch.parameters)


def _subject(product: DataProduct, request: ValidRequest, features: str) -> str:
    if request.entity is not None:
        return truth.subject(product, "entity", request.entity)
    if request.reference is not None:
        return truth.subject(product, "reference", request.reference)
    return truth.subject(product, "features", features)


def _output_before(
    classes: Sequence[str], answer: str, value: float | None, confidence: float | None, text: str | None
) -> Output:
    """Read the columns of an answer that was stored before."""
    output = None if text is None else orjson.loads(text)
    if output is not None and classes:
        output = {label: output[label] for label in classes}  # jsonb has an order of its own
    return Output(answer, value, confidence, output)


def encode_answer(answer: Answer, classes: Sequence[str]) -> Output:
    """Encode an answer of a version with these classes as it is stored."""
    match answer:
        case ClassAnswer(label, confidence, probabilities):
            return Output(label, None, confidence, dict(zip(classes, probabilities, strict=True)))
        case ValueAnswer(value):
            return Output(repr(value), value, None, None)
        case ClusterAnswer(cluster, distances):
            return Output(str(cluster), None, None, distances)
