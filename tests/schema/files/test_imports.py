"""Imports over HTTP: a file is received within limits by who may write, and its job is read where it was sent."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from examples.tumor.models import Biopsy
from schema.core.context import Context
from schema.files import imports as received
from schema.files.imports import Imports, clean_name
from schema.schema import schema
from schema.transport.http import GraphQLApp
from store.access import programs
from store.access.actors import Actor
from store.access.permissions import Permission
from store.ingest import imports
from store.ingest.imports import Import, ImportPart
from store.jobs import queue
from store.predictions.feedback import Feedback
from store.products.features import Join
from tests.schema.conftest import serve
from tests.schema.files.test_exports import refusal
from tests.store.conftest import declared
from tests.store.ingest.test_imports import BIOPSIES, BROKEN
from tests.waiting import PATIENCE

CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def client(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    # Other tests read the queue.
    monkeypatch.setattr(queue, "enqueue", lambda kind, pk: True)
    for address in serve(Imports(GraphQLApp(schema))):
        base = f"{address.removesuffix('/graphql/')}/import/"
        with httpx.Client(base_url=base, trust_env=False, timeout=PATIENCE) as client:
            yield client


def run(answer: dict[str, Any]) -> None:
    claimed = Import.objects.claim(Import.objects.get().pk)
    assert claimed and answer["status"] == "READY"
    imports.run(claimed)


def test_a_file_is_sent_and_its_job_is_followed(client: httpx.Client) -> None:
    response = client.post("tumor?name=biopsies.csv", content=BIOPSIES, headers=CSV)
    answer = response.json()
    assert response.status_code == 202 and answer["started"] is True
    assert response.headers["Location"] == f"/import/{answer['id']}"
    assert client.post("tumor", content=BIOPSIES).json()["started"] is False
    run(answer)
    done = client.get(answer["id"]).json()
    assert (done["status"], done["inserted"], done["percent"], done["problem"]) == (
        "SUCCEEDED",
        2,
        100.0,
        None,
    )
    assert refusal(client.get(f"{answer['id']}/rejects.csv")) == (404, "UNKNOWN_ID")
    assert Biopsy.objects.count() == 2
    query = "query($id: ID!) { node(id: $id) { ... on Import { name status inserted newColumns problem { code } } } }"
    context = Context(Actor(author="ann", name="ann"), None)  # type: ignore[arg-type]
    result = schema.execute_sync(query, variable_values={"id": answer["id"]}, context_value=context)
    node = result.data["node"]
    assert (node["name"], node["status"], node["inserted"]) == ("biopsies.csv", "SUCCEEDED", 2)


def test_a_dry_run_says_what_a_file_would_do(client: httpx.Client) -> None:
    answer = client.post("tumor?dryRun=true&maxRejects=9", content=BROKEN, headers=CSV).json()
    run(answer)
    done = client.get(answer["id"]).json()
    assert (done["dryRun"], done["inserted"], done["rejected"]) == (True, 2, 2)
    assert not Biopsy.objects.exists()


def test_feedback_is_sent_in_ones_own_name_and_in_that_of_others_by_who_administers(
    client: httpx.Client, settings: Any
) -> None:
    Biopsy.objects.create(number="B-1", taken_at="2024-05-17T12:00Z")
    settings.EXEMPLAR_OPEN = False
    viewer, labeller, administrator = (
        {"Authorization": f"Bearer {secret}"}
        for secret in make_secrets(Permission.VIEW, Permission.FEEDBACK, Permission.ADMINISTER)
    )
    path, words = "tumor?content=feedback", b"entity,label\nB-1,malignant\n"
    assert refusal(client.post(path, content=words, headers=viewer)) == (403, "FORBIDDEN")
    for headers in (viewer, labeller):
        sent = client.post(f"{path}&author=eve", content=words, headers=headers)
        assert refusal(sent) == (403, "FORBIDDEN")
    answer = client.post(path, content=words, headers=labeller).json()
    assert "program-FEEDBACK" in answer["author"]
    run(answer)
    assert client.get(answer["id"], headers=labeller).json()["inserted"] == 1
    assert Feedback.objects.from_people().get().author == answer["author"]
    assert refusal(client.post(path, content=words, headers=administrator)) == (403, "FORBIDDEN")
    settings.EXEMPLAR_OPEN = True
    assert client.post(f"{path}&author=eve", content=words).json()["author"] == "eve"


def test_a_form_brings_one_file_and_rejected_rows_are_downloaded(client: httpx.Client) -> None:
    response = client.post("tumor?maxRejects=2", files={"any": ("../../etc/biopsies.csv", BROKEN)})
    answer = response.json()
    assert answer["name"] == "etc-biopsies.csv"
    run(answer)
    assert client.get(answer["id"]).json()["rejected"] == 2
    listed = client.get(f"{answer['id']}/rejects.csv")
    assert listed.headers["Content-Type"].startswith("text/csv")
    assert listed.text.startswith("file,line,column,value,reason\n") and "exemplar-build" not in listed.text
    assert refusal(client.post("tumor", files={"name": (None, "no file")})) == (400, "BAD_REQUEST")


def test_rejected_rows_are_for_who_sees_all_rows(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = client.post("tumor?maxRejects=2", content=BROKEN, headers=CSV).json()
    run(answer)
    monkeypatch.setattr(Join, "sees_all", lambda self, actor: actor is None)
    assert refusal(client.get(f"{answer['id']}/rejects.csv")) == (403, "FORBIDDEN")
    assert client.get(answer["id"]).json()["rejected"] == 2


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("nothing", BIOPSIES, (404, "UNKNOWN_PRODUCT")),
        ("tumor/rejects.csv", BIOPSIES, (404, "BAD_REQUEST")),
        ("tumor", b"", (400, "BAD_INPUT")),
        ("tumor?maxRejects=-1", BIOPSIES, (400, "OUT_OF_RANGE")),
        ("tumor?dayFirst=maybe", BIOPSIES, (400, "BAD_INPUT")),
        ("tumor?dryRun=maybe", BIOPSIES, (400, "BAD_INPUT")),
        ("tumor?sheet=2", BIOPSIES, (400, "BAD_INPUT")),
        ("tumor?content=words", BIOPSIES, (400, "BAD_INPUT")),
        ("tumor?author=ann", BIOPSIES, (400, "BAD_INPUT")),
        ("tumor?content=feedback&author=TABLE", BIOPSIES, (400, "BAD_INPUT")),
    ],
)
def test_what_cannot_be_imported_is_refused(
    client: httpx.Client, path: str, content: bytes, expected: tuple[int, str]
) -> None:
    assert refusal(client.post(path, content=content, headers=CSV)) == expected
    assert not Import.objects.exists()


def test_a_file_may_have_so_many_bytes(client: httpx.Client, settings: Any) -> None:
    settings.EXEMPLAR_UPLOAD = len(BIOPSIES)
    assert client.post("tumor", content=BIOPSIES).status_code == 202
    for sent in ({"content": BROKEN}, {"files": {"file": ("rows.csv", BROKEN)}}):
        assert refusal(client.post("tumor", **sent)) == (413, "BAD_REQUEST")
    assert ImportPart.objects.count() == 1


def test_who_may_not_write_is_refused_before_the_file_is_read(
    client: httpx.Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXEMPLAR_OPEN = False

    async def receive_into(*_: object) -> str:
        raise AssertionError("The file was read.")

    monkeypatch.setattr(received, "receive_into", receive_into)
    [secret] = make_secrets(Permission.VIEW)
    assert refusal(client.post("tumor", content=BIOPSIES)) == (401, "UNAUTHENTICATED")
    headers = {"Authorization": f"Bearer {secret}"}
    assert refusal(client.post("tumor", content=BIOPSIES, headers=headers)) == (403, "FORBIDDEN")
    assert refusal(client.get("SW1wb3J0OjE", headers=headers)) == (404, "UNKNOWN_ID")


def test_who_may_give_feedback_cancels_an_import(client: httpx.Client, settings: Any) -> None:
    settings.EXEMPLAR_OPEN = False
    viewer, labeller = (
        {"Authorization": f"Bearer {secret}"} for secret in make_secrets(Permission.VIEW, Permission.FEEDBACK)
    )
    path = client.post("tumor", content=BIOPSIES, headers=labeller).json()["id"]
    assert refusal(client.delete(path)) == (401, "UNAUTHENTICATED")
    assert refusal(client.delete(path, headers=viewer)) == (403, "FORBIDDEN")
    assert client.delete(path, headers=labeller).json()["status"] == "CANCELLED"
    assert refusal(client.delete(path, headers=labeller)) == (400, "JOB_ENDED")
    assert refusal(client.delete(f"{path}/rejects.csv", headers=labeller)) == (404, "BAD_REQUEST")
    assert not Biopsy.objects.exists() and Import.objects.claim(Import.objects.get().pk) is None


def make_secrets(*permissions: Permission) -> Iterator[str]:
    """Make a token for each permission on the products of imports."""
    for permission in permissions:
        yield programs.make_token(
            f"program-{permission}", created_by="tests", permissions=[permission], products=["tumor", "churn"],
            expires_in=None, note="",
        ).secret  # fmt: skip


def test_a_product_whose_rows_are_not_written_takes_no_file(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwritten = declared({"urgency": "urgency"}, writes="label")
    monkeypatch.setattr(received.catalogue, "get", lambda name: unwritten)
    assert refusal(client.post("declared", content=BIOPSIES)) == (400, "NOT_WRITABLE")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("rows.csv", "rows.csv"),
        ("../../x", "x"),
        ("C:\\data\\rows.csv", "C:-data-rows.csv"),
        ("a\0\nb", "a-b"),
        ("..", "file"),
        ("", "file"),
        ("é" * 200 + ".csv", "é" * 96 + ".csv"),
    ],
)
def test_a_name_is_that_of_a_file_in_a_folder(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned
