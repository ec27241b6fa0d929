"""Rows: what is stored of predictions, as tuples, and the one statement that stores them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from learning.model import Answer, ClassAnswer, ClusterAnswer, ValueAnswer

from ..products.product import DataProduct
from . import truth

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

#: INSERT, which tells when, and what it found of the rows that were there before: only those have been locked, by
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

#: When a row was first asked, when last, and how often.
Stamps = tuple[datetime, datetime, int]


class Question(NamedTuple):
    """What is asked of a model: a cleaned instance, and whom or what it is about."""

    instance: Sequence[Any]
    entity: str | None = None
    reference: str | None = None


class PredictionRow(NamedTuple):
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


def rows_of(
    product: DataProduct, version: Any, questions: Sequence[Question], answers: Sequence[Answer]
) -> list[PredictionRow]:
    """The row of each answer, in order."""
    classes = version.signature["classes"]
    return [
        _row(product, version.pk, question, _output(answer, classes))
        for question, answer in zip(questions, answers, strict=True)
    ]


def _row(
    product: DataProduct, version: int, question: Question, output: tuple[str, Any, Any, str | None]
) -> PredictionRow:
    instance, entity, reference = question
    features = product.instance_json(instance)
    subject = _subject(product, question, features)
    id = truth.digest(f"{version}\0{subject}\0{features}")
    return PredictionRow(id, subject, entity, reference, features, *output)


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


def parameters(product: DataProduct, version: Any, rows: Sequence[PredictionRow]) -> dict[str, Any]:
    """What UPSERT takes for these rows, of which there is at least one."""
    asked = Counter(row.id for row in rows)
    # Each once, as one statement cannot touch a row twice, and sorted, so that two who store the same rows cannot
    # wait for each other.
    distinct = sorted({row.id: row for row in rows}.values())
    columns = dict(zip(PredictionRow._fields, zip(*distinct, strict=True), strict=True))
    return {
        "product": product.name,
        "model": version.pk,
        # Nothing in them is to be escaped.
        "id": f"{{{','.join(columns['id'])}}}",
        "subject": f"{{{','.join(columns['subject'])}}}",
        **{name: _array(columns[name]) for name in ("entity", "reference", "answer", "value", "confidence")},
        "features": SEPARATOR.join(columns["features"]),
        "output": SEPARATOR.join(output or "" for output in columns["output"]),
        "asked": _array([asked[row.id] for row in distinct]),
    }


def _array(values: Sequence[str | float | None]) -> str:
    """As PostgreSQL reads an array."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | float | None) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'
    return "NULL" if value is None else repr(value)


def kept(
    version: Any, rows: Sequence[PredictionRow], returned: Iterable[tuple[Any, ...]]
) -> list[tuple[PredictionRow, Stamps]]:
    """Each row as it is stored, with its stamps, by what UPSERT returned.

    Asked again, a model may say something else in the last digit, as others are computed beside it: what counts is
    what it said first.
    """
    (_, now, *_), *before = returned
    asked = Counter(row.id for row in rows)
    found = {row.id: (row, (now, now, asked[row.id])) for row in rows}
    for id, created, updated, times, *told in before:
        found[id] = _before(found[id][0], told, version), (created, updated, times)
    return [found[row.id] for row in rows]


def _before(row: PredictionRow, told: Sequence[Any], version: Any) -> PredictionRow:
    """The row with the answer that was stored before."""
    answer, value, confidence, output = told
    if output is not None and (classes := version.signature["classes"]):
        by_label = orjson.loads(output)  # jsonb has an order of its own
        output = orjson.dumps({label: by_label[label] for label in classes}).decode()
    return row._replace(answer=answer, value=value, confidence=confidence, output=output)
