"""A build's events as they are streamed: over WebSocket and as server-sent events, from a worker elsewhere."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from store.db import pagination
from tests.system import System
from tests.test_lifecycle import champion, data, ended, nodes
from tests.test_under_load import FEATURES
from tests.waiting import PATIENCE

Event = dict[str, Any]

WATCH = """subscription($build: ID!, $after: String) { buildProgress(build: $build, after: $after) {
  __typename id cursor sequence percent message final build { id status } } }"""
STORED = """subscription($after: String, $filter: PredictionFilter) {
  predictionStored(product: "diabetes", after: $after, filter: $filter) {
    cursor product { name } prediction { id reference } predictionEdge { cursor node { id } } } }"""
GIVEN = """subscription($after: String) {
  feedbackGiven(product: "diabetes", after: $after) { cursor product { name } feedback { id answer } } }"""
CHANGED = """subscription($after: String) {
  productChanged(product: "wine", after: $after) { cursor changes product { id } } }"""
PREDICT = """mutation($features: DiabetesFeatures!, $reference: String!) {
  diabetesPredict(input: { features: $features, reference: $reference }) { prediction { id } } }"""
CORRECT = """mutation($reference: String!) {
  diabetesFeedback(input: { about: { reference: $reference }, value: 99 }) { feedback { id } } }"""
FORGET = "mutation($ids: [ID!]!) { deletePredictions(input: { ids: $ids }) { count } }"
#: A cursor before all events.
EPOCH = pagination.encode(["2000-01-01T00:00:00+00:00", None])
REQUEST = """mutation { requestBuild(input: {product: "wine", options: { candidates: 2, families: ["kmeans"] }}) {
  started build { id } } }"""


class Socket:
    """A connection over graphql-transport-ws that carries several subscriptions."""

    def __init__(self, connection: ClientConnection):
        self.connection = connection
        self.send(type="connection_init")
        assert self.receive() == {"type": "connection_ack"}

    def send(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def receive(self) -> Event:
        return dict(json.loads(self.connection.recv(timeout=PATIENCE)))

    def subscribe(self, id: str, query: str, **variables: Any) -> None:
        self.send(type="subscribe", id=id, payload={"query": query, "variables": variables})

    def results(self, id: str) -> Iterator[dict[str, Any]]:
        """The payloads of one subscription until it completes; nothing else may come."""
        while (message := self.receive())["type"] == "next":
            assert message["id"] == id
            yield message["payload"]
        assert message == {"id": id, "type": "complete"}


@contextmanager
def socket_to(system: System) -> Iterator[Socket]:
    url = f"{system.url.replace('http', 'ws')}/graphql/"
    with connect(url, subprotocols=["graphql-transport-ws"], proxy=None) as connection:  # type: ignore[list-item]
        yield Socket(connection)


def watched(system: System, build: str, after: str | None = None) -> list[Event]:
    """All events over a socket of their own, until the stream ends."""
    with socket_to(system) as socket:
        socket.subscribe("1", WATCH, build=build, after=after)
        return [data(result)["buildProgress"] for result in socket.results("1")]


def streamed(system: System, build: str, after: str | None = None) -> list[Event]:
    """All events as server-sent events, until the stream ends."""
    body = {"query": WATCH, "variables": {"build": build, "after": after}}
    with system.client.stream(
        "POST", "/graphql/", json=body, headers={"Accept": "text/event-stream"}
    ) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = list(stream.iter_lines())
    assert lines[-3:] == ["event: complete", "data: ", ""]
    results = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    return [data(json.loads(result))["buildProgress"] for result in results]


def stored(system: System, build: str) -> list[Event]:
    query = """query($id: ID!) { build(id: $id) { events(first: 500) { edges { node {
      __typename id cursor sequence percent message final build { id status } } } } } }"""
    return nodes(data(system.ask(query, {"id": build}))["build"]["events"])


def told(event: Event) -> Event:
    """What stays the same of an event, whenever it is read."""
    return {name: value for name, value in event.items() if name != "build"}


def begun(system: System) -> str:
    """The id of a build that begins now."""
    while not (requested := data(system.ask(REQUEST))["requestBuild"])["started"]:
        ended(system, requested["build"]["id"])
    return str(requested["build"]["id"])


@dataclass(frozen=True)
class Recording:
    """What subscribers have received of one build, and of its product, while it ran."""

    build: str
    #: The events of each of those who followed it from its beginning.
    watchers: list[list[Event]]
    streams: list[list[Event]]
    #: The events of a subscriber that connected again after the first of them.
    resumed: list[Event]
    #: What came over a socket that carries the list of builds, too: the build's statuses there, and its events.
    statuses: list[str]
    beside: list[Event]
    #: The changes of the product: before the build, and the first after its begin.
    changes: list[list[str]]


@pytest.fixture(scope="module")
def recording(exemplar: System) -> Recording:
    """A build that has ended, and what many subscribers have received of it."""
    champion(exemplar, "wine")
    with socket_to(exemplar) as both, socket_to(exemplar) as product, ThreadPoolExecutor(7) as pool:
        product.subscribe("1", CHANGED, after=EPOCH)
        changes = [next_change(product)]
        both.subscribe("builds", 'subscription { builds(product: "wine") { id status percent } }')
        build = begun(exemplar)
        both.subscribe("events", WATCH, build=build)
        watchers = [pool.submit(watched, exemplar, build) for _ in range(3)]
        streams = [pool.submit(streamed, exemplar, build) for _ in range(3)]
        resumed = pool.submit(reconnected, exemplar, build)
        changes.append(next_change(product))
        statuses, beside = builds_and_events(both, build)
        return Recording(
            build,
            [watcher.result() for watcher in watchers],
            [stream.result() for stream in streams],
            resumed.result(),
            statuses,
            beside,
            changes,
        )


def next_change(socket: Socket) -> list[str]:
    return list(data(socket.receive()["payload"])["productChanged"]["changes"])


def reconnected(system: System, build: str) -> list[Event]:
    """All events of a subscriber whose connection is lost after the first."""
    with socket_to(system) as socket:
        socket.subscribe("1", WATCH, build=build)
        first = data(socket.receive()["payload"])["buildProgress"]
    assert first["sequence"] == 1
    return [first, *watched(system, build, after=first["cursor"])]


def builds_and_events(socket: Socket, build: str) -> tuple[list[str], list[Event]]:
    """The statuses of a build in the subscription `builds`, and its events in `events`, until both have ended."""
    statuses: list[str] = []
    events: list[Event] = []
    complete = False
    while not (complete and statuses[-1:] == ["SUCCEEDED"]):
        match socket.receive():
            case {"type": "next", "id": "builds", "payload": payload}:
                row = data(payload)["builds"]
                statuses += [row["status"]] if row["id"] == build else []
            case {"type": "next", "id": "events", "payload": payload}:
                events.append(data(payload)["buildProgress"])
            case {"type": "complete", "id": "events"}:
                complete = True
    socket.send(type="complete", id="builds")
    return statuses, events


@pytest.mark.parametrize("transport", ["watchers", "streams"])
def test_a_running_build_streams_its_events(exemplar: System, recording: Recording, transport: str) -> None:
    events = getattr(recording, transport)[0]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["final"] for event in events] == [False] * (len(events) - 1) + [True]
    assert events[0]["__typename"] == "SnapshotTaken" and events[-1]["__typename"] == "BuildSucceeded"
    percents = [event["percent"] for event in events]
    assert percents == sorted(percents) and percents[-1] == 100
    assert {event["build"]["id"] for event in events} == {recording.build}
    assert list(map(told, events)) == list(map(told, stored(exemplar, recording.build)))


def test_all_subscribers_receive_the_same_events(recording: Recording) -> None:
    first, *others = [list(map(told, events)) for events in [*recording.watchers, *recording.streams]]
    assert first[-1]["final"]
    assert all(events == first for events in others)


@pytest.mark.parametrize("follow", [watched, streamed])
def test_an_ended_build_is_streamed_again_from_any_event(
    exemplar: System, recording: Recording, follow: Any
) -> None:
    events = stored(exemplar, recording.build)
    assert follow(exemplar, recording.build) == events
    assert follow(exemplar, recording.build, after=events[1]["cursor"]) == events[2:]


@pytest.mark.parametrize("follow", [watched, streamed])
def test_behind_the_final_event_a_stream_ends(exemplar: System, recording: Recording, follow: Any) -> None:
    last = stored(exemplar, recording.build)[-1]
    assert follow(exemplar, recording.build, after=last["cursor"]) == []
    assert follow(exemplar, recording.build, after=last["cursor"].partition(".")[0] + ".999999999") == []


def test_a_reconnected_subscriber_misses_nothing(exemplar: System, recording: Recording) -> None:
    assert list(map(told, recording.resumed)) == list(map(told, stored(exemplar, recording.build)))


def test_one_socket_carries_builds_and_their_events(exemplar: System, recording: Recording) -> None:
    assert list(map(told, recording.beside)) == list(map(told, stored(exemplar, recording.build)))
    assert "RUNNING" in recording.statuses


def test_promotions_reach_subscribers(exemplar: System, recording: Recording) -> None:
    serving = champion(exemplar, "wine")["id"]
    query = "{ wine { models(filter: { status: { in: [CHALLENGER, RETIRED] } }) { edges { node { id } } } } }"
    other = nodes(data(exemplar.ask(query))["wine"]["models"])[0]["id"]
    with socket_to(exemplar) as socket:
        socket.subscribe("1", 'subscription { promotions(product: "wine") { reason model { id } } }')
        # A subscription does not say that it has begun: one behind it that ends at once does.
        last = stored(exemplar, recording.build)[-1]["cursor"]
        socket.subscribe("2", WATCH, build=recording.build, after=last)
        assert list(socket.results("2")) == []
        for model, reason in ((other, "to be told"), (serving, "as it was")):
            promote(exemplar, model, reason)
            told = data(socket.receive()["payload"])["promotions"]
            assert told == {"reason": reason, "model": {"id": model}}


def promote(system: System, model: str, reason: str) -> None:
    query = """mutation($model: ID!, $reason: String!) {
      promote(input: {model: $model, reason: $reason}) { promotion { id } } }"""
    data(system.ask(query, {"model": model, "reason": reason}))


@pytest.mark.parametrize(
    ("query", "variables", "code", "argument"),
    [
        (WATCH, {"build": "garbage"}, "UNKNOWN_ID", "build"),
        (WATCH, {"build": ""}, "UNKNOWN_ID", "build"),
        (WATCH, {"build": "QnVpbGQ6OTk5OTk"}, "UNKNOWN_ID", "build"),
        (WATCH, {"build": "TW9kZWxWZXJzaW9uOjE"}, "WRONG_KIND_OF_ID", "build"),
        (WATCH, {"build": None}, "BAD_INPUT", "build"),
        (WATCH, {"build": "QnVpbGQ6MQ", "after": "garbage"}, "BAD_INPUT", "after"),
        (WATCH, {"build": "QnVpbGQ6MQ", "after": "-1"}, "BAD_INPUT", "after"),
        ("subscription($p: String) { builds(product: $p) { id } }", {"p": "nothing"}, "UNKNOWN_PRODUCT", "product"),
        ("subscription($p: String) { builds(product: $p) { id } }", {"p": ""}, "UNKNOWN_PRODUCT", "product"),
        ("subscription($p: String) { promotions(product: $p) { id } }", {"p": ""}, "UNKNOWN_PRODUCT", "product"),
        ('subscription { feedbackGiven(product: "") { cursor } }', {}, "UNKNOWN_PRODUCT", "product"),
        (STORED, {"after": "garbage"}, "BAD_INPUT", "after"),
        ("subscription { productChanged(after: \"1\") { cursor } }", {}, "BAD_INPUT", "after"),
    ],
)  # fmt: skip
def test_a_subscription_to_nothing_is_refused(
    exemplar: System, query: str, variables: Event, code: str, argument: str
) -> None:
    with socket_to(exemplar) as socket:
        socket.subscribe("1", query, **variables)
        refused = socket.receive()
    errors = refused["payload"] if refused["type"] == "error" else refused["payload"]["errors"]
    headers = {"Accept": "text/event-stream"}
    body = {"query": query, "variables": variables}
    lines = exemplar.client.post("/graphql/", json=body, headers=headers).text.splitlines()
    for (error,) in (errors, json.loads(lines[1].removeprefix("data: "))["errors"]):
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == (code, [argument])
    assert errors == json.loads(lines[1].removeprefix("data: "))["errors"]
    assert error.get("path") or code == "BAD_INPUT"


def test_a_re_scoring_is_requested_and_watched_to_its_end(exemplar: System) -> None:
    champion(exemplar, "wine")
    request = """mutation { scoreTable(input: {product: "wine"}) { started job {
      __typename id status product { name } model { number } } } }"""
    watch = """subscription($job: ID!) { jobProgress(job: $job) {
      __typename id status percent ... on Scoring { scored refused } } }"""
    payload = data(exemplar.ask(request))["scoreTable"]
    job = payload["job"]
    assert (payload["started"], job["__typename"], job["product"]["name"]) == (True, "Scoring", "wine")
    with socket_to(exemplar) as socket:
        socket.subscribe("1", watch, job=job["id"])
        seen = [data(result)["jobProgress"] for result in socket.results("1")]
    assert [row["id"] for row in seen] == [job["id"]] * len(seen)
    last = {key: seen[-1][key] for key in ("status", "percent", "scored", "refused")}
    assert last == {"status": "SUCCEEDED", "percent": 100.0, "scored": 178, "refused": 0}
    stored = "query($id: ID!) { node(id: $id) { ... on Scoring { scored model { number } } } }"
    assert data(exemplar.ask(stored, {"id": job["id"]}))["node"]["scored"] == 178
    wrong = exemplar.ask('mutation { scoreTable(input: {product: "nothing"}) { started } }')
    assert wrong["errors"][0]["extensions"]["code"] == "UNKNOWN_PRODUCT"


def test_live_lists_hear_of_what_is_stored(exemplar: System) -> None:
    champion(exemplar, "diabetes")

    def predict(reference: str) -> str:
        values = {"features": FEATURES, "reference": reference}
        return str(data(exemplar.ask(PREDICT, values))["diabetesPredict"]["prediction"]["id"])

    ids = [predict("live 1")]
    correct = {"reference": "live 1"}
    feedback = data(exemplar.ask(CORRECT, correct))["diabetesFeedback"]["feedback"]["id"]
    with socket_to(exemplar) as socket:
        socket.subscribe("1", STORED, after=EPOCH, filter={"reference": {"in": ["live 1", "live 2"]}})
        first = data(socket.receive()["payload"])["predictionStored"]
        ids.append(predict("live 2"))
        second = data(socket.receive()["payload"])["predictionStored"]
        socket.send(type="complete", id="1")
        socket.subscribe("2", GIVEN, after=first["cursor"])
        given = data(socket.receive()["payload"])["feedbackGiven"]
    assert [event["prediction"] for event in (first, second)] == [
        {"id": id, "reference": f"live {number}"} for number, id in enumerate(ids, 1)
    ]
    assert first["predictionEdge"]["node"]["id"] == ids[0] and first["product"] == {"name": "diabetes"}
    assert given["feedback"] == {"id": feedback, "answer": "99.0"}
    data(exemplar.ask(FORGET, {"ids": ids}))


def test_a_product_that_has_changed_is_heard_of(recording: Recording) -> None:
    before, after = recording.changes
    assert before == ["CHAMPION", "BUILD", "HOLD"]
    assert "BUILD" in after
