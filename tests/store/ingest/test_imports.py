"""Imports: a file that was sent is loaded by a job, all or nothing, whatever happens to worker and file."""

import io
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Q

from examples.tumor.models import Biopsy
from learning.problem import Clustering
from store.access.acting import acting_as
from store.access.actors import Actor
from store.exceptions import BadInput, Forbidden, NotWritable
from store.ingest import imports
from store.ingest.imports import Import, ImportPart
from store.jobs import queue
from store.jobs.jobs import MAX_ATTEMPTS, Superseded
from store.models import AuditEntry
from store.predictions.feedback import About, Feedback
from store.products import catalogue
from store.products.features import Join
from store.products.product import DataProduct
from store.runtime import maintenance
from tests.clinic.models import Operation

from ..conftest import declared
from ..predictions.test_policies import member

pytestmark = pytest.mark.django_db(transaction=True)

BIOPSIES = b"number,taken_at,diagnosis\nB-1,2024-05-17 12:00,benign\nB-2,2024-05-17T12:00:00Z,malignant\n"
FEEDBACK = b"entity,label,comment\nB-1,malignant,second look\nB-2,malignant,\nB-9,benign,\n"
BROKEN = BIOPSIES + b"B-3,yesterday,benign\nB-4,2024-05-17,neither\n"


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing in the queue, which other tests read."""
    monkeypatch.setattr(queue, "enqueue", lambda kind, pk: True)


@pytest.fixture
def tumor() -> DataProduct:
    return catalogue.get("tumor")


def request(product: DataProduct, content: bytes = BIOPSIES, **options: Any) -> Import:
    job, _ = Import.objects.request(
        product, "ann", io.BytesIO(content), **({"name": "biopsies.csv"} | options)
    )
    return job


def run(job: Import) -> Import:
    claimed = Import.objects.claim(job.pk)
    assert claimed
    imports.run(claimed)
    return Import.objects.get(pk=job.pk)


def counts(job: Import) -> tuple[int, int, int, int]:
    return job.inserted, job.updated, job.unchanged, job.rejected


def test_a_file_is_loaded_and_its_parts_are_deleted(
    tumor: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PART_BYTES", 16)
    job = request(tumor)
    assert ImportPart.objects.filter(job=job).count() == -(-len(BIOPSIES) // 16)
    done = run(job)
    assert (done.status, done.percent, counts(done)) == ("SUCCEEDED", 100.0, (2, 0, 0, 0))
    assert Biopsy.objects.count() == 2 and not ImportPart.objects.exists()
    assert AuditEntry.objects.get(act="IMPORT").ids == [f"Import:{job.pk}"]
    again = run(request(tumor))
    assert counts(again) == (0, 0, 2, 0)


def test_the_same_file_is_imported_once_at_a_time(tumor: DataProduct) -> None:
    job = request(tumor)
    again, started = Import.objects.request(tumor, "bob", io.BytesIO(BIOPSIES), name="other.csv")
    assert (again.pk, started) == (job.pk, False)
    assert request(tumor, BROKEN).pk != job.pk


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (BROKEN, "biopsies.csv, line 4, column taken_at: 'yesterday'"),
        (b"colour,shape\nred,round\n", "biopsies.csv"),
        (b"number,taken_at,diagnosis\n", "biopsies.csv has a header and no rows."),
        (b"\x00\xff\x00\xfe" * 50, "biopsies.csv"),
        (b"PK\x03\x04" + b"x" * 50, "biopsies.csv is a zip archive"),
    ],
)
def test_a_file_that_does_not_fit_leaves_nothing(tumor: DataProduct, content: bytes, sentence: str) -> None:
    done = run(request(tumor, content))
    assert (done.status, done.problem_code) == ("FAILED", "BAD_INPUT")
    assert done.problem_message.startswith(sentence) and "exemplar-build" not in done.problem_message
    assert not Biopsy.objects.exists()
    assert not ImportPart.objects.filter(is_reject_list=False).exists()


@pytest.mark.parametrize("feedback", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("biopsies.csv", b"x\0y\n1\n", "x\\x00y"),
        ("biopsies.jsonl", b'{"x\\ud800y": 1}\n', "x\\ud800y"),
        ("biopsies.csv", b"x" * 1_000_000 + b"\n1\n", "x … x"),
    ],
)
def test_a_problem_that_quotes_the_file_can_be_stored_and_read(
    tumor: DataProduct, name: str, content: bytes, shown: str, feedback: bool
) -> None:
    done = run(request(tumor, content, name=name, author="ann" if feedback else ""))
    assert (done.status, done.problem_code) == ("FAILED", "BAD_INPUT")
    assert len(done.problem_message) < 5_000
    assert not feedback or shown in done.problem_message


def test_names_of_new_columns_are_stored_as_far_as_a_column_takes_them(tumor: DataProduct) -> None:
    content = b"number,taken_at,diagnosis,x\0y," + b"z" * 10_000 + b"\nB-8,2026-01-01,benign,1,2\n"
    done = run(request(tumor, content))
    assert done.status == "SUCCEEDED", done.problem_message
    assert done.new_columns[0] == "x\\x00y" and len(done.new_columns[1]) < 1_000


def test_rejected_rows_are_listed_whether_the_others_are_loaded_or_not(tumor: DataProduct) -> None:
    for most, status, rows in ((1, "FAILED", 0), (2, "SUCCEEDED", 2)):
        done = run(request(tumor, BROKEN, max_rejects=most))
        assert (done.status, done.rejected, Biopsy.objects.count()) == (status, 2, rows)
        listed = b"".join(ImportPart.objects.read(done, is_reject_list=True)).decode().splitlines()
        assert listed[0] == "file,line,column,value,reason" and len(listed) == 3
        assert "B-3" not in listed[1] and "yesterday" in listed[1]


def test_a_dry_run_counts_as_the_import_does_and_leaves_nothing(tumor: DataProduct) -> None:
    tried = run(request(tumor, BROKEN, max_rejects=9, dry_run=True))
    assert (tried.status, counts(tried)) == ("SUCCEEDED", (2, 0, 0, 2))
    assert not Biopsy.objects.exists() and not AuditEntry.objects.filter(act="IMPORT").exists()
    assert b"".join(ImportPart.objects.read(tried, is_reject_list=True)).count(b"\n") == 3
    done = run(request(tumor, BROKEN, max_rejects=9))
    assert counts(done) == counts(tried) and Biopsy.objects.count() == 2


def test_a_dry_run_is_another_job_than_the_import_of_the_same_file(tumor: DataProduct) -> None:
    jobs = [request(tumor, dry_run=dry_run).pk for dry_run in (True, False, True)]
    assert jobs[0] == jobs[2] != jobs[1]


def test_feedback_of_a_file_is_given_in_its_authors_name(tumor: DataProduct) -> None:
    run(request(tumor))
    member("ann", "pathologists")
    tried = run(request(tumor, FEEDBACK, author="ann", max_rejects=1, dry_run=True))
    assert (tried.status, counts(tried)) == ("SUCCEEDED", (2, 0, 0, 1))
    assert not Feedback.objects.exists()
    done = run(request(tumor, FEEDBACK, author="ann", max_rejects=1))
    assert (done.status, done.remarks, counts(done)) == ("SUCCEEDED", [], (2, 0, 0, 1))
    words = Feedback.objects.from_people().order_by("pk").values_list("author", "answer", "comment")
    assert list(words) == [("ann", "malignant", "second look"), ("ann", "malignant", "")]
    assert set(Biopsy.objects.values_list("diagnosis", flat=True)) == {"malignant"}
    assert [word.groups for word in Feedback.objects.from_people()] == [["pathologists"]] * 2
    assert counts(run(request(tumor, FEEDBACK, author="ann", max_rejects=1))) == (0, 0, 2, 1)
    assert counts(run(request(tumor, FEEDBACK, author="ann"))) == (0, 0, 0, 1)
    assert AuditEntry.objects.filter(act="IMPORT", details__author="ann").count() == 3


def test_a_file_of_rows_and_of_each_authors_feedback_are_jobs_of_their_own(tumor: DataProduct) -> None:
    jobs = [request(tumor, FEEDBACK, author=author).pk for author in ("", "ann", "bob", "ann")]
    assert len(set(jobs)) == 3 and jobs[1] == jobs[3]


def test_feedback_needs_labels_and_no_rows_that_are_written(tumor: DataProduct, settings: Any) -> None:
    clusters = declared({"urgency": "urgency"}, label=None, problem=Clustering(), writes="none")
    with pytest.raises(BadInput, match="no labels"):
        request(clusters, FEEDBACK, author="ann")
    assert request(declared({"urgency": "urgency"}, writes="none"), FEEDBACK, author="ann").author == "ann"
    join = Join(Operation.objects.all(), features={"urgency": "urgency"}, visible_to=lambda actor: Q(pk=0))
    some = DataProduct(name="declared", problem=Clustering(), join=join)
    administrator = Actor(author="ann", name="ann", superuser=True)
    with acting_as(administrator), pytest.raises(Forbidden, match="give feedback one by one"):
        request(some, FEEDBACK, author="ann")


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b" + b"x" * 20])
def test_what_is_empty_or_compressed_is_refused_at_once(tumor: DataProduct, content: bytes) -> None:
    with pytest.raises(BadInput):
        request(tumor, content)
    assert not Import.objects.exists()


def test_only_who_may_write_all_rows_imports(tumor: DataProduct, settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    with acting_as(Actor(author="ann", name="ann")), pytest.raises(Forbidden):
        request(tumor)
    with pytest.raises(NotWritable):
        request(declared({"urgency": "urgency"}, writes="label"))
    assert not Import.objects.exists()


def test_a_killed_worker_leaves_the_file_for_the_next_one(tumor: DataProduct) -> None:
    job = request(tumor)
    lost = Import.objects.claim(job.pk)
    assert lost
    Import.objects.abandon(lost.pk, lost.attempt)
    done = run(job)
    assert (done.status, done.attempt, counts(done)) == ("SUCCEEDED", 2, (2, 0, 0, 0))
    with transaction.atomic(), pytest.raises(Superseded):
        lost.succeed(None)  # type: ignore[arg-type]


def test_a_worker_that_is_lost_again_and_again_fails_the_import_and_the_file_goes(tumor: DataProduct) -> None:
    job = request(tumor)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert Import.objects.claim(job.pk)
        Import.objects.abandon(job.pk, attempt)
    job.refresh_from_db()
    assert (job.status, job.problem_code) == ("FAILED", "WORKER_LOST")
    assert not ImportPart.objects.exists()


def test_a_cancelled_import_leaves_nothing(tumor: DataProduct) -> None:
    job = request(tumor)
    claimed = Import.objects.claim(job.pk)
    assert claimed
    Import.objects.cancel(job.pk, "bob")
    with transaction.atomic(), pytest.raises(Superseded):
        claimed.hold()
    job.refresh_from_db()
    assert (job.status, ImportPart.objects.count(), Biopsy.objects.count()) == ("CANCELLED", 0, 0)
    assert AuditEntry.objects.filter(act="CANCEL_IMPORT").count() == 1


def test_an_attempt_that_was_superseded_writes_no_row(
    tumor: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = request(tumor)
    claimed = Import.objects.claim(job.pk)
    assert claimed
    Import.objects.filter(pk=job.pk).update(attempt=7)
    monkeypatch.setattr("store.jobs.leases.RENEWAL_SECONDS", 60.0)
    imports.run(claimed)
    assert not Biopsy.objects.exists()
    assert Import.objects.get(pk=job.pk).status == "RUNNING"


def test_upkeep_deletes_old_lists_and_files_that_nobody_needs(tumor: DataProduct) -> None:
    done = run(request(tumor, BROKEN))
    ImportPart.objects.create(job=done, number=0, content=b"left")
    waiting = request(tumor)
    ImportPart.objects.delete_old()
    assert set(ImportPart.objects.values_list("job", "is_reject_list")) == {
        (done.pk, True),
        (waiting.pk, False),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE store_import SET ended_at = now() - interval '8 days' WHERE id = %s", [done.pk]
        )
    ImportPart.objects.delete_old()
    assert not ImportPart.objects.filter(job=done).exists()
    assert Import in maintenance.KINDS


@pytest.fixture
def worker_role() -> Iterator[str]:
    """A role with the rights that are printed for workers."""
    role, printed = "importing_worker", StringIO()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role}")
        call_command("sql", "grants", "--worker", role, stdout=printed)
        cursor.execute(f"GRANT USAGE ON SCHEMA exemplar TO {role}; {printed.getvalue()}")
        yield role
        cursor.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_worker_with_the_printed_rights_loads_a_file(tumor: DataProduct, worker_role: str) -> None:
    run(request(tumor, b"number,taken_at,diagnosis\nB-1,2024-05-17 12:00,malignant\n"))
    Feedback.objects.give(tumor, About(entity="B-1"), "malignant", "ann")
    job, words = request(tumor), request(tumor, FEEDBACK, author="bob", max_rejects=1)
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {worker_role}")
        done, given = run(job), run(words)
    assert (done.status, done.problem_message, done.inserted) == ("SUCCEEDED", "", 1)
    assert (given.status, given.problem_message, counts(given)) == ("SUCCEEDED", "", (2, 0, 0, 1))
