"""Lists: all have one shape, filters and orders, and take the same number of queries however long a page is."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from django.utils import timezone
from graphql import (
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
)

from examples.tumor.models import Biopsy, CellMeans, Nuclei, StandardErrors, WorstValues
from learning.model import ClassAnswer
from schema.core.context import Context
from schema.schema import schema
from store.access import audit, tokens
from store.access.actors import Actor
from store.access.models import User
from store.access.permissions import Grants, Permission
from store.models import (
    Build,
    BuildEvent,
    Candidate,
    Comparison,
    ComparisonFlip,
    Delivery,
    LabelQueue,
    ModelVersion,
    Prediction,
    Receiver,
    RetrainDecision,
    Scoring,
    Trial,
)
from store.predictions import truth, upsert
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue
from store.serving.label_pool import Unlabelled

from .test_pages import count_queries, run

SDL: GraphQLSchema = schema._schema
#: The document around a list, by the type that has it.
PLACES = {
    "Query": "{ %s }",
    "TumorProduct": "{ tumor { %s } }",
    "Retraining": "{ tumor { retraining { %s } } }",
    "Build": "{ tumor { build(number: 1) { %s } } }",
    "TumorPrediction": '{ tumor { predictions(filter: {entity: {eq: "b1"}}, last: 1) { nodes { %s } } } }',
    "Comparison": "{ tumor { jobs(last: 1) { nodes { ... on Comparison { %s } } } } }",
    "Viewer": "{ viewer { %s } }",
    "Receiver": "{ receivers(first: 1) { nodes { %s } } }",
    "TumorEntity": '{ tumor { entity(key: "b1") { %s } } }',
}


def lists() -> Iterator[tuple[str, str]]:
    """Each list of the schema: the type and the field."""
    for type_ in SDL.type_map.values():
        if is_object_type(type_):
            for name, field in type_.fields.items():
                if get_named_type(field.type).name.endswith("Connection"):
                    yield type_.name, name


#: Measured for each node by itself, which its cost says.
MEASURED = {"quality", "difference", "wouldBe", "genericWouldBe"}
LISTS = {parent: [name for type_, name in lists() if type_ == parent] for parent in PLACES}


def connection_of(parent: str, name: str) -> Any:
    return get_named_type(SDL.type_map[parent].fields[name].type)  # type: ignore[attr-defined]


def selection(type_: Any, depth: int) -> str:
    """All fields of a type that need no arguments, as deep as this, without further lists."""
    fields = ["__typename"]
    for name, field in type_.fields.items():
        inner = get_named_type(field.type)
        if any(map(is_required_argument, field.args.values())) or inner.name.endswith("Connection"):
            continue
        if name in ("product", "feature"):  # declared, not read for each row
            continue
        if name in MEASURED:
            continue
        if is_leaf_type(inner):
            fields.append(name)
        elif depth and hasattr(inner, "fields"):
            fields.append(f"{name} {{ {selection(inner, depth - 1)} }}")
    return " ".join(fields)


@pytest.mark.parametrize(("parent", "name"), list(lists()))
def test_every_list_has_one_shape(parent: str, name: str) -> None:
    field = SDL.type_map[parent].fields[name]  # type: ignore[attr-defined]
    arguments = {key: str(argument.type) for key, argument in field.args.items()}
    page = {"first": "Int", "after": "String", "last": "Int", "before": "String"}
    assert arguments.items() >= page.items()
    assert list(arguments)[:4] == list(page)
    assert set(arguments) - set(page) <= {"filter", "orderBy"}
    assert set(connection_of(parent, name).fields) == {"edges", "nodes", "pageInfo", "totalCount"}
    order = get_named_type(field.args["orderBy"].type) if "orderBy" in arguments else None
    assert order is None or set(order.fields) == {"field", "direction"}


def test_every_list_is_tried_below() -> None:
    kinds = {parent.removeprefix("Tumor") for parent in PLACES}
    assert [parent for parent, _ in lists() if not parent.endswith(tuple(kinds))] == []


@pytest.fixture
def rows(predictions: list[Prediction]) -> None:
    """Some rows in every list."""
    now = timezone.now()
    for number in range(1, 7):
        biopsy = Biopsy.objects.create(number=f"b{number}", taken_at=now, diagnosis="benign")
        values = dict.fromkeys((field.name for field in Nuclei._meta.get_fields()), 0.5)
        for table in (CellMeans, StandardErrors, WorstValues):
            table.objects.create(biopsy=biopsy, **values)
    build = Build.objects.get(product="tumor", number=1)
    Candidate.objects.bulk_create(
        Candidate(build=build, key=f"k{n}", position=n, family="forest" if n % 2 else "linear", hyperparameters={},
                  score=None if n == 3 else n / 10)
        for n in range(1, 6)
    )  # fmt: skip
    BuildEvent.objects.bulk_create(
        BuildEvent(build=build, sequence=n, kind="SnapshotTaken", percent=n, message=f"{n}")
        for n in range(1, 7)
    )
    version = ModelVersion.objects.get(product="tumor", number=1)
    RetrainDecision.objects.bulk_create(
        RetrainDecision(
            product="tumor", rule=f"rule {n % 2}", due=now - timedelta(days=n), build=build, reason=""
        )
        for n in range(6)
    )
    for _ in range(3):
        Scoring.objects.create(
            product="tumor", requested_by="tests", model=version, status="SUCCEEDED", ended_at=now
        )
    champion = ModelVersion.objects.get(product="tumor", number=2)
    Trial.objects.bulk_create(
        Trial(
            product="tumor",
            kind="SHADOW",
            model=version,
            champion=champion,
            reason="",
            by="tests",
            ended_at=now,
        )
        for _ in range(6)
    )
    comparison = Comparison.objects.create(
        product="tumor",
        requested_by="tests",
        first=version,
        second=champion,
        sample=6,
        status="SUCCEEDED",
        ended_at=now,
    )
    # The oldest job: the last of the list.
    Comparison.objects.filter(pk=comparison.pk).update(requested_at=now - timedelta(days=900))
    labels = [label.text for label in catalogue.get("tumor").labels]
    ComparisonFlip.objects.bulk_create(
        ComparisonFlip(
            comparison=comparison, prediction=row, place=place, first_answer=labels[0], second_answer=labels[1],
            counted=False)
        for place, row in enumerate(Prediction.objects.filter(product="tumor")[:6])
    )  # fmt: skip
    about_one = Prediction.objects.filter(reference="r0")
    about_entity = list(Prediction.objects.exclude(reference="r0")[:6])
    subject = truth.subject_of_entity(catalogue.get("tumor"), "b1")
    Prediction.objects.filter(pk__in=[row.pk for row in about_entity]).update(entity="b1", subject=subject)
    assert about_one.count() == 2
    for number in range(6):
        audit.record(audit.Act.REQUEST_BUILD, product="tumor", ids=[build], reason=f"{number}")
    for number in range(6):
        receiver = Receiver.objects.create(
            product="tumor", email=f"{number}@example.org", kinds=["build.ended"]
        )
    for _ in range(6):
        Delivery.objects.record_test(receiver)
    owner = User.objects.create_user("tests")
    for _ in range(6):
        tokens.make(owner, created_by="tests")
    fill_label_queue(version)


def fill_label_queue(version: ModelVersion) -> None:
    """Order six predictions, and six rows that nobody has asked about, to be labelled."""
    product = catalogue.get("tumor")
    requests = [ValidRequest(instance=[float(n)] * 30, reference=f"waits {n}") for n in range(6)]
    answers = [ClassAnswer("benign", 0.75, (0.75, 0.25))] * 6
    predictions = upsert.store(PredictionBatch(product, version, requests, answers))
    waiting = [Unlabelled(p.subject, {}, None, p.reference, p.pk, version.pk, "benign") for p in predictions]
    for number in range(1, 7):
        Biopsy.objects.create(number=f"w{number}", taken_at=timezone.now())
        waiting.append(Unlabelled(truth.subject_of_entity(product, f"w{number}"), {}, f"w{number}"))
    queue, _ = LabelQueue.objects.get_or_create(product="tumor")
    queue.replace([row for pair in zip(waiting[:6], waiting[6:], strict=True) for row in pair], {}, 0.0)


@pytest.mark.parametrize("parent", LISTS)
def test_a_page_has_no_query_for_each_node(rows: None, parent: str) -> None:
    assert LISTS[parent]
    for name in LISTS[parent]:
        assert_no_query_for_each_node(parent, name)
        assert_both_ways(parent, name)


def assert_no_query_for_each_node(parent: str, name: str) -> None:
    node = get_named_type(connection_of(parent, name).fields["nodes"].type)
    page = (
        f"page: {name}(first: %d) {{ totalCount pageInfo {{ endCursor }} nodes {{ {selection(node, 2)} }} }}"
    )
    document = PLACES[parent] % page
    nodes = inner(run(document % 50))["nodes"]  # fills the caches of the process, too
    more = count_queries(document % 50) - count_queries(document % 3)
    # Further nodes may have relations that the first have not, each read once for all.
    assert more < (len(nodes) - 3) / 3, f"{parent}.{name}"


def assert_both_ways(parent: str, name: str) -> None:
    """Read a list forwards and backwards: it is the same."""

    def pages(size: str, cursor: str, more: str, end: str) -> list[list[str]]:
        found: list[list[str]] = []
        after = ""
        while True:
            arguments = f'{size}: 2, {cursor}: "{after}"'
            page = f"page: {name}({arguments}) {{ edges {{ cursor }} pageInfo {{ {more} {end} }} }}"
            answer = inner(run(PLACES[parent] % page))
            found.append([edge["cursor"] for edge in answer["edges"]])
            if not answer["pageInfo"][more] or len(found) > 20:
                return found
            after = answer["pageInfo"][end]

    forwards = pages("first", "after", "hasNextPage", "endCursor")
    backwards = pages("last", "before", "hasPreviousPage", "startCursor")
    cursors = list(chain.from_iterable(forwards))
    assert cursors == list(chain.from_iterable(reversed(backwards))), f"{parent}.{name}"
    assert len(cursors) > 3, f"{parent}.{name}"


def inner(answer: Any) -> Any:
    """The page in an answer, wherever it is."""
    while "page" not in answer:
        (answer,) = answer.values() if isinstance(answer, dict) else answer[:1]
    return answer["page"]


def test_the_cursor_of_another_list_is_refused(rows: None) -> None:
    cursor = run("{ tumor { models(first: 1) { edges { cursor } } } }")["tumor"]["models"]["edges"][0][
        "cursor"
    ]
    for document in (
        '{ models(after: "%s") { totalCount nodes { id } } }',
        '{ tumor { builds(after: "%s") { nodes { id } } } }',
        '{ wine { models(after: "%s") { nodes { id } } } }',
        '{ tumor { models(after: "%s", orderBy: {field: SCORE}) { nodes { id } } } }',
        '{ tumor { models(before: "%s", orderBy: {field: NUMBER, direction: ASC}) { nodes { id } } } }',
    ):
        (error,) = ask(document % cursor).errors
        assert error.message.startswith("The cursor belongs to another list")


def ask(document: str, actor: Actor | None = None) -> Any:
    actor = actor or Actor(author="tests", superuser=True)
    return schema.execute_sync(document, context_value=Context(actor, None))  # type: ignore[arg-type]


FILTERED = [
    ("models(filter: {status: {eq: CHAMPION}}) { nodes { number } }", [8]),
    ("models(filter: {status: {in: [CHALLENGER]}}) { nodes { number } }", []),
    ("models(filter: {family: {eq: \"forest\"}}) { nodes { number } }", []),
    ("models(filter: {score: {gte: 0.9}}, first: 2) { nodes { number } }", [8, 7]),
    ("models(orderBy: {field: NUMBER, direction: ASC}, last: 1) { nodes { number } }", [8]),
    ("models(filter: {builtAt: {isNull: true}}) { nodes { number } }", []),
    ("builds(filter: {status: {eq: RUNNING}}) { nodes { number } }", []),
    ("builds(filter: {requestedBy: {eq: \"tests\"}}, first: 1) { nodes { number } }", [8]),
    ("builds(filter: {endedAt: {isNull: false}}) { nodes { number } }", []),
    ("builds(orderBy: {field: ENDED_AT, direction: ASC}, first: 2) { nodes { number } }", [1, 2]),
    ("promotions(filter: {rollback: true}) { nodes { model { number } } }", []),
    ("promotions(filter: {by: {eq: \"tests\"}}, first: 1) { nodes { model { number } } }", [8]),
    ("retraining { decisions(filter: {rule: {eq: \"rule 1\"}}) { nodes { build { number } } } }", [1, 1, 1]),
    ("retraining { decisions(filter: {requested: false}) { nodes { build { number } } } }", []),
]  # fmt: skip


def test_rows_are_filtered_and_ordered(rows: None) -> None:
    for document, numbers in FILTERED:
        answer = run(f"{{ tumor {{ {document} }} }}")["tumor"]
        while "nodes" not in answer:
            (answer,) = answer.values()
        nodes = [node.get("model") or node.get("build") or node for node in answer["nodes"]]
        assert [node["number"] for node in nodes] == numbers, document


def test_candidates_without_a_score_come_last(rows: None) -> None:
    for direction, scores in (("ASC", [0.1, 0.2, 0.4, 0.5]), ("DESC", [0.5, 0.4, 0.2, 0.1])):
        order = f"orderBy: {{field: SCORE, direction: {direction}}}"
        page = (
            f"{{ tumor {{ build(number: 1) {{ candidates({order}) {{ nodes {{ score complete }} }} }} }} }}"
        )
        nodes = run(page)["tumor"]["build"]["candidates"]["nodes"]
        assert [node["score"] for node in nodes] == [*scores, None, None]
    document = """{ tumor { build(number: 1) {
        candidates(filter: {complete: true, family: {eq: "forest"}, score: {lt: 0.3}}) { nodes { score } } } } }"""
    assert run(document)["tumor"]["build"]["candidates"]["nodes"] == [{"score": 0.1}]


def test_jobs_of_both_kinds_are_one_list(rows: None) -> None:
    document = "{ jobs(first: 20) { totalCount nodes { __typename status requestedAt } } }"
    page = run(document)["jobs"]
    assert page["totalCount"] == 12
    moments = [node["requestedAt"] for node in page["nodes"]]
    assert moments == sorted(moments, reverse=True)
    assert {node["__typename"] for node in page["nodes"]} == {"Build", "Comparison", "Scoring"}
    ended = run("{ tumor { jobs(filter: {endedAt: {isNull: false}}) { nodes { __typename } } } }")
    assert ended["tumor"]["jobs"]["nodes"] == [
        *[{"__typename": "Scoring"}] * 3,
        {"__typename": "Comparison"},
    ]


def test_a_job_says_what_it_does_and_how_long_it_may_take(rows: None) -> None:
    later = timezone.now() + timedelta(minutes=10)
    Build.objects.filter(product="tumor", number=2).update(status="RUNNING", ends_by=later)
    one, two = run("{ tumor { builds(last: 2) { nodes { message secondsLeft } } } }")["tumor"]["builds"][
        "nodes"
    ]
    assert 0 < one["secondsLeft"] <= 600 and one["message"] == "A worker runs it."
    assert two == {"message": "6", "secondsLeft": None}
    filter = "filter: {endedAt: {isNull: false}}"
    page = run(f"{{ jobs({filter}) {{ nodes {{ id message secondsLeft }} }} }}")["jobs"]
    job = page["nodes"][0]
    assert job["message"] == "0 entities are predicted, 0 are refused."
    document = "query($id: ID!) { job(id: $id) { id message secondsLeft } }"
    assert run(document, id=job["id"])["job"] == job


FEEDBACK = [
    ("", 10),
    ('author: {eq: "nobody"}', 0),
    ('reference: {in: ["r1", "r2"]}', 2),
    ("status: {eq: RETRACTED}", 0),
    ("status: {in: [COUNTS, SUPERSEDED]}", 10),
    ("createdAt: {lt: \"2000-01-01T00:00:00Z\"}", 0),
    ("observedAt: {isNull: true}", 10),
    ("entity: {isNull: false}", 0),
    ('product: {eq: "tumor"}', 10),
    ('product: {eq: "wine"}', 0),
]  # fmt: skip


def test_feedback_is_filtered(rows: None) -> None:
    for filter, count in FEEDBACK:
        page = run(f"{{ feedback(filter: {{ {filter} }}) {{ totalCount }} }}")["feedback"]
        assert page["totalCount"] == count, filter


def test_the_validity_in_a_filter_is_that_of_the_field(rows: None) -> None:
    for status in ("COUNTS", "SUPERSEDED", "RETRACTED"):
        page = run(
            f"{{ tumor {{ feedback(first: 50, filter: {{status: {{eq: {status}}}}}) {{ nodes {{ status }} }} }} }}"
        )
        assert {node["status"] for node in page["tumor"]["feedback"]["nodes"]} <= {status}


@pytest.mark.usefixtures("rows", "closed")
def test_a_list_over_all_products_has_what_the_caller_may_read() -> None:
    document = "{ models { totalCount } builds { totalCount } jobs { totalCount } feedback { totalCount } }"
    of_wine = Actor(author="guest", grants=Grants(by_product={"wine": frozenset([Permission.VIEW])}))
    assert all(page == {"totalCount": 0} for page in ask(document, of_wine).data.values())
    answer = ask(document, Actor(author="guest"))
    assert len(answer.errors) == 4


@pytest.mark.django_db
def test_unknown_products_in_filters_are_refused() -> None:
    (error,) = ask('{ models(filter: {product: {in: ["tumor", "nothing"]}}) { totalCount } }').errors
    assert error.extensions == {"code": "UNKNOWN_PRODUCT", "argument": ["filter", "product", "in", "1"]}
