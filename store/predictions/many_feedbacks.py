"""Many feedbacks of one request: those on different subjects in bulk, the others one by one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import DatabaseError, transaction

from learning.exceptions import ExemplarError

from ..access import acting, groups
from ..access.permissions import Permission
from ..db import pagination
from ..entities import base_rows
from ..exceptions import StoreError
from ..products.product import DataProduct
from . import bulk_feedback, truth
from .bulk_feedback import BulkResult, Word
from .feedback import About, Feedback, FeedbackResult
from .predictions import Prediction

#: Feedbacks that are not worth a bulk.
FEW = 3

#: The arguments of `FeedbackManager.give`, by name.
Values = Mapping[str, Any]


def give(product: DataProduct, requests: Sequence[Values]) -> list[FeedbackResult | ExemplarError]:
    """Give feedback as `FeedbackManager.give` does each; one that is refused has its error, the others are stored."""
    results = _give_in_bulk(product, requests) if len(requests) > FEW else {}
    outcomes = [
        results[place] if place in results else _give_one(product, values)
        for place, values in enumerate(requests)
    ]
    pagination.share_lookups([result.feedback for result in outcomes if isinstance(result, FeedbackResult)])
    return outcomes


def _give_one(product: DataProduct, values: Values) -> FeedbackResult | ExemplarError:
    try:
        with transaction.atomic():
            return Feedback.objects.give(product, **values)
    except ExemplarError as refusal:
        return refusal


def _give_in_bulk(product: DataProduct, requests: Sequence[Values]) -> dict[int, FeedbackResult]:
    """Give what is about a subject of its own that exists. Returns: the results by place; none where any is refused."""
    try:
        acting.require(Permission.FEEDBACK, product.name)
        with transaction.atomic():
            words = _read_words(product, requests)
            bulk_feedback.lock(product, [word.subject for word in words.values()])
            result = bulk_feedback.give(product, list(words.values()))
            if result.missing or _lacks_prediction(product, words.values()):
                # One of them needs a row, or a refusal of its own.
                transaction.set_rollback(True)
                return {}
    except (DatabaseError, StoreError):
        return {}
    return dict(zip(words, _split(words.values(), result), strict=True))


def _lacks_prediction(product: DataProduct, words: Iterable[Word]) -> bool:
    """Return True if a reference has no prediction any more: it was erased before its subject was locked."""
    references = {word.subject for word in words if word.reference and not word.prediction}
    return references != _find_predicted(product, list(references))


def _split(words: Any, result: BulkResult) -> list[FeedbackResult]:
    """Say of each word what it has changed; its subject has no other word."""
    return [
        FeedbackResult(
            feedback, is_new, int(word.entity in result.changed), result.not_written.get(word.entity or "")
        )
        for word, feedback, is_new in zip(words, result.feedback, result.created, strict=True)
    ]


def _read_words(product: DataProduct, requests: Sequence[Values]) -> dict[int, Word]:
    """Make words of the requests whose subject is found and is no other's, by place."""
    abouts: list[About] = [values["about"] for values in requests]
    predictions = _lock_predictions(product, [about.prediction for about in abouts if about.prediction])
    subjects = [_find_subject(product, about, predictions) for about in abouts]
    predicted = _find_predicted(
        product, [truth.subject_of_reference(product, a.reference) for a in abouts if a.reference]
    )
    times = Counter(subjects)
    entities = {*(about.entity for about in abouts), *(row.entity for row in predictions.values())}
    existing = base_rows.existing(product, filter(None, entities))
    groups_of = {author: groups.names_of(author) for author in {values["author"] for values in requests}}
    words = {}
    for place, (values, about, subject) in enumerate(zip(requests, abouts, subjects, strict=True)):
        if subject is None or times[subject] > 1 or (about.reference and subject not in predicted):
            continue
        prediction = predictions.get(about.prediction or "")
        entity = prediction.entity if prediction else about.entity
        if entity is not None and entity not in existing:
            continue
        words[place] = Word(
            subject=subject,
            author=values["author"],
            answer=values["answer"],
            groups=groups_of[values["author"]],
            entity=entity,
            reference=prediction.reference if prediction else about.reference,
            prediction=prediction,
            observed_at=values.get("observed_at"),
            comment=values.get("comment") or "",
        )
    return words


def _find_subject(product: DataProduct, about: About, predictions: Mapping[str, Prediction]) -> str | None:
    """Find the subject; None for a prediction that there is not."""
    if about.prediction is not None:
        return predictions[about.prediction].subject if about.prediction in predictions else None
    if about.entity is not None:
        return truth.subject_of_entity(product, about.entity)
    return truth.subject_of_reference(product, about.reference or "")


def _lock_predictions(product: DataProduct, ids: Sequence[str]) -> dict[str, Prediction]:
    """Find predictions, and let none of them be deleted before the feedback on it is committed."""
    locked = Prediction.objects.select_for_update(of=("self",), no_key=True) if ids else None
    rows = locked.filter(product=product.name, pk__in=set(ids)).order_by("pk") if locked is not None else ()
    return {row.pk: row for row in rows}


def _find_predicted(product: DataProduct, subjects: Sequence[str]) -> set[str]:
    """Find the subjects that a prediction is about."""
    if not subjects:
        return set()
    rows = Prediction.objects.filter(product=product.name, subject__in=set(subjects))
    return set(rows.order_by().values_list("subject", flat=True).distinct())
