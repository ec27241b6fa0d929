"""Rows: what is stored of predictions, as tuples, and the one statement that stores them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from learning.model import Answer, ClassAnswer, ClusterAnswer, ValueAnswer

from . import truth
from .product import DataProduct

#: It tells whether a row was there before (only then has it been locked, by `xmax`), and its answer.
UPSERT = """
INSERT INTO store_prediction (id, product, model_id, subject, entity, reference, features, answer, value, confidence,
    output, created_at, updated_at, times_asked)
SELECT id, %(product)s::text, %(model)s::bigint, subject, entity, reference, features::jsonb, answer, value, confidence,
    output::jsonb, now(), now(), asked
FROM unnest(%(id)s::uuid[], %(subject)s::uuid[], %(entity)s::text[], %(reference)s::text[], %(features)s::text[],
    %(answer)s::text[], %(value)s::float8[], %(confidence)s::float8[], %(output)s::text[], %(asked)s::int[])
    AS row (id, subject, entity, reference, features, answer, value, confidence, output, asked)
ON CONFLICT (id) DO UPDATE
SET updated_at = now(), times_asked = store_prediction.times_asked + excluded.times_asked
RETURNING id::text, created_at, updated_at, times_asked, xmax <> 0, answer, value, confidence,
    CASE WHEN xmax <> 0 THEN output::text END
"""

#: UPSERT, parsed and planned once for a connection, and how it is then run.
PREPARE = "PREPARE record AS " + UPSERT % {
    name: f"${place}" for place, name in enumerate(re.findall(r"%\((\w+)\)s", UPSERT), 1)
}
EXECUTE = """
EXECUTE record (%(product)s, %(model)s, %(id)s::uuid[], %(subject)s::uuid[], %(entity)s::text[], %(reference)s::text[],
    %(features)s::text[], %(answer)s::text[], %(value)s::float8[], %(confidence)s::float8[], %(output)s::text[],
    %(asked)s::int[])
"""

#: UPSERT that tells nothing of what it stored.
SILENT = UPSERT.partition("RETURNING")[0]

#: When a row was first asked, when last, and how often.
Stamps = tuple[datetime, datetime, int]


class Question(NamedTuple):
    """What is asked of a model: a cleaned instance, and whom or what it is about."""

    instance: Sequence[Any]
    entity: str | None = None
    reference: str | None = None


class Row(NamedTuple):
    """What is stored of a prediction beside product and version: a tuple, as thousands are made in a second."""

    id: str
    subject: str
    entity: str | None
    reference: str | None
    #: The instance as served, as canonical JSON by the features' names.
    features: str
    answer: str
    value: float | None
    confidence: float | None
    #: JSON of the probabilities by label, or of the distances by cluster.
    output: str | None


def of(
    product: DataProduct, version: Any, questions: Sequence[Question], answers: Sequence[Answer]
) -> list[Row]:
    """The row of each answer, in order."""
    classes = version.signature["classes"]
    return [
        _row(product, version.pk, question, _output(answer, classes))
        for question, answer in zip(questions, answers, strict=True)
    ]


def _row(
    product: DataProduct, version: int, question: Question, output: tuple[str, Any, Any, str | None]
) -> Row:
    instance, entity, reference = question
    features = product.instance_json(instance)
    subject = _subject(product, question, features)
    id = truth.digest(f"{version}\0{subject}\0{features}")
    return Row(id, subject, entity, reference, features, *output)


def _subject(product: DataProduct, question: Question, features: str) -> str:
    if question.entity is not None:
        return truth.subject(product, "entity", question.entity)
    if question.reference is not None:
        return truth.subject(product, "reference", question.reference)
    return truth.subject(product, "features", features)


def _output(answer: Answer, classes: Sequence[str]) -> tuple[str, float | None, float | None, str | None]:
    """Answer, value, confidence and output as they are stored."""
    match answer:
        case ClassAnswer(label, confidence, probabilities):
            by_label = dict(zip(classes, probabilities, strict=True))
            return label, None, confidence, orjson.dumps(by_label).decode()
        case ValueAnswer(value):
            return repr(value), value, None, None
        case ClusterAnswer(cluster, distances):
            return str(cluster), None, None, orjson.dumps(distances).decode()


def parameters(product: DataProduct, version: Any, rows: Sequence[Row]) -> dict[str, Any]:
    """What UPSERT takes for these rows, of which there is at least one."""
    asked = Counter(row.id for row in rows)
    # Each once, as one statement cannot touch a row twice, and sorted, so that two who store the same rows cannot
    # wait for each other.
    distinct = sorted({row.id: row for row in rows}.values())
    columns = dict(zip(Row._fields, map(list, zip(*distinct, strict=True)), strict=True))
    return {
        "product": product.name,
        "model": version.pk,
        **columns,
        "asked": [asked[row.id] for row in distinct],
    }


def array(values: Sequence[str | float | None]) -> str:
    """As PostgreSQL reads an array: of thousands, it takes a third less time than an expression for each."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | float | None) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'
    return "NULL" if value is None else repr(value)


def kept(version: Any, rows: Sequence[Row], returned: Iterable[tuple[Any, ...]]) -> list[tuple[Row, Stamps]]:
    """Each row as it is stored, with its stamps, by what UPSERT returned.

    Asked again, a model may say something else in the last digit, as others are computed beside it: what counts is
    what it said first.
    """
    sent = {row.id: row for row in rows}
    found = {
        id: (_before(sent[id], told, version) if before else sent[id], (created, updated, asked))
        for id, created, updated, asked, before, *told in returned
    }
    return [found[row.id] for row in rows]


def _before(row: Row, told: Sequence[Any], version: Any) -> Row:
    """The row with the answer that was stored before."""
    answer, value, confidence, output = told
    if output is not None and (classes := version.signature["classes"]):
        by_label = orjson.loads(output)  # jsonb has an order of its own
        output = orjson.dumps({label: by_label[label] for label in classes}).decode()
    return row._replace(answer=answer, value=value, confidence=confidence, output=output)
