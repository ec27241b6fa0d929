"""Streams of predictions and words, stored as rows of any time, and their naive recount by pandas."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
from django.db import connection

from store.access.actors import TABLE
from store.predictions import truth
from store.predictions.feedback import Feedback
from store.predictions.predictions import Prediction
from store.products.product import DataProduct
from store.registry.versions import ModelVersion

from ..conftest import NOON

MINUTE = timedelta(minutes=1)


def store_prediction(
    product: DataProduct, version: ModelVersion, subject: str, at: datetime, serial: int, **columns: Any
) -> Prediction:
    """A stored prediction about a reference."""
    return Prediction.objects.create(
        id=truth.digest(f"{version.pk} {subject} {serial}"),
        product=product.name,
        model=version,
        subject=truth.subject_of_reference(product, subject),
        reference=subject,
        features={},
        created_at=at,
        updated_at=at,
        **columns,
    )


def answer_class(classes: Sequence[str], probabilities: Sequence[float]) -> dict[str, Any]:
    """The columns of a classifier's answer."""
    label = classes[int(np.argmax(probabilities))]
    return {
        "answer": label,
        "confidence": max(probabilities),
        "output": dict(zip(classes, probabilities, strict=True)),
    }


def answer_value(value: float) -> dict[str, Any]:
    """The columns of a regressor's answer."""
    return {"answer": repr(value), "value": value}


def store_word(product: DataProduct, subject: str, author: str, answer: str | None, at: datetime) -> Feedback:
    """A word of some time."""
    return Feedback.objects.create(
        product=product.name,
        subject=truth.subject_of_reference(product, subject),
        reference=subject,
        author=author,
        answer=answer,
        created_at=at,
    )


def stream(product: DataProduct, versions: Sequence[ModelVersion], seed: int, size: int = 400) -> None:
    """Predictions by several versions, words before, between and after them, doubts, retractions and tables' labels."""
    random = np.random.default_rng(seed)
    classes = [label.text for label in product.labels]
    for serial in range(size):
        at, subject = NOON + serial * MINUTE * 7, f"subject {random.integers(size // 3)}"
        kind = random.random()
        if kind < 0.55:
            chosen = int(random.integers(len(versions)))
            if classes:
                learned = versions[chosen].signature["classes"]
                columns = answer_class(learned, random.dirichlet(np.ones(len(learned))).tolist())
            else:
                columns = answer_value(float(random.normal(50, 10)))
            store_prediction(product, versions[chosen], subject, at, serial, **columns)
        elif kind < 0.9:
            label = str(random.choice(classes)) if classes else repr(float(random.normal(50, 10)))
            store_word(product, subject, str(random.choice(["ann", "bob", "eve"])), label, at)
        elif kind < 0.95:
            words = Feedback.objects.filter(product=product.name, retracted_at=None).exclude(author=TABLE)
            if pks := list(words.order_by("pk").values_list("pk", flat=True)):
                words.filter(pk=random.choice(pks)).update(retracted_at=at)
        else:
            label = None if random.random() < 0.5 else (classes[0] if classes else "1.0")
            if not Feedback.objects.filter(subject=truth.subject_of_reference(product, subject)).exists():
                store_word(product, subject, TABLE, label, at)


def dump(table: str) -> pd.DataFrame:
    """All rows of a table."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        names = [column.name for column in cursor.description]
        rows = [[str(cell) if isinstance(cell, UUID) else cell for cell in row] for row in cursor.fetchall()]
        return pd.DataFrame(rows, columns=names)


def by_subject(words: pd.DataFrame) -> dict[str, list[Any]]:
    """The words about each subject, in the order in which they were stored."""
    about: dict[str, list[Any]] = {}
    for word in words.sort_values("id").itertuples():
        about.setdefault(word.subject, []).append(word)
    return about


def majority(words: Sequence[Any]) -> str | None:
    """The answer of most of the authors' latest words that were not taken back; None in a tie or without any."""
    people = [word for word in words if word.author != TABLE and pd.isna(word.retracted_at)]
    votes = Counter({word.author: word.answer for word in people}.values())
    best = max(votes.values(), default=0)
    first = [answer for answer, count in votes.items() if count == best]
    return str(first[0]) if len(first) == 1 else None


class Subject(NamedTuple):
    """What the words about a subject amount to."""

    truth: str | None = None
    #: True if a person's word holds.
    in_force: bool = False
    #: When a person first said something.
    first: Any = None
    #: The table's label.
    label: str | None = None


def sum_up(words: Sequence[Any]) -> Subject:
    people, tables = ([w for w in words if (w.author == TABLE) is of_table] for of_table in (False, True))
    return Subject(
        truth=majority(words),
        in_force=any(pd.isna(word.retracted_at) for word in people),
        first=min((word.created_at for word in people), default=None),
        label=tables[0].answer if tables and pd.notna(tables[0].answer) else None,
    )


def recount(version: ModelVersion | None = None, since: Any = None, until: Any = None) -> pd.DataFrame:
    """Every prediction of the window, with its truth and what becomes of it, one row after the other."""
    predictions, words = dump("store_prediction"), dump("store_feedback")
    if version is not None:
        predictions = predictions[predictions.model_id == version.pk]
    if since is not None:
        predictions = predictions[predictions.created_at >= since]
    if until is not None:
        predictions = predictions[predictions.created_at < until]
    predictions = predictions.sort_values(["created_at", "id"]).reset_index(drop=True)
    subjects = {subject: sum_up(about) for subject, about in by_subject(words).items()}
    outcomes, truths, delays = [], [], []
    for row in predictions.itertuples():
        about = subjects.get(row.subject, Subject())
        delay = None if about.first is None else (about.first - row.created_at).total_seconds()
        if about.truth is None:
            outcome = "DISPUTED" if about.in_force else "UNLABELLED"
        elif delay is None or delay <= 0:
            outcome = "TRUTH_BEFORE"
        elif about.label is not None:
            outcome = "LABEL_IN_TABLE"
        else:
            outcome = "COUNTS"
        outcomes.append(outcome)
        truths.append(about.truth)
        delays.append(delay)
    result = predictions.assign(outcome=outcomes, truth=truths, delay=delays)
    counting = result[result.outcome == "COUNTS"]
    older = counting.duplicated(["model_id", "subject"], keep="last")
    result.loc[older[older].index, "outcome"] = "OLDER"
    return result
