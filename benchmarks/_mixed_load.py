"""Mixed load: concurrent clients that each repeat one kind of request: predictions, feedback, pages."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

from benchmarks import _requests
from store.products import catalogue

#: Rows of one `predictMany`.
ROWS = 200
#: Seconds between two requests of a kind that people send.
PAUSE = {"feedback": 0.2, "page": 0.2}


class AnsweredRequest(NamedTuple):
    """A request that was answered."""

    at: float
    kind: str
    seconds: float
    #: The error of the answer; empty: none.
    error: str


class Client:
    """One connection to the API, reopened after it was closed."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, body: bytes) -> tuple[int, bytes]:
        self.connection.request("POST", "/graphql/", body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def ask(self, query: str, variables: Mapping[str, Any] = {}) -> Any:
        """Send a query and return the whole answer, `errors` included; the connection is closed afterwards."""
        try:
            return json.loads(self.post(_json(query, **variables))[1])
        finally:
            self.connection.close()


class MixedLoad:
    """Context manager that sends the requests of all clients."""

    def __init__(self, port: int):
        self.port = port
        self.requests: list[AnsweredRequest] = []
        self._stopped = threading.Event()
        self._numbers = itertools.count(1)
        kinds = (*("predict",) * 3, "predictMany", "feedback", "page")
        self._threads = [threading.Thread(target=self._repeat, args=[kind], name=kind) for kind in kinds]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, kind: str) -> None:
        render, client = get_renderers()[kind], Client(self.port)
        while not self._stopped.wait(PAUSE.get(kind, 0)):
            body, started = render(next(self._numbers)), time.monotonic()
            error = _post(client, body)
            self.requests.append(AnsweredRequest(started, kind, time.monotonic() - started, error))


def _post(client: Client, body: bytes) -> str:
    """Post a request and return the error of the answer; empty: none."""
    try:
        status, content = client.post(body)
    except (OSError, http.client.HTTPException) as error:
        client.connection.close()
        return repr(error)
    return "" if status == 200 and b'"errors"' not in content else content[:500].decode(errors="replace")


def get_renderers() -> dict[str, Callable[[int], bytes]]:
    """Get the functions that render a request for its number, by kind."""
    tumor = catalogue.get("tumor")
    one = json.loads(_requests.render_request(tumor))
    area = one["variables"]["features"]
    many = json.loads(_requests.render_batch_request(tumor, ROWS, 0))

    def predict(number: int) -> bytes:
        features = {**area, "meanArea": number % 200_000}
        return _json(one["query"], features=features)

    def predict_many(number: int) -> bytes:
        rows = [
            {"features": {**area, "meanArea": 200_000 + (number * ROWS + n) % 200_000}} for n in range(ROWS)
        ]
        return _json(many["query"], rows=rows)

    return {"predict": predict, "predictMany": predict_many, "feedback": _feedback, "page": _page}


FEEDBACK = """mutation($key: ID!, $label: TumorLabel!, $author: String!) {
    tumorFeedback(input: {about: {entity: $key}, label: $label, author: $author}) {
        created feedback { id label author } entity { label truth } } }"""
PAGES = (
    "{ products { name task metric champion { number family score } } }",
    """{ tumor { models(first: 20) { edges { node {
        number family score status scores { metric fold value } } } } } }""",
    """{ predictions(first: 50) { edges { node { id answer createdAt model { number } } } } }""",
    """{ tumor { builds(first: 5) { edges { node { number status decision
        candidates(first: 20) { edges { node { family score } } }
        events(first: 50) { edges { node { message } } } } } } } }""",
    """{ diabetes { predictFor(entity: "P-0001") { value truth } entities(first: 20) { edges { node { key } } } } }""",
)


def _feedback(number: int) -> bytes:
    label = ("BENIGN", "MALIGNANT")[number % 2]
    return _json(FEEDBACK, key=f"B-{1 + number % 569:04}", label=label, author=f"reader {number % 7}")


def _page(number: int) -> bytes:
    return _json(PAGES[number % len(PAGES)])


def _json(query: str, **variables: Any) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()
