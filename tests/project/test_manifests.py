"""A manifest of trusted documents is what a client's build writes; anything else refuses the start."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from project.manifests import read_manifest

DOCUMENTS = {"5f1d": "query A { a }", "77aa": "mutation B { b }"}


@pytest.fixture
def manifest(tmp_path):
    def write(content):
        path = tmp_path / "manifest.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def test_no_manifest_is_no_documents():
    assert read_manifest("EXEMPLAR_DOCUMENTS", "") == {}


def test_documents_of_codegen_and_relay_are_read_by_their_hashes(manifest):
    assert read_manifest("EXEMPLAR_DOCUMENTS", manifest(DOCUMENTS)) == DOCUMENTS


def test_apollos_list_of_operations_is_read_too(manifest):
    operations = [{"id": id, "body": text, "name": "A", "type": "query"} for id, text in DOCUMENTS.items()]
    content = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
    assert read_manifest("EXEMPLAR_DOCUMENTS", manifest(content)) == DOCUMENTS


@pytest.mark.parametrize(
    "content",
    ["", "no JSON", "[]", "{}", "null", {"5f1d": 3}, {"5f1d": "no document"}, {"operations": [{"id": "1"}]}],
)
def test_what_is_no_manifest_is_refused(manifest, content):
    path = manifest(content)
    with pytest.raises(ImproperlyConfigured, match=r"EXEMPLAR_DOCUMENTS names .*, which is no manifest"):
        read_manifest("EXEMPLAR_DOCUMENTS", path)


def test_a_manifest_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="FileNotFoundError"):
        read_manifest("EXEMPLAR_DOCUMENTS", str(tmp_path / "missing.json"))
