"""Truth: the label that counts when several people gave feedback on a subject."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Cast

from ..db import base
from ..db.fields import DigestField
from ..products.product import DataProduct

#: The majority of each person's latest word that was not taken back; null where it is a tie, no row where nobody
#: spoke. Then the label column has the word. `entity` depends on `subject`; both are grouped by, so that a condition
#: on either reaches the index below the window.
VIEW = """
CREATE VIEW store_truth AS
WITH latest AS (
    SELECT DISTINCT ON (product, subject, entity, author) product, subject, entity, author, answer
    FROM store_feedback
    WHERE retracted_at IS NULL AND author <> 'TABLE'
    ORDER BY product, subject, entity, author, id DESC
), votes AS (
    SELECT product, subject, entity, answer, count(*) AS voices
    FROM latest GROUP BY product, subject, entity, answer
), ranked AS (
    SELECT *, rank() OVER (PARTITION BY product, subject, entity ORDER BY voices DESC) AS place FROM votes
)
SELECT product, subject, entity,
       CASE WHEN count(*) FILTER (WHERE place = 1) = 1 THEN min(answer) FILTER (WHERE place = 1) END AS answer,
       count(*) > 1 AS disputed
FROM ranked GROUP BY product, subject, entity
"""


class Truth(base.BaseModel):
    """The label that the majority of feedback gives a subject: a row of the view."""

    product = models.CharField(max_length=40)
    subject = DigestField(primary_key=True)
    entity = models.TextField(null=True)
    #: Null in a tie.
    answer = models.TextField(null=True)
    #: True if the authors' latest feedback differs.
    disputed = models.BooleanField()

    class Meta:
        managed = False
        db_table = "store_truth"


def find_truths(product: DataProduct, subjects: Iterable[str]) -> dict[str, Truth]:
    """Find the truth of each of the subjects; subjects without feedback are absent."""
    return {row.subject: row for row in Truth.objects.filter(product=product.name, subject__in=set(subjects))}


def subject_of_entity(product: DataProduct, key: str) -> str:
    """The subject's UUID of an entity."""
    return subject(product, "entity", key)


def subject_of_reference(product: DataProduct, reference: str) -> str:
    """The subject's UUID of a reference."""
    return subject(product, "reference", reference)


def subject(product: DataProduct, kind: str, name: str) -> str:
    """The text of a subject's UUID. `kind` is "entity", "reference", or "features" for canonical features."""
    return digest(f"{product.name}\0{kind}\0{name}")


def digest(text: str) -> str:
    """A hash of `text`, written as UUIDs are."""
    hash = blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{hash[:8]}-{hash[8:12]}-{hash[12:16]}-{hash[16:20]}-{hash[20:]}"


def column_text(product: DataProduct) -> Any:
    """The label column of the join's base rows as an expression: the text that answers are stored as."""
    join = product.join
    assert join.label is not None and join.label_column is not None
    text = models.TextField()
    if product.problem.has_values:
        return Cast(Cast(F(join.label), models.FloatField()), text)
    if join.label_column.field_kind.is_boolean:
        yes, no = (models.When(**{join.label: value}, then=Value(str(value))) for value in (True, False))
        return models.Case(yes, no, default=Value(None), output_field=text)
    return Cast(join.label_column.select(F(join.label)), text)
