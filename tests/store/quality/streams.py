"""Streams of predictions and words, stored as rows of any time, and their naive recount by pandas."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
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


def majority(words: pd.DataFrame) -> str | None:
    """The answer of most of the authors' latest words that were not taken back; None in a tie or without any."""
    people = words[(words.author != TABLE) & words.retracted_at.isna()].sort_values("id")
    votes = people.groupby("author").answer.last().value_counts()
    first = votes[votes == votes.max()] if len(votes) else votes
    return str(first.index[0]) if len(first) == 1 else None


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
    by_subject = dict(iter(words.groupby("subject")))
    outcomes, truths, delays = [], [], []
    for row in predictions.itertuples():
        about = by_subject.get(row.subject)
        spoken = about[about.author != TABLE] if about is not None else []
        answer = majority(about) if about is not None else None
        in_force = len(spoken) and spoken.retracted_at.isna().any()
        tables = about[about.author == TABLE].sort_values("id") if about is not None else []
        delay = (spoken.created_at.min() - row.created_at).total_seconds() if len(spoken) else None
        if answer is None:
            outcome = "DISPUTED" if in_force else "UNLABELLED"
        elif delay <= 0:
            outcome = "TRUTH_BEFORE"
        elif len(tables) and pd.notna(tables.answer.iloc[0]):
            outcome = "LABEL_IN_TABLE"
        else:
            outcome = "COUNTS"
        outcomes.append(outcome)
        truths.append(answer)
        delays.append(delay)
    result = predictions.assign(outcome=outcomes, truth=truths, delay=delays)
    counting = result[result.outcome == "COUNTS"]
    older = counting.duplicated(["model_id", "subject"], keep="last")
    result.loc[older[older].index, "outcome"] = "OLDER"
    return result
