"""The migration that stores truths: beside who reads them and gives feedback, and taken back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from store.predictions import policies, truth
from store.predictions.feedback import About, Feedback
from store.predictions.truth import Truth
from store.products.product import DataProduct

from ..conftest import version, wait_for_locks
from .test_predictions import question, record

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(name: str | None = None) -> None:
    """Migrate to a migration, or to the newest one."""
    try:
        executor = MigrationExecutor(connection)
        executor.migrate([("store", name)] if name else executor.loader.graph.leaf_nodes("store"))
    finally:
        connection.close()


def list_truths(product: DataProduct) -> list[tuple[str, str | None, int]]:
    rows = Truth.objects.filter(product=product.name)
    return sorted(rows.values_list("subject", "answer", "words"))


@pytest.fixture
def speaker(db: None) -> Iterator[str]:
    """A role that may give feedback. The database is migrated behind the test."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE speaker_of_truths; GRANT INSERT ON store_feedback TO speaker_of_truths")
    yield "speaker_of_truths"
    migrate()
    with connection.cursor() as cursor:
        cursor.execute("DROP OWNED BY speaker_of_truths; DROP ROLE speaker_of_truths")


def list_rights(role: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT privilege_type FROM pg_class, aclexplode(relacl) "
            "WHERE pg_class.oid = 'store_truth'::regclass AND grantee = CAST(%s AS regrole)",
            [role],
        )
        return {privilege for (privilege,) in cursor.fetchall()}


def test_truths_are_stored_beside_feedback_and_are_a_view_again(stay: DataProduct, speaker: str) -> None:
    policies.insert_missing([stay])
    requests = [question(stay, {"reference": name}) for name in ("slip", "slope")]
    predictions = record(stay, version(stay), *requests)
    ann, bob = (About(reference="slip"), "True", "ann"), (About(prediction=predictions[1].pk), "True", "bob")
    Feedback.objects.give(stay, *ann)
    stored = list_truths(stay)
    migrate("0042_erasing")
    assert list_truths(stay) == stored
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            truth.hold_policy(stay)
            assert truth.find_truths(stay, [stored[0][0]])
            migrating = pool.submit(migrate)
            wait_for_locks(1)
            giving = pool.submit(give, stay, bob)
            wait_for_locks(2)
            Feedback.objects.give(stay, ann[0], "False", "eva")
        migrating.result()
        giving.result()
    assert sorted(list_truths(stay)) == sorted([(stored[0][0], None, 2), (predictions[1].subject, "True", 1)])

    assert list_rights(speaker) == {"SELECT", "INSERT", "DELETE"}


def give(product: DataProduct, word: tuple[About, str, str]) -> None:
    try:
        Feedback.objects.give(product, *word)
    finally:
        connection.close()
