"""Enums of choices: names of values, blank among them, and what was served once stays readable."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from strawberry.printer import print_schema

from learning.model import ClassAnswer, ClusterAnswer, ValueAnswer
from learning.problem import Classification, Clustering, Regression
from schema import schema as served
from schema.composition import compose
from schema.core.context import Context
from schema.execution.execution import Schema
from store import models
from store.access import resolver
from store.entities import bulk_validation, entities
from store.predictions import upsert
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue
from store.products.features import Join
from store.products.product import DataProduct
from store.registry import served_choices
from store.registry.served_choices import Served
from store.serving import predict
from store.serving.predict import PredictionRequest
from tests.store.conftest import version
from tests.survey.models import Answer

#: "new" was a label and "Java" a mood; both are declared no longer.
RECORD = {
    ("survey", ""): {"<=50K": Served("LE_50K", "<=50K"), "new": Served("NEW", "quite new")},
    ("survey", "mood"): {"C++": Served("PLUS", "fine"), "Java": Served("JAVA", "Java")},
}


@pytest.fixture
def survey() -> Iterator[DataProduct]:
    served_choices.use({})
    yield catalogue.get("survey")
    served_choices.use({})


def enum(schema: Schema, name: str) -> dict[str, str | None]:
    """The names of an enum's members, with the reasons why they are deprecated."""
    values: Any = schema._schema.type_map[name].values  # type: ignore[attr-defined]
    return {name: value.deprecation_reason for name, value in values.items()}


def test_members_are_named_by_their_values(survey: DataProduct) -> None:
    schema = compose([survey])
    assert enum(schema, "SurveyLabel") == {"LE_50K": None, "GT_50K": None}
    assert enum(schema, "SurveyMood") == {"FINE": None, "POOR": None, "BLANK": None}
    assert enum(schema, "SurveyRating") == {"MINUS_1": None, "VALUE_0": None, "VALUE_1": None}
    assert '"""Blank (stored as an empty text)."""\n  BLANK' in print_schema(schema)


def test_former_members_are_deprecated_and_recorded_names_stay(survey: DataProduct) -> None:
    served_choices.use(RECORD)
    schema = compose([survey])
    reason = "It is no choice any more: only older rows have it."
    assert enum(schema, "SurveyLabel") == {"LE_50K": None, "GT_50K": None, "NEW": reason}
    assert enum(schema, "SurveyMood") == {"PLUS": None, "POOR": None, "BLANK": None, "JAVA": reason}
    assert '"""quite new (stored as new)."""\n  NEW @deprecated' in print_schema(schema)


@pytest.mark.django_db
def test_the_schema_is_composed_again_only_where_the_record_differs(
    survey: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = served.schema
    monkeypatch.setattr(served, "schema", first)
    assert served.recorded() is first
    models.ServedChoice.objects.filter(product="survey", value="C++").update(name="PLUS")
    assert served.recorded() is not first
    assert "PLUS" in enum(served.schema, "SurveyMood")
    assert served.recorded() is served.schema


def ask(schema: Schema, query: str, **variables: Any) -> Any:
    """The data of an answer without errors: from the columnar executor and from graphql-core."""
    actor = resolver.find_session_actor(None)
    context = Context(actor, HTTPConnection({"type": "http", "headers": []}))
    result = schema.execute_sync(query, variables, context_value=context)
    assert not result.errors, result.errors
    return result.data


PAGE = """{ survey { predictions(first: 5) { edges { node {
    answer label truth confidence probabilities { label probability } features { mood rating }
    feedback { answer label } } } } } }"""


@pytest.fixture
def old(survey: DataProduct, db: None) -> models.Prediction:
    """A prediction of a label, from a mood, that are declared no longer."""
    registered = version(survey)
    registered.signature["classes"] = ["<=50K", "new"]
    batch = PredictionBatch(
        survey,
        registered,
        [ValidRequest(["Java", 7, 1.0], reference="r")],
        [ClassAnswer("new", 0.75, (0.25, 0.75))],
    )
    [prediction] = upsert.store(batch)
    models.Feedback.objects.create(
        product="survey",
        subject=prediction.subject,
        prediction=prediction,
        answer="new",
        author="ann",
        created_at=datetime.now(UTC),
    )
    return prediction


def test_old_answers_are_read_under_the_names_that_were_served(
    survey: DataProduct, old: models.Prediction
) -> None:
    served_choices.use(RECORD)
    [edge] = ask(compose([survey]), PAGE)["survey"]["predictions"]["edges"]
    assert edge["node"] == {
        "answer": "new",
        "label": "NEW",
        "truth": "NEW",
        "confidence": 0.75,
        "probabilities": [{"label": "NEW", "probability": 0.75}, {"label": "LE_50K", "probability": 0.25}],
        "features": {"mood": "JAVA", "rating": None},
        "feedback": [{"answer": "new", "label": "NEW"}],
    }


def test_old_answers_that_were_never_served_are_null_and_keep_their_text(
    survey: DataProduct, old: models.Prediction
) -> None:
    [edge] = ask(compose([survey]), PAGE)["survey"]["predictions"]["edges"]
    assert edge["node"] == {
        "answer": "new",
        "label": None,
        "truth": None,
        "confidence": 0.75,
        "probabilities": [{"label": None, "probability": 0.75}, {"label": "LE_50K", "probability": 0.25}],
        "features": {"mood": None, "rating": None},
        "feedback": [{"answer": "new", "label": None}],
    }


def test_predictions_are_filtered_by_a_name_or_a_value(survey: DataProduct, old: models.Prediction) -> None:
    served_choices.use(RECORD)
    schema = compose([survey])
    count = 'query($answer: String!) { predictions(filter: {product: "survey", answer: {eq: $answer}}) { totalCount } }'
    for answer, expected in (("NEW", 1), ("new", 1), ("LE_50K", 0), ("<=50K", 0)):
        assert ask(schema, count, answer=answer)["predictions"]["totalCount"] == expected
    context = Context(resolver.find_session_actor(None), HTTPConnection({"type": "http", "headers": []}))
    result = schema.execute_sync(count, {"answer": "CLASS_1"}, context_value=context)
    [error] = result.errors or []
    assert error.message == "'CLASS_1' is no label of survey: it takes LE_50K, GT_50K, NEW."
    assert error.extensions == {"code": "BAD_INPUT", "argument": ["filter", "answer", "eq"]}


def test_a_former_member_is_no_input(survey: DataProduct) -> None:
    served_choices.use(RECORD)
    with pytest.raises(Exception, match=r"Mood must be one of C\+\+, C#, an empty text, not 'Java'\."):
        survey.clean({"mood": "Java", "rating": 0, "size": 1.0})


@pytest.mark.django_db
def test_rows_that_are_blank_are_written_and_read(survey: DataProduct) -> None:
    schema = compose([survey])
    create = """mutation { surveyCreate(input: {features: {mood: BLANK, rating: MINUS_1, size: 1}, label: GT_50K}) {
        entity { label features { mood rating } } } }"""
    assert ask(schema, create)["surveyCreate"]["entity"] == {
        "label": "GT_50K",
        "features": {"mood": "BLANK", "rating": "MINUS_1"},
    }
    assert list(Answer.objects.values_list("mood", "rating", "plan")) == [("", -1, ">50K")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ('metric: "rok_auc"', "No metric is called 'rok_auc'. Known: recall, roc_auc."),
        ('metric: "neg_log_loss"', "No metric is called 'neg_log_loss'. Known: recall, roc_auc."),
        ('label: "ill"', "'ill' is no label of tumor: it takes BENIGN, MALIGNANT."),
    ],
)
def test_scores_of_an_unknown_metric_or_label_are_refused(
    registry: list[models.ModelVersion], arguments: str, sentence: str
) -> None:
    query = f'{{ product(name: "tumor") {{ champion {{ scores({arguments}) {{ value }} }} }} }}'
    context = Context(resolver.find_session_actor(None), HTTPConnection({"type": "http", "headers": []}))
    [error] = served.schema.execute_sync(query, context_value=context).errors or []
    assert error.message == sentence
    assert (error.extensions or {})["code"] == "BAD_INPUT"


@pytest.mark.django_db
def test_scores_of_a_label_are_found_by_its_name_or_its_value(registry: list[models.ModelVersion]) -> None:
    query = """{ product(name: "tumor") { champion {
        name: scores(label: "MALIGNANT") { value } value: scores(label: "malignant") { value }
        other: scores(metric: "accuracy") { value } } } }"""
    champion = ask(served.schema, query)["product"]["champion"]
    assert champion["name"] == champion["value"] != []
    assert champion["other"] == []


@pytest.mark.django_db
def test_an_unnamed_row_label_is_null(survey: DataProduct) -> None:
    Answer.objects.create(pk=5, plan="other", mood="Java", rating=9, size=1.0)
    read = '{ survey { entity(key: "5") { label truth features { mood rating size } } } }'
    assert ask(compose([survey]), read)["survey"]["entity"] == {
        "label": None,
        "truth": None,
        "features": {"mood": None, "rating": None, "size": 1.0},
    }


@pytest.mark.django_db
def test_blank_rows_are_accepted_wherever_rows_are_predicted(survey: DataProduct) -> None:
    rows = [Answer.objects.create(mood=mood, rating=0, size=1.0) for mood in ("", "C++")]
    keys = [str(row.pk) for row in rows]
    one_by_one = predict.validate(survey, [PredictionRequest(entity=key) for key in keys])
    stated = predict.validate(survey, [PredictionRequest([mood, 0, 1.0]) for mood in ("", "C++")])
    found = entities.find(survey, keys)
    together = bulk_validation.instances(survey, [found[key].instance for key in keys])
    for requests in (one_by_one, stated):
        assert [request.instance for request in requests if isinstance(request, ValidRequest)] == [
            ["", 0, 1.0],
            ["C++", 0, 1.0],
        ]
    assert list(map(list, together)) == [["", 0, 1.0], ["C++", 0, 1.0]]


TASKS = {
    "CLASSIFICATION": (
        Classification(),
        "plan",
        "label confidence probabilities { label } truth feedback { label }",
    ),
    "REGRESSION": (Regression(), "size", "value interval { low } truth feedback { value }"),
    "CLUSTERING": (Clustering(), None, "cluster distances { cluster }"),
}
ANSWERS = {
    "CLASSIFICATION": ClassAnswer("<=50K", 0.75, (0.75, 0.25)),
    "REGRESSION": ValueAnswer(1.5),
    "CLUSTERING": ClusterAnswer(1, (0.5, 0.25)),
}


@pytest.mark.django_db
@pytest.mark.parametrize("now", TASKS)
@pytest.mark.parametrize("then", TASKS)
def test_a_page_of_predictions_is_read_after_the_task_has_changed(
    survey: DataProduct, then: str, now: str
) -> None:
    products = {}
    for task in (then, now):
        problem, label, _ = TASKS[task]
        join = Join(Answer.objects.all(), features={"rating": "rating"}, label=label)
        products[task] = DataProduct(name="survey", join=join, problem=problem)
    batch = PredictionBatch(
        products[then], version(products[then]), [ValidRequest([1], reference="r")], [ANSWERS[then]]
    )
    [prediction] = upsert.store(batch)
    if then != "CLUSTERING":
        models.Feedback.objects.create(
            product="survey", subject=prediction.subject, prediction=prediction, author="ann",
            answer=prediction.answer, created_at=datetime.now(UTC),
        )  # fmt: skip
    page = f"{{ survey {{ predictions(first: 5) {{ edges {{ node {{ answer {TASKS[now][2]} }} }} }} }} }}"
    [edge] = ask(compose([products[now]]), page)["survey"]["predictions"]["edges"]
    assert edge["node"]["answer"] == prediction.answer
    value = edge["node"][{"CLASSIFICATION": "label", "REGRESSION": "value", "CLUSTERING": "cluster"}[now]]
    assert (value is not None) == (then == now)
