"""The audit log: one entry for each act, in its transaction, which nothing changes afterwards."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test import Client, RequestFactory
from django.utils import timezone

from learning.retrain import AfterFeedback, RuleResult
from store.access import acting, audit, grants, performers, tokens
from store.access.actors import Actor
from store.access.audit import Act, AuditEntry
from store.access.models import User
from store.access.permissions import Grants, Permission
from store.builds.builds import Build
from store.builds.retraining import RetrainDecision
from store.comparisons.comparisons import Comparison
from store.exceptions import Conflict, Forbidden, Unauthenticated
from store.ingest.imports import Import
from store.notices.kinds import EventKind
from store.notices.receivers import Receiver
from store.predictions import erasure, retention, upsert
from store.predictions.erasure import SubjectName
from store.predictions.predictions import Prediction
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products.product import DataProduct
from store.registry import downloads
from store.registry.promotions import Promotion
from store.registry.served_schemas import AcceptedSchema
from store.registry.trials import Trial
from store.registry.versions import ModelVersion
from store.runtime import starts
from store.serving import erasing
from store.serving.batch_scoring import Scoring
from store.telemetry import requests

from ..conftest import STAY, version

pytestmark = pytest.mark.django_db

ANN = Actor(author="ann", name="ann", superuser=True, credential="session")
ORIGIN = acting.Origin(address="192.0.2.7", request_id="r1", operation="Promote")


def entries(*acts: Act) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(act__in=acts).order_by("pk"))


def only(act: Act) -> AuditEntry:
    (entry,) = entries(act)
    return entry


# -- Each act --


def promote(stay: DataProduct) -> None:
    Promotion.objects.promote(version(stay), "Better.", "ann")


def roll_back(stay: DataProduct) -> None:
    promote(stay)
    promote(stay)
    champion = ModelVersion.objects.champion_of("stay")
    assert champion
    Promotion.objects.rollback("stay", champion, "Worse.", "ann")


def request_build(stay: DataProduct) -> None:
    Build.objects.request(stay, "ann", reason="New rows.", enqueue=False)


def cancel_build(stay: DataProduct) -> None:
    build, _ = Build.objects.request(stay, "ann", enqueue=False)
    Build.objects.cancel(build.pk, "ann", "Too slow.")


def cancel_scoring(stay: DataProduct) -> None:
    scoring = Scoring.objects.create(product="stay", requested_by="ann", model=version(stay))
    Scoring.objects.cancel(scoring.pk, "ann", "Too slow.")


def request_comparison(stay: DataProduct) -> Comparison:
    versions = [version(stay), version(stay)]
    make_prediction(stay)
    return Comparison.objects.request(stay, versions, "ann")[0]


def cancel_comparison(stay: DataProduct) -> None:
    Comparison.objects.cancel(request_comparison(stay).pk, "ann", "Too slow.")


def import_file(stay: DataProduct) -> Import:
    return Import.objects.request(stay, "ann", BytesIO(b"id,cost\n1,2\n"), name="rows.csv")[0]


def cancel_import(stay: DataProduct) -> None:
    Import.objects.cancel(import_file(stay).pk, "ann", "Another file.")


def delete(stay: DataProduct) -> None:
    make_prediction(stay)
    erasure.remove_predictions(Prediction.objects.filter(product="stay"))


def erase(stay: DataProduct) -> None:
    erasing.erase(stay, SubjectName(entity="7"), "She asked for it.")


def grant(stay: DataProduct) -> None:
    grants.grant(User.objects.create_user("bob"), [Permission.VIEW], "stay")


def revoke(stay: DataProduct) -> None:
    grants.revoke(User.objects.create_user("bob"), [Permission.VIEW])


def create_token(stay: DataProduct) -> None:
    make_token()


def rotate_token(stay: DataProduct) -> None:
    tokens.rotate(make_token().token, created_by="ann", overlap=timedelta(days=1))


def revoke_token(stay: DataProduct) -> None:
    tokens.revoke(make_token().token.prefix)


def accept_schema(stay: DataProduct) -> None:
    AcceptedSchema.objects.accept("type Query", ["A field was removed."], "Nobody reads it.", "ann")


def start_trial(stay: DataProduct) -> None:
    promote(stay)
    Trial.objects.start_shadow(version(stay), "To see.", "ann")


def end_trial(stay: DataProduct) -> None:
    start_trial(stay)
    Trial.objects.end("stay", "Seen.", "ann")


def resign(stay: DataProduct) -> None:
    registered = version(stay)
    ModelVersion.objects.filter(pk=registered.pk).update(seal=registered.sign("the older key"))
    call_command("resign", stdout=StringIO())


def download_model(stay: DataProduct) -> None:
    downloads.send_artifact(version(stay), lambda _: None)


def create_receiver(stay: DataProduct) -> Receiver:
    receiver, _ = Receiver.objects.create_webhook("stay", "http://127.0.0.1/", [EventKind.BUILD_ENDED], "ann")
    return receiver


def change_receiver(stay: DataProduct) -> None:
    create_receiver(stay).change(by="ann", stopped=True)


def delete_receiver(stay: DataProduct) -> None:
    create_receiver(stay).remove()


#: How each act is done, its product, and its reason.
ACTS: dict[Act, tuple[Callable[[DataProduct], object], str, str]] = {
    Act.PROMOTE: (promote, "stay", "Better."),
    Act.ROLL_BACK: (roll_back, "stay", "Worse."),
    Act.REQUEST_BUILD: (request_build, "stay", "New rows."),
    Act.CANCEL_BUILD: (cancel_build, "stay", "Too slow."),
    Act.CANCEL_SCORING: (cancel_scoring, "stay", "Too slow."),
    Act.REQUEST_COMPARISON: (request_comparison, "stay", ""),
    Act.CANCEL_COMPARISON: (cancel_comparison, "stay", "Too slow."),
    Act.START_TRIAL: (start_trial, "stay", "To see."),
    Act.END_TRIAL: (end_trial, "stay", "Seen."),
    Act.IMPORT: (import_file, "stay", ""),
    Act.CANCEL_IMPORT: (cancel_import, "stay", "Another file."),
    Act.DELETE: (delete, "stay", ""),
    Act.ERASE: (erase, "stay", "She asked for it."),
    Act.GRANT: (grant, "stay", ""),
    Act.REVOKE: (revoke, "", ""),
    Act.CREATE_TOKEN: (create_token, "", ""),
    Act.ROTATE_TOKEN: (rotate_token, "", ""),
    Act.REVOKE_TOKEN: (revoke_token, "", ""),
    Act.ACCEPT_SCHEMA: (accept_schema, "", "Nobody reads it."),
    Act.RESIGN: (resign, "", ""),
    Act.DOWNLOAD_MODEL: (download_model, "stay", ""),
    Act.CREATE_RECEIVER: (create_receiver, "stay", ""),
    Act.CHANGE_RECEIVER: (change_receiver, "stay", ""),
    Act.DELETE_RECEIVER: (delete_receiver, "stay", ""),
}
#: Acts that have tests of their own here, or where they are done.
OTHERS = {Act.LOG_IN, Act.LOG_OUT, Act.FAIL_TO_LOG_IN, Act.START, Act.CHANGE_ACCOUNT, Act.EXPORT}


@pytest.mark.parametrize("act", ACTS)
def test_an_act_has_an_entry_that_says_who_from_where_and_why(
    stay: DataProduct, act: Act, settings: Any
) -> None:
    settings.EXEMPLAR_SIGNING_KEY = ["the newer key", "the older key"]
    settings.EXEMPLAR_WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    do, product, reason = ACTS[act]
    with acting.acting_as(ANN, ORIGIN):
        do(stay)
    entry = only(act)
    assert (entry.author, entry.kind, entry.credential) == ("ann", "PERSON", "session")
    assert (entry.address, entry.request_id, entry.operation) == ("192.0.2.7", "r1", "Promote")
    assert (entry.product, entry.reason) == (product, reason)
    assert entry.ids


def test_every_act_is_described_and_tested() -> None:
    assert set(audit.DESCRIPTIONS) == set(Act) == set(ACTS) | OTHERS


def test_an_act_that_is_refused_has_no_entry(stay: DataProduct) -> None:
    promoted = version(stay)
    Promotion.objects.promote(promoted, "Better.", "ann")
    with pytest.raises(Conflict):
        Promotion.objects.promote(promoted, "Again.", "ann")
    assert len(entries(Act.PROMOTE)) == 1
    before = len(entries(Act.REQUEST_BUILD))
    Build.objects.request(stay, "ann", enqueue=False)
    assert not Build.objects.request(stay, "ann", enqueue=False)[1]
    assert len(entries(Act.REQUEST_BUILD)) == before + 1


def test_a_dry_run_deletes_nothing_and_records_nothing(stay: DataProduct) -> None:
    make_prediction(stay)
    erasure.remove_predictions(Prediction.objects.filter(product="stay"), dry_run=True)
    assert entries(Act.DELETE) == []


@pytest.mark.django_db(transaction=True)
def test_act_and_entry_are_one_transaction(stay: DataProduct) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Promotion.objects.promote(version(stay), "Better.", "ann")
        raise ZeroDivisionError
    assert entries(Act.PROMOTE) == []
    with pytest.raises(TransactionManagementError, match="belong into one transaction"):
        audit.record(Act.PROMOTE)


def test_an_entry_names_the_request_of_the_log(stay: DataProduct) -> None:
    record = requests.RequestRecord(b"from-a-proxy-7")
    with requests.working_for(record), acting.acting_as(ANN, acting.Origin(address="192.0.2.7")):
        promote(stay)
    assert only(Act.PROMOTE).request_id == "from-a-proxy-7"


# -- Who acts --


def test_a_rule_a_worker_and_a_command_are_named(stay: DataProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performers, "_process", performers._process)
    performers.identify_process("worker", "WORKER")
    promote(stay)
    assert (only(Act.PROMOTE).author, only(Act.PROMOTE).kind) == ("worker", "WORKER")
    RetrainDecision.objects._request(stay, AfterFeedback(5), RuleResult(reason="There are 7.", is_due=True))
    requested = entries(Act.REQUEST_BUILD)[-1]
    assert (requested.author, requested.kind, requested.reason) == (
        "rule AfterFeedback(5)",
        "RULE",
        "There are 7.",
    )
    monkeypatch.setenv("LOGNAME", "ada")
    performers.identify_command()
    Build.objects.cancel(Build.objects.latest("pk").pk, "manage.py (ada)")
    assert (only(Act.CANCEL_BUILD).author, only(Act.CANCEL_BUILD).kind) == ("command ada", "COMMAND")


# -- Nothing changes --


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE exemplar_auditentry SET author = 'nobody'",
        "DELETE FROM exemplar_auditentry",
        "TRUNCATE exemplar_auditentry",
        "UPDATE exemplar_auditentry SET reason = '' WHERE at < now() - interval '1 year'",
        "DELETE FROM exemplar_auditentry WHERE at < now() - interval '1 year'",
    ],
)
def test_an_entry_cannot_be_changed_or_deleted(statement: str) -> None:
    record(days=0), record(days=500)
    with pytest.raises(DatabaseError, match="The audit log is only appended to"), transaction.atomic():
        run(statement)
    assert AuditEntry.objects.count() == 2


def test_retention_deletes_what_is_older_than_the_setting_and_nothing_younger(settings: Any) -> None:
    ages = [0, 29, 31, 364, 366, 500]
    for days in ages:
        record(days=days)
    settings.EXEMPLAR_KEEP_AUDIT = 0
    assert audit.delete_old_entries() == 0
    settings.EXEMPLAR_KEEP_AUDIT = 365
    assert audit.delete_old_entries() == 2
    assert AuditEntry.objects.count() == 4


def test_the_retention_cannot_be_turned_against_young_entries() -> None:
    record(days=29)
    with pytest.raises(DatabaseError, match="only appended to"), transaction.atomic():
        run("SELECT set_config('exemplar.audit_retention', 'on', true)")
        run("DELETE FROM exemplar_auditentry")


def record(days: int) -> None:
    AuditEntry.objects.create(
        act=Act.START, author="server", kind="SERVER", at=timezone.now() - timedelta(days=days)
    )


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


# -- Logins --


def test_logins_are_recorded_and_what_was_typed_by_mistake_is_not(caplog: pytest.LogCaptureFixture) -> None:
    user = User.objects.create_user("ada", password="right")
    request = RequestFactory().post("/login/")
    assert authenticate(request, username="ada", password="wrong") is None
    assert authenticate(request, username="my secret password", password="") is None
    known, unknown = entries(Act.FAIL_TO_LOG_IN)
    assert (known.author, known.kind, known.ids) == ("anonymous", "ANONYMOUS", [f"User:{user.pk}"])
    assert known.details == {"name": "ada"}
    assert (unknown.ids, unknown.details) == ([], {})
    assert "Failed login as ada from" in caplog.text and "secret" not in caplog.text
    client = Client()
    assert client.login(username="ada", password="right")
    client.logout()
    for entry in (only(Act.LOG_IN), only(Act.LOG_OUT)):
        assert (entry.author, entry.kind, entry.ids) == ("ada", "PERSON", [f"User:{user.pk}"])


# -- Starts --


def test_a_start_is_recorded_once_until_a_setting_changes_and_shows_no_secret(settings: Any) -> None:
    settings.EXEMPLAR_OIDC_CLIENT_SECRET = "hunter2"
    for _ in range(2):
        starts.record_start("web")
    starts.record_start("worker")
    settings.EXEMPLAR_ALLOWED_HOSTS = ["api.example"]
    settings.EXEMPLAR_SIGNING_KEY = ["another key"]
    starts.record_start("web")
    settings.EXEMPLAR_CPUS = 99
    starts.record_start("web")
    first, worker, changed = entries(Act.START)
    assert (first.operation, first.reason) == ("web", "The first start.")
    assert worker.operation == "worker"
    assert changed.reason == "Changed: EXEMPLAR_ALLOWED_HOSTS, EXEMPLAR_SIGNING_KEY."
    shown = str([entry.details for entry in (first, worker, changed)])
    assert "api.example" in shown
    for secret in ("hunter2", "another key", settings.SECRET_KEY):
        assert secret not in shown


# -- Who may read it --


def test_only_who_may_administer_reads_it(stay: DataProduct) -> None:
    promote(stay)
    every, of_stay = audit.Conditions(), audit.Conditions(product="stay", acts=[Act.PROMOTE])
    own = Actor(author="own", name="own", grants=granted(Permission.ADMINISTER, "stay"))
    with acting.acting_as(ANN):
        assert AuditEntry.objects.matching(every).count() == AuditEntry.objects.count()
    with acting.acting_as(own):
        assert AuditEntry.objects.matching(of_stay).count() == 1
        with pytest.raises(Forbidden):
            AuditEntry.objects.matching(every)
    with acting.acting_as(Actor(author="anonymous")), pytest.raises(Unauthenticated):
        AuditEntry.objects.matching(of_stay)


def granted(permission: Permission, product: str) -> Grants:
    return Grants(by_product={product: frozenset({permission})})


def test_old_predictions_that_are_deleted_are_counted(stay: DataProduct, settings: Any) -> None:
    make_prediction(stay)
    run(
        "UPDATE store_prediction SET created_at = now() - interval '9 days', updated_at = now() - interval '9 days'"
    )
    assert retention.delete_old_predictions(5) == 1
    entry = only(Act.DELETE)
    assert (entry.details, entry.kind) == ({"count": 1}, "SERVER")


def make_token() -> tokens.MadeToken:
    return tokens.make(
        User.objects.create_user("program"), created_by="ann", permissions=[Permission.PREDICT]
    )


def make_prediction(product: DataProduct) -> None:
    registered = version(product)
    question = ValidRequest(instance=product.clean(STAY))
    upsert.store(
        PredictionBatch(
            product, registered, [question], registered.load(product).predict([question.instance])
        )
    )


def test_an_account_that_is_changed_in_the_admin_is_recorded() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))
    before = len(entries(Act.CHANGE_ACCOUNT))
    form = {
        "username": "clerk",
        "usable_password": "true",
        "password1": "hard to guess",
        "password2": "hard to guess",
    }
    assert client.post("/admin/exemplar/user/add/", form).status_code == 302
    clerk = User.objects.get(username="clerk")
    changed = {"username": "clerk", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert client.post(f"/admin/exemplar/user/{clerk.pk}/change/", changed | dates).status_code == 302
    password = {"usable_password": "true", "password1": "harder to guess", "password2": "harder to guess"}
    assert client.post(f"/admin/exemplar/user/{clerk.pk}/password/", password).status_code == 302
    assert client.post(f"/admin/exemplar/user/{clerk.pk}/delete/", {"post": "yes"}).status_code == 302
    recorded = entries(Act.CHANGE_ACCOUNT)[before:]
    assert [entry.details["change"] for entry in recorded] == ["added", "changed", "changed", "deleted"]
    assert [entry.details["superusers"] for entry in recorded] == [[], ["clerk"], ["clerk"], ["clerk"]]
    assert {(entry.author, entry.address) for entry in recorded} == {("boss", "127.0.0.1")}
    assert all(entry.operation.startswith("/admin/exemplar/user/") for entry in recorded)


def test_the_admin_shows_entries_and_edits_none(stay: DataProduct) -> None:
    promote(stay)
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))
    listed = client.get("/admin/exemplar/auditentry/?act=PROMOTE").content.decode()
    assert "Better." in listed
    address = f"/admin/exemplar/auditentry/{only(Act.PROMOTE).pk}/change/"
    assert "Better." in client.get(address).content.decode()
    assert client.post(address, {"author": "nobody"}).status_code == 403
    assert client.get("/admin/exemplar/auditentry/add/").status_code == 403
    clerk = User.objects.create_user("clerk", is_staff=True)
    client.force_login(clerk)
    assert client.get("/admin/exemplar/auditentry/").status_code == 403
