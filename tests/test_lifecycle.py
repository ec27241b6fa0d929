"""The life of the product `tumor`, told once through the API, with a real worker."""

import time
from typing import Any

from tests.system import System
from tests.waiting import BUILD_PATIENCE, eventually

BUILD = """
query Build($id: ID!) { build(id: $id) {
  status decision promoted
  model { id number family metric score digest runtime microsecondsPerRow parity
    scores(metric: "roc_auc") { fold value } }
  snapshot { rowsIn rows unlabelled incomplete fromPredictions fingerprint sql }
  candidates { totalCount edges { node { family score complete incumbent } } }
  events(first: 500) { edges { node { __typename sequence percent final } } } } }"""
FEEDBACK = """
mutation Say($input: TumorFeedbackInput!) { tumorFeedback(input: $input) {
  created featureRowsChanged feedback { id label author status }
  entity { label truth } prediction { truth disputed } } }"""

#: What other tests have asked, and said about it, would be among the rows.
FORGET = """mutation { deletePredictions(input: {filter: { product: "tumor" }}) { count } }"""

#: Scores that the examples' first champions have at least: ROC AUC, R², separation, accuracy.
LEAST = {"tumor": 0.98, "diabetes": 0.45, "wine": 0.22, "manual": 0.75}


#: Candidates of a build that tries each family of the first ones.
CANDIDATES = 6


def data(answer: dict[str, Any]) -> Any:
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def code(answer: dict[str, Any]) -> str:
    return str(answer["errors"][0]["extensions"]["code"])


def test_a_product_is_built_serves_and_learns_from_feedback(exemplar: System) -> None:
    first = champion(exemplar)
    assert first["score"] >= 0.98  # of 0.99 less what labels of other tests have cost

    data(exemplar.ask(FORGET))

    # Predict, twice: the same row.
    asked = predict_for(exemplar, "B-0001")
    assert asked["label"] == asked["truth"] == "MALIGNANT"
    assert asked["model"]["number"] == first["number"]
    again = predict_for(exemplar, "B-0001")
    assert (again["id"], again["timesAsked"]) == (asked["id"], asked["timesAsked"] + 1)

    # A person contradicts model and table; the feature table holds it.
    about = {"about": {"prediction": asked["id"]}, "label": "BENIGN", "author": "Dr. Fell"}
    said = data(exemplar.ask(FEEDBACK, {"input": about}))["tumorFeedback"]
    assert said["created"] and said["featureRowsChanged"] == 1
    assert said["entity"] == {"label": "BENIGN", "truth": "BENIGN"}
    assert data(exemplar.ask(FEEDBACK, {"input": about}))["tumorFeedback"]["created"] is False

    # The next build's snapshot holds it, and its model learned from it.
    built = build(exemplar, options={"candidates": CANDIDATES})
    assert built["status"] == "SUCCEEDED", built["decision"]
    check_steps(built)
    assert built["snapshot"]["rows"] == 569
    assert built["snapshot"]["fingerprint"] != first["snapshot"]["fingerprint"]
    assert built["model"]["digest"] != first["digest"]
    assert built["model"]["runtime"] != "pipeline", built["model"]["parity"]
    assert " on 569 rows of the snapshot and " in built["model"]["parity"]
    assert built["model"]["microsecondsPerRow"] < 1_000
    assert built["promoted"], built["decision"]
    await_champion(exemplar, built["model"]["number"])
    newer = predict_for(exemplar, "B-0001")
    assert newer["id"] != asked["id"] and newer["truth"] == "BENIGN"
    assert newer["confidence"] != asked["confidence"]
    assert [other["id"] for other in nodes(newer["others"])] == [asked["id"]]

    # Taking it back gives the old value back.
    retract = """mutation($id: ID!) { tumorFeedbackRetract(input: {feedback: $id}) {
        feedback { status } entity { label } } }"""
    back = data(exemplar.ask(retract, {"id": said["feedback"]["id"]}))["tumorFeedbackRetract"]
    assert back == {"feedback": {"status": "RETRACTED"}, "entity": {"label": "MALIGNANT"}}
    assert predict_for(exemplar, "B-0001")["truth"] == "MALIGNANT"

    # Predictions go on request.
    delete = "mutation($ids: [ID!]!) { deletePredictions(input: {ids: $ids}) { count deletedIds } }"
    gone = data(exemplar.ask(delete, {"ids": [asked["id"], newer["id"]]}))["deletePredictions"]
    assert gone["count"] == 2 and set(gone["deletedIds"]) == {asked["id"], newer["id"]}
    assert data(exemplar.ask("query($id: ID!) { node(id: $id) { id } }", {"id": asked["id"]}))["node"] is None
    assert code(exemplar.ask(FEEDBACK, {"input": about})) == "UNKNOWN_ID"


def test_four_problems_are_answered(exemplar: System) -> None:
    for product, least in LEAST.items():
        assert champion(exemplar, product)["score"] >= least, product
    versions = nodes(
        data(exemplar.ask("{ tumor { models(first: 100) { edges { node { score } } } } }"))["tumor"]["models"]
    )
    assert (
        max(version["score"] for version in versions) >= 0.99
    )  # another test may have promoted a lesser one
    query = """{
      diabetes { predictFor(entity: "P-0001") {
        value truth features { sex age } model { family }
        interval { low high level coverage } narrow: interval(level: 0.5) { low high } } }
      wine { predictFor(entity: "W-0001") { cluster distances { cluster distance } feedback { id } disputed } }
      manual { predict(features: { text: "Lay out the log record by its format string." }) { label } } }"""
    answer = data(exemplar.ask(query))
    assert answer["manual"]["predict"]["label"] == "LOGGING"
    assert answer["diabetes"]["predictFor"]["truth"] == 151.0
    assert answer["diabetes"]["predictFor"]["features"] == {"sex": "SECOND", "age": 59}
    value, wide = answer["diabetes"]["predictFor"]["value"], answer["diabetes"]["predictFor"]["interval"]
    narrow = answer["diabetes"]["predictFor"]["narrow"]
    assert wide["low"] < narrow["low"] < value < narrow["high"] < wide["high"]
    assert wide["level"] == 0.9 and 0.8 < wide["coverage"] <= 1
    refused = exemplar.ask('{ diabetes { predictFor(entity: "P-0001") { interval(level: 1) { low } } } }')
    assert refused["errors"][0]["extensions"] == {"code": "OUT_OF_RANGE", "argument": ["level"]}
    wine = answer["wine"]["predictFor"]
    nearest = min(wine["distances"], key=lambda pair: pair["distance"])
    assert wine["cluster"] == nearest["cluster"] and wine["feedback"] == []


def check_steps(built: dict[str, Any]) -> None:
    """Check that a build has reported every step."""
    events = nodes(built["events"])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["final"] for event in events] == [False] * (len(events) - 1) + [True]
    assert events[0]["__typename"] == "SnapshotTaken"
    assert events[-1]["__typename"] == "BuildSucceeded"
    assert built["snapshot"]["rowsIn"] == 569
    assert built["snapshot"]["sql"].startswith("CREATE TABLE snapshots.")
    families = {candidate["family"] for candidate in nodes(built["candidates"])}
    assert {"baseline", "linear", "forest", "boosting"} <= families
    assert [candidate["incumbent"] for candidate in nodes(built["candidates"])].count(True) == 1


def nodes(connection: dict[str, Any]) -> list[dict[str, Any]]:
    return [edge["node"] for edge in connection["edges"]]


def champion(system: System, product: str = "tumor", seconds: float = BUILD_PATIENCE) -> dict[str, Any]:
    """The version that serves, once there is one."""
    query = "query($p: String!) { product(name: $p) { champion { id number score digest snapshot { fingerprint } } } }"
    until = time.monotonic() + seconds
    while not (found := data(system.ask(query, {"p": product}))["product"]["champion"]):
        assert time.monotonic() < until, f"{product} has no champion"
        time.sleep(0.2)
    return dict(found)


def predict_for(system: System, key: str) -> dict[str, Any]:
    query = """query($key: ID!) { tumor { predictFor(entity: $key) {
      id label confidence truth timesAsked model { number } others { edges { node { id } } } } } }"""
    return dict(data(system.ask(query, {"key": key}))["tumor"]["predictFor"])


def build(
    system: System,
    product: str = "tumor",
    seconds: float = BUILD_PATIENCE,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A build that was begun now, at its end."""
    request = """mutation($p: String!, $options: BuildOptions) {
        requestBuild(input: {product: $p, options: $options}) { started build { id } } }"""
    variables = {"p": product, "options": options}
    requested = data(system.ask(request, variables))["requestBuild"]
    while not requested["started"]:
        # A champion serves before its build has ended: its alternatives are still being fitted.
        ended(system, requested["build"]["id"], seconds)
        requested = data(system.ask(request, variables))["requestBuild"]
    return ended(system, requested["build"]["id"], seconds)


def ended(system: System, id: str, seconds: float = BUILD_PATIENCE) -> dict[str, Any]:
    """Return a build once it has ended; until then ask for its status alone."""
    status = "query($id: ID!) { build(id: $id) { status } }"
    statuses = lambda: data(system.ask(status, {"id": id}))["build"]["status"]  # noqa: E731
    assert eventually(lambda: statuses() not in ("READY", "RUNNING"), seconds), "the build does not end"
    return dict(data(system.ask(BUILD, {"id": id}))["build"])


def await_answer(system: System) -> None:
    """Wait until the web process answers at all: the first champion is loaded a moment after it is promoted."""
    query = '{ tumor { predictFor(entity: "B-0002") { id } } }'
    assert eventually(lambda: "errors" not in system.ask(query), BUILD_PATIENCE)


def await_champion(system: System, number: int) -> None:
    """Wait until the web process answers with this version."""
    assert eventually(lambda: predict_for(system, "B-0002")["model"]["number"] == number)
