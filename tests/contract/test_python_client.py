"""The example client in Python, as it is run by people."""

import subprocess
import sys

import pytest
from gql import Client, gql
from gql.transport.httpx import HTTPXTransport
from graphql import GraphQLError

from tests.system import ROOT, System
from tests.test_lifecycle import champion, data

FORGET = """mutation { deletePredictions(input: { filter: { product: "diabetes" } }) { count } }"""


def test_the_python_client_predicts_corrects_pages_and_watches(exemplar: System, token: str) -> None:
    champion(exemplar, "diabetes")
    client = [sys.executable, str(ROOT / "examples" / "client.py"), exemplar.url, token]
    done = subprocess.run(client, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Predicted ")
    assert any(line.endswith("in truth 150.0") for line in lines)
    assert lines[-1].startswith("100 % ")
    data(exemplar.ask(FORGET))


def test_a_document_with_a_wrong_feature_is_not_sent(exemplar: System) -> None:
    http = HTTPXTransport(f"{exemplar.url}/graphql/")
    wrong = gql("{ diabetes { predict(features: { bmx: 32.1 }) { value } } }")
    with Client(transport=http, fetch_schema_from_transport=True) as session:
        http.close()
        with pytest.raises(GraphQLError, match="bmx"):
            session.execute(wrong)
        http.connect()
