"""The life of products over a team's tables, by a role that has the printed rights and no others.

Run as a process of its own, in the settings of its environment: python -m tests.project.team_life.
"""

import io
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.core.management import CommandError, call_command  # noqa: E402
from django.db import connection  # noqa: E402

from schema.core.context import Context  # noqa: E402
from schema.schema import schema  # noqa: E402
from store.access.actors import Actor  # noqa: E402
from store.builds import runner  # noqa: E402
from store.builds.builds import Build  # noqa: E402
from store.predictions.predictions import Prediction  # noqa: E402
from store.products import catalogue  # noqa: E402
from store.serving import champions  # noqa: E402

FEEDBACK = """mutation($input: ChurnFeedbackInput!) {
    churnFeedback(input: $input) { created featureRowsChanged notWritten { code } entity { label truth } }
}"""
CONTEXT = Context(Actor(author="ann", superuser=True), None)


def ask(query: str, **variables: Any) -> dict[str, Any]:
    result = schema.execute_sync(query, variables, context_value=CONTEXT)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


def refused(query: str) -> str:
    result = schema.execute_sync(query, context_value=CONTEXT)
    assert result.errors, result.data
    return str(result.errors[0].extensions["code"])


def fetch(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def build(name: str) -> Build:
    """Build a product in this process; return its row."""
    request, _ = Build.objects.request(catalogue.get(name), by="tests")
    claimed = Build.objects.claim(request.pk)
    assert claimed
    runner.run(claimed)
    row = Build.objects.get(pk=request.pk)
    assert row.status == "SUCCEEDED", row.problem_message
    champions.refresh()
    return row


def check_preparation() -> None:
    call_command("prepare")
    said = io.StringIO()
    call_command("check", databases=["default"], stdout=said, stderr=said)
    assert "exemplar." not in said.getvalue(), said.getvalue()
    call_command("preview", "churn", stdout=io.StringIO())


def check_predictions() -> list[str]:
    one = ask('{ churn { predictFor(entity: "1") { id label } } }')["churn"]["predictFor"]
    many = ask("{ churn { predictMany(rows: [{features: {age: 30, city: C, paid: 3}}]) { id } } }")
    assert one["label"]
    return [one["id"], many["churn"]["predictMany"][0]["id"]]


def count_churned(row: Build) -> int:
    """Count the churned customers in the snapshot that a build has learned from."""
    assert row.snapshot
    [(count,)] = fetch(f"SELECT count(*) FROM {row.snapshot.table} WHERE _label = 'yes'")
    return int(count)


def check_feedback_is_learned(first: Build) -> None:
    """Contradict thirty labels that the role may not write; the next snapshot has them."""
    for key in range(1, 61, 2):
        payload = ask(FEEDBACK, input={"about": {"entity": str(key)}, "label": "YES"})["churnFeedback"]
        assert payload == {
            "created": True,
            "featureRowsChanged": 0,
            "notWritten": None,
            "entity": {"label": "NO", "truth": "YES"},
        }
    second = build("churn")
    assert count_churned(second) == count_churned(first) + 30
    assert ask("{ churn { models { totalCount } } }")["churn"]["models"]["totalCount"] >= 2


def check_refusals() -> None:
    for mutation in (
        'churnCreate(input: {key: "99", features: {age: 1, city: C, paid: 1}}) { created }',
        'churnReplace(input: {key: "1", features: {age: 1, city: C, paid: 1}}) { created }',
        'churnPatch(input: {entity: "1", label: YES}) { changed }',
        'renewalCreate(input: {key: "99", features: {age: 1}}) { created }',
        'renewalUpsertMany(input: {rows: [{key: "1", features: {age: 1}}]}) { updated }',
        'renewalPatch(input: {entity: "1", features: {age: 2}}) { changed }',
    ):
        assert refused(f"mutation {{ {mutation} }}") == "NOT_WRITABLE", mutation
    try:
        call_command("ingest", "churn", __file__)
    except CommandError as error:
        assert 'declared with writes="none"' in str(error), error
    else:
        raise AssertionError("ingest was not refused")


def check_labels_are_written() -> None:
    given = ask(
        'mutation { renewalFeedback(input: {about: {entity: "2"}, label: YES}) '
        "{ feedback { id } featureRowsChanged notWritten { message } entity { label truth } } }"
    )["renewalFeedback"]
    assert (given["featureRowsChanged"], given["notWritten"]) == (1, None), given
    assert given["entity"] == {"label": "YES", "truth": "YES"}
    assert fetch("SELECT renewed FROM sales.customer WHERE id = 2") == [("yes",)]


def check_deletion(ids: list[str]) -> None:
    delete = "mutation($ids: [ID!]!) { deletePredictions(input: {ids: $ids}) { deletedIds } }"
    assert set(ask(delete, ids=ids)["deletePredictions"]["deletedIds"]) == set(ids)
    assert not Prediction.objects.exists()


if __name__ == "__main__":
    check_preparation()
    first = build("churn")
    ids = check_predictions()
    check_feedback_is_learned(first)
    check_labels_are_written()
    check_refusals()
    check_deletion(ids)
