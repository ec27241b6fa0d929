"""Files of model versions: the artifact as it is stored and sealed, and what stands beside it."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from schema.files.model_files import ModelFiles
from schema.schema import schema
from schema.transport.http import GraphQLApp
from store import models
from store.access import programs
from store.access.permissions import Permission
from store.products import catalogue
from store.registry import versions
from tests.schema.conftest import serve
from tests.schema.files.test_exports import refusal
from tests.store.conftest import drop_snapshots, version
from tests.waiting import PATIENCE

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "models-elsewhere.md"
KEY = "a key of tests, which is long enough"


@pytest.fixture
def client(transactional_db: None, settings: Any) -> Iterator[httpx.Client]:
    settings.EXEMPLAR_SIGNING_KEY = [KEY]
    drop_snapshots()
    for address in serve(ModelFiles(GraphQLApp(schema))):
        base = f"{address.removesuffix('/graphql/')}/model/"
        headers = authorization(Permission.ADMINISTER, "stay")
        with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=PATIENCE) as client:
            yield client
    drop_snapshots()


def authorization(permission: Permission, product: str) -> dict[str, str]:
    token = programs.make_token(
        f"{permission}-{product}", created_by="tests", permissions=[permission, Permission.VIEW]
        if permission is Permission.ADMINISTER else [permission], products=[product], expires_in=None, note="",
    ).secret  # fmt: skip
    return {"Authorization": f"Bearer {token}"}


def downloads() -> list[models.AuditEntry]:
    return list(models.AuditEntry.objects.filter(act="DOWNLOAD_MODEL"))


def test_the_artifact_comes_in_parts_and_whole(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = version(catalogue.get("stay"))
    for size in (1, 7, stored.size, stored.size + 1):
        monkeypatch.setattr(versions, "CHUNK_BYTES", size if size > 1 else stored.size - 1)
        response = client.get("stay/1.artifact")
        assert response.status_code == 200
        assert int(response.headers["Content-Length"]) == stored.size == len(response.content)
        assert hashlib.sha256(response.content).hexdigest() == stored.digest
    assert response.headers["Content-Disposition"] == 'attachment; filename="stay-1.artifact"'
    assert response.headers["Cache-Control"].startswith("no-store")
    entry = downloads()[0]
    assert (entry.product, entry.ids, entry.operation) == (
        "stay",
        [f"ModelVersion:{stored.pk}"],
        "/model/stay/1.artifact",
    )
    assert entry.details == {"number": 1, "size": stored.size, "digest": stored.digest}


@pytest.mark.parametrize("form", ["artifact", "json"])
def test_what_a_client_has_already_is_not_sent_again(client: httpx.Client, form: str) -> None:
    version(catalogue.get("stay"))
    tag = client.get(f"stay/1.{form}").headers["ETag"]
    entries = len(downloads())
    again = client.get(f"stay/1.{form}", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert client.get(f"stay/1.{form}", headers={"If-None-Match": '"other"'}).status_code == 200
    assert len(downloads()) == entries + (form == "artifact")


def test_the_program_of_the_page_checks_and_loads_a_download(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    version(catalogue.get("stay"))
    (tmp_path / "tumor-4.artifact").write_bytes(client.get("stay/1.artifact").content)
    (tmp_path / "tumor-4.json").write_bytes(client.get("stay/1.json").content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXEMPLAR_SIGNING_KEY", KEY)
    names: dict[str, Any] = {}
    exec(program, names)
    assert names["model"].signature == catalogue.get("stay").signature
    monkeypatch.setenv("EXEMPLAR_SIGNING_KEY", "another key")
    with pytest.raises(SystemExit, match="seal"):
        exec(program, {})
    (tmp_path / "tumor-4.artifact").write_bytes(b"changed")
    with pytest.raises(SystemExit, match="seal"):
        exec(program, {})


def test_the_description_has_features_kinds_and_classes(client: httpx.Client) -> None:
    product = catalogue.get("stay")
    stored = version(product)
    described = json.loads(client.get("stay/1.json").text)
    columns = {column["name"]: column["kind"] for column in described["signature"]["columns"]}
    assert columns == {column.name: str(column.kind) for column in product.signature.columns}
    assert described["signature"]["classes"] == ["False", "True"]
    assert described["libraries"] == stored.versions and described["digest"] == stored.digest
    assert "artifact" not in described and not downloads()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("stay/2.artifact", (404, "UNKNOWN_ID")),
        ("stay/999999999.json", (404, "UNKNOWN_ID")),
        ("stay/9999999999.json", (404, "BAD_REQUEST")),
        ("stay/0.json", (404, "BAD_REQUEST")),
        ("stay/-1.json", (404, "BAD_REQUEST")),
        ("stay/1.pickle", (404, "BAD_REQUEST")),
        ("stay/1.json?x=1", (400, "BAD_INPUT")),
        ("nothing/1.json", (404, "UNKNOWN_PRODUCT")),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_refused(client: httpx.Client, path: str, expected: tuple[int, str]) -> None:
    version(catalogue.get("stay"))
    assert refusal(client.get(path)) == expected


def test_only_a_get_reads_a_model(client: httpx.Client) -> None:
    response = client.post("stay/1.artifact")
    assert response.status_code == 405 and response.headers["Allow"] == "GET"


def test_an_artifact_that_was_changed_is_never_whole(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = version(catalogue.get("stay"))
    changed = b"x" * stored.size
    models.ModelVersion.objects.filter(pk=stored.pk).update(artifact=changed)
    assert refusal(client.get("stay/1.artifact")) == (400, "MODEL_DOES_NOT_FIT")
    monkeypatch.setattr(versions, "CHUNK_BYTES", stored.size - 1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("stay/1.artifact")


def test_an_artifact_that_no_key_has_sealed_or_that_is_deleted_is_refused(
    client: httpx.Client, settings: Any
) -> None:
    stored = version(catalogue.get("stay"))
    settings.EXEMPLAR_SIGNING_KEY = ["a newer key"]
    assert refusal(client.get("stay/1.artifact")) == (400, "MODEL_DOES_NOT_FIT")
    assert client.get("stay/1.json").status_code == 200
    models.ModelVersion.objects.filter(pk=stored.pk).update(artifact=b"", dropped_at=stored.built_at)
    assert refusal(client.get("stay/1.artifact")) == (404, "UNKNOWN_ID")
    assert not downloads()


def test_no_more_files_are_sent_at_once_than_may(client: httpx.Client, settings: Any) -> None:
    version(catalogue.get("stay"))
    settings.EXEMPLAR_EXPORTS = 0
    assert refusal(client.get("stay/1.artifact")) == (503, "OVERLOADED")
    assert client.get("stay/1.json").status_code == 200


def test_who_may_not_administer_gets_no_artifact(client: httpx.Client, settings: Any) -> None:
    version(catalogue.get("stay"))
    settings.EXEMPLAR_OPEN = False

    def get(path: str, permission: Permission, product: str = "stay") -> httpx.Response:
        return client.get(path, headers=authorization(permission, product))

    assert refusal(client.get("stay/1.artifact", headers={"Authorization": ""}))[0] == 401
    for permission in set(Permission) - {Permission.ADMINISTER}:
        assert refusal(get("stay/1.artifact", permission)) == (403, "FORBIDDEN")
    assert refusal(get("stay/1.artifact", Permission.ADMINISTER, "bill")) == (403, "FORBIDDEN")
    assert refusal(get("stay/1.json", Permission.PREDICT, "bill")) == (403, "FORBIDDEN")
    assert not downloads()
    assert client.get("stay/1.artifact").status_code == 200
    [entry] = downloads()
    assert (entry.author, entry.address) == ("ADMINISTER-stay", "127.0.0.1")
    session = f"{settings.SESSION_COOKIE_NAME}=any"
    cross = {"Cookie": session, "Sec-Fetch-Site": "cross-site"}
    response = httpx.get(f"{client.base_url}stay/1.artifact", headers=cross, trust_env=False)
    assert refusal(response) == (403, "FORBIDDEN")
