"""Truth: the label that counts when several people gave feedback on a subject."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import F, Value
from django.db.models.functions import Cast
from psycopg2 import sql

from learning.truth import POLICIES, Policy, restore

from ..db import base
from ..db.fields import DigestField, JSONField
from ..db.writes import APPENDED, NOTHING, Writes
from ..products.product import DataProduct

#: Each author's latest word on a subject that was not taken back, with its place by the policy: those of the first
#: place decide. Of MAJORITY all have the same; of PRIORITY it is that of the first group that the author was in; of
#: LATEST each has its own, the newest the first. A product without a policy has the majority.
LATEST = """
SELECT DISTINCT ON (word.product, subject, entity, author)
       id, word.product, subject, entity, author, answer, kind, quorum,
       CASE kind WHEN 'PRIORITY' THEN COALESCE((
           SELECT min(place) FROM unnest(policy.groups) WITH ORDINALITY AS declared (name, place)
           WHERE name = ANY (word.groups)
       ), cardinality(policy.groups) + 1) WHEN 'LATEST' THEN -id ELSE 0 END AS place
FROM {words} word LEFT JOIN {policies} policy ON policy.product = word.product
WHERE retracted_at IS NULL AND author <> 'TABLE'
ORDER BY word.product, subject, entity, author, id DESC
"""
#: The words that decide have `counts`.
VOICES = f"""
SELECT id, product, subject, entity, author, answer,
       place = min(place) OVER (PARTITION BY product, subject, entity) AS counts
FROM ({LATEST}) latest
"""
#: The majority of the words that decide; null where it is a tie or below the quorum, no row where nobody spoke. Then
#: the label column has the word. Of answers as frequent as another, `mode` has the first in the order of its input, so
#: that two orders differ in a tie. `entity` depends on `subject`; both are grouped by everywhere, so that a condition
#: on either reaches the index below the window.
TRUTHS = f"""
SELECT product, subject, entity,
       CASE WHEN first_answer = last_answer AND words >= COALESCE(quorum, 1) THEN first_answer END AS answer,
       disputed, words
FROM (
    SELECT product, subject, entity, min(quorum) AS quorum,
           mode() WITHIN GROUP (ORDER BY answer) FILTER (WHERE place = first_place) AS first_answer,
           mode() WITHIN GROUP (ORDER BY answer DESC) FILTER (WHERE place = first_place) AS last_answer,
           min(answer) <> max(answer) AS disputed,
           CAST(count(*) FILTER (WHERE place = first_place OR kind = 'LATEST') AS integer) AS words
    FROM (
        SELECT *, min(place) OVER (PARTITION BY product, subject, entity) AS first_place FROM ({LATEST}) latest
    ) placed GROUP BY product, subject, entity
) counted
"""
#: The number of the advisory lock of a product's policy.
POLICY_LOCK = "hashtextextended('truth policy ' || %s, 0)"
#: The tables that the truths of all products are counted from.
STORED = {"words": "store_feedback", "policies": "store_truthpolicy"}


class TruthPolicy(base.BaseModel):
    """The policy by which a product's labels count now: the declared one, or one before it that was not settled yet."""

    #: Those of new products.
    web_writes = APPENDED
    worker_writes = NOTHING

    product = models.CharField(max_length=40, primary_key=True)
    #: MAJORITY, LATEST or PRIORITY.
    kind = models.CharField(max_length=8)
    #: Of PRIORITY, the groups in their order.
    groups = ArrayField(models.CharField(max_length=150), default=list)
    quorum = models.PositiveIntegerField(default=1)
    #: The policy by which label columns may still be written, as `describe` has it; null where all are settled.
    before = JSONField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=[policy.kind for policy in POLICIES]),
                name="truth_policy_is_known",
            ),
            models.CheckConstraint(condition=models.Q(quorum__gte=1), name="quorum_is_somebody"),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.policy}"

    @property
    def policy(self) -> Policy:
        """The policy as an object."""
        return restore(self.kind, self.groups, self.quorum)


class Voice(base.BaseModel):
    """An author's latest word on a subject: a row of a view."""

    web_writes = worker_writes = NOTHING

    #: The number of the feedback.
    id = models.BigIntegerField(primary_key=True)
    product = models.CharField(max_length=40)
    subject = DigestField()
    entity = models.TextField(null=True)
    author = models.CharField(max_length=200)
    answer = models.TextField()
    #: True if it is among those that decide.
    counts = models.BooleanField()

    class Meta:
        managed = False
        db_table = "store_voice"


class Truth(base.BaseModel):
    """The label that feedback gives a subject by the product's policy: what TRUTHS selects, stored.

    Triggers write it in the transaction that changes feedback or a policy, in whatever way that is done.
    """

    #: By triggers.
    web_writes = worker_writes = Writes(
        insert=True, delete=True, update=("entity", "answer", "disputed", "words")
    )

    pk = models.CompositePrimaryKey("product", "subject")
    product = models.CharField(max_length=40)
    subject = DigestField()
    entity = models.TextField(null=True)
    #: Null in a tie, and below the quorum.
    answer = models.TextField(null=True)
    #: True if the authors' latest feedback differs.
    disputed = models.BooleanField()
    #: The authors' latest words that the quorum counts: all, or those of the group that decides.
    words = models.IntegerField()

    class Meta:
        indexes = [
            models.Index(
                fields=["product", "entity"],
                condition=models.Q(entity__isnull=False),
                name="truths_by_entity",
            ),
            models.Index(
                fields=["product", "subject"],
                condition=models.Q(disputed=True),
                name="disputed_truths",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.answer}"


def hold_policy(product: DataProduct) -> None:
    """Hold the product's policy, as many may at once, so that it does not change until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock_shared({POLICY_LOCK})", [product.name])


def lock_policy(product: DataProduct) -> None:
    """Wait for all that hold the product's policy, and let nobody give feedback until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({POLICY_LOCK})", [product.name])


def compile_truths(product: DataProduct, policy: Policy, words: sql.Composable) -> sql.Composable:
    """Compile a SELECT of a product's truths by a policy that need not be the stored one.

    Args:
        words: the SQL of the feedback to read.
    """
    row = sql.SQL("(SELECT {} AS product, {} AS kind, CAST({} AS text[]) AS groups, {} AS quorum)").format(
        *map(sql.Literal, (product.name, policy.kind, list(policy.groups), policy.quorum))
    )
    return sql.SQL(TRUTHS).format(words=words, policies=row)


def find_answers_before(product: DataProduct, subjects: Iterable[str]) -> dict[str, str | None]:
    """Find the answers by the policy before the stored one, of which label columns may still be; none once settled."""
    row = TruthPolicy.objects.filter(product=product.name).exclude(before__isnull=True).first()
    if row is None or row.before is None:
        return {}
    about = sql.SQL(
        "(SELECT * FROM store_feedback WHERE product = {} AND subject = ANY (CAST({} AS uuid[])))"
    )
    words = about.format(sql.Literal(product.name), sql.Literal(list(subjects)))
    truths = compile_truths(product, restore(**row.before), words)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT CAST(subject AS text), answer FROM ({}) truths").format(truths))
        return dict(cursor.fetchall())


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


#: SQL of the number that a text is; null for a label of a class.
_NUMBER = "CAST(substring(%(expressions)s FROM '^-?[0-9.]+(?:e[-+]?[0-9]+)?$') AS double precision)"


def answers(product: DataProduct) -> models.QuerySet[Truth]:
    """Select what feedback says of a product's subjects, with `label`: the class, or the number."""
    is_number, answer = product.problem.has_values, F("answer")
    label = models.Func(answer, template=_NUMBER, output_field=models.FloatField()) if is_number else answer
    return Truth.objects.filter(product=product.name, answer__isnull=False).annotate(label=label)


def column_label(product: DataProduct) -> Any:
    """The label column of the join's base rows as an expression: the class as text, or the number."""
    if product.problem.has_values:
        return Cast(F(product.join.label or ""), models.FloatField())
    return column_text(product)


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
