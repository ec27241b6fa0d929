"""Filters of predictions: conditions, all of which must hold, and what they become in SQL."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.db.models import Exists, F, OuterRef, Q, TextField, Value
from django.db.models.functions import Lower
from django.db.models.lookups import In

from ..db import conditions, searches
from ..db.conditions import Condition
from ..products.product import DataProduct
from . import stored_features, truth

#: Conditions that are on a column of their own.
COLUMNS = ("model_id", "answer", "value", "confidence", "created_at")


@dataclass(frozen=True, kw_only=True)
class PredictionConditions:
    """Conditions on predictions; an empty one, or None, is no condition."""

    #: On the key of the row that it is about.
    entity: Condition = field(default_factory=dict)
    reference: Condition = field(default_factory=dict)
    #: On the number of the model version.
    model_id: Condition = field(default_factory=dict)
    #: On the label or the cluster, as the text that is stored.
    answer: Condition = field(default_factory=dict)
    #: On the number of a regression.
    value: Condition = field(default_factory=dict)
    confidence: Condition = field(default_factory=dict)
    created_at: Condition = field(default_factory=dict)
    #: On the label that feedback gives the subject: the class as text, or the number.
    truth: Condition = field(default_factory=dict)
    #: On the features of the product, by name, with values as its columns have them.
    features: Mapping[str, Condition] = field(default_factory=dict)
    #: True: feedback gives the subject a label.
    labelled: bool | None = None
    #: True: the authors of feedback on the subject disagree.
    disputed: bool | None = None
    #: True: feedback gives the subject another label than was predicted. False: feedback confirms it.
    wrong: bool | None = None
    #: True: somebody was answered with it. False: a version has made it beside the champion. None: no condition.
    served: bool | None = True
    #: How the key or the reference begins, in upper or lower case.
    search: str | None = None


def compile(product: DataProduct, wanted: PredictionConditions) -> Iterator[Q]:
    """Compile conditions on the predictions of a product."""
    if wanted.served is not None:
        yield Q(served=wanted.served)
    yield _names(product, wanted)
    for name in COLUMNS:
        yield conditions.on_column(name, getattr(wanted, name))
    columns = {column.name: column for column in (*product.columns, *product.retired)}
    for name, condition in wanted.features.items():
        matched = stored_features.matching(columns[name], condition)
        yield matched if name in product.indexed_features else conditions.unestimated(matched)
    yield _truths(product, wanted)
    if wanted.search:
        yield Q(searches.begins_with(F("entity"), wanted.search)) | Q(
            searches.begins_with(F("reference"), wanted.search)
        )


def _names(product: DataProduct, wanted: PredictionConditions) -> Q:
    """Compile the conditions on entity and reference, and those by which an index serves them."""
    matched = conditions.on_column("entity", wanted.entity) & conditions.on_column(
        "reference", wanted.reference
    )
    if keys := _listed(wanted.entity):
        matched &= Q(subject__in=[truth.subject_of_entity(product, key) for key in keys])
    if references := _listed(wanted.reference):
        lowered = [Lower(Value(reference, TextField())) for reference in references]
        matched &= Q(In(searches.searchable("reference"), lowered))
    return matched


def _listed(condition: Condition) -> list[str]:
    """List the values of which it can be one."""
    value = condition.get("eq")
    return list(condition.get("in") or ()) if value is None else [value]


def _truths(product: DataProduct, wanted: PredictionConditions) -> Q:
    """Compile the conditions on what feedback says, each as a look at the subject's truth.

    A page then looks at the truths of a few predictions, where a list of subjects would be that of all truths.
    """
    agreed = truth.answers(product).filter(subject=OuterRef("subject"))
    labels = {name: value for name, value in wanted.truth.items() if name != "is_null"}
    is_labelled = Q(Exists(agreed))
    matched = conditions.on_null(wanted.truth, ~is_labelled)
    if any(value is not None for value in labels.values()):
        matched &= Q(Exists(agreed.filter(conditions.on_column("label", labels))))
    if wanted.labelled is not None:
        matched &= is_labelled if wanted.labelled else ~is_labelled
    if wanted.disputed is not None:
        truths = truth.Truth.objects.filter(product=product.name, subject=OuterRef("subject"))
        is_disputed = Q(Exists(truths.filter(disputed=True)))
        matched &= is_disputed if wanted.disputed else ~is_disputed
    if wanted.wrong is not None:
        same = Q(label=OuterRef("answer"))
        matched &= Q(Exists(agreed.exclude(same) if wanted.wrong else agreed.filter(same)))
    return matched
