"""Cases to label: the queues in which they wait, and one of them with all that a person needs to label it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from .api import JSONObject, fetch
from .pages import require

#: Pages of a queue that are read for a case which the person has not seen and nobody else has.
MOST_PAGES = 6
#: A number with more digits than a model can know.
LONG_NUMBER = re.compile(r"\d+\.\d{4,}")
#: What an author has said and taken back, or said anew, is no word of the present.
COUNTS = "COUNTS"


@dataclass(frozen=True)
class Queue:
    """A list of cases, in the order in which they are shown."""

    name: str
    title: str
    #: What stands where it is empty.
    empty: str
    filter: JSONObject = field(default_factory=dict)
    order: JSONObject | None = None
    tasks: tuple[str, ...] = ("CLASSIFICATION", "REGRESSION")


NEXT = Queue(
    "next",
    "What to label next",
    "Everything that is known has a label, or the order is still being made. It follows new rows and predictions "
    "within minutes.",
)
QUEUES = (
    NEXT,
    Queue(
        "disputed",
        "Disputed",
        "People agree on everything that was labelled, or you have said your word on all that is disputed.",
        {"disputed": True},
    ),
    Queue(
        "unsure",
        "Low confidence",
        "No prediction waits for a label.",
        {"labelled": False},
        {"field": "CONFIDENCE", "direction": "ASC"},
        ("CLASSIFICATION",),
    ),
    Queue("newest", "Newest", "No prediction waits for a label.", {"labelled": False}),
)


def list_queues(task: str) -> list[Queue]:
    """List the queues of a product by its task."""
    return [queue for queue in QUEUES if task in queue.tasks]


def find_queue(name: str | None) -> Queue:
    """Find a queue by its name; the first one for any other."""
    return next((queue for queue in QUEUES if queue.name == name), NEXT)


@dataclass
class Waiting:
    """A case as it stands in a queue."""

    prediction: str | None = None
    entity: str | None = None
    reference: str | None = None
    #: What the queue says of the model's answer; empty for a prediction, which has its own.
    answer_text: str | None = None
    confidence: float | None = None
    reason: str = ""

    @property
    def subject(self) -> str:
        """The subject of the case: the same for all predictions about one row or one reference."""
        if self.entity is not None:
            return f"row {self.entity}"
        return f"reference {self.reference}" if self.reference else f"prediction {self.prediction}"

    @property
    def target(self) -> JSONObject:
        """The case as the API takes it."""
        return {"prediction": self.prediction} if self.prediction else {"entity": self.entity}

    @property
    def parameters(self) -> dict[str, str | None]:
        """The case as an address names it."""
        return {"prediction": self.prediction} if self.prediction else {"row": self.entity}


def read_waiting(node: JSONObject) -> Waiting:
    """Read a node of a queue, which is a prediction or a place in the order of what to label next."""
    prediction = node.get("prediction")
    entity = node["entity"]
    return Waiting(
        prediction=prediction["id"] if prediction else node.get("id"),
        entity=entity and entity["key"],
        reference=node["reference"],
        answer_text=node.get("answerText"),
        confidence=node.get("confidence"),
        reason=node.get("reason", ""),
    )


def list_waiting(
    request: HttpRequest, product: str, queue: Queue, seen: Iterable[str]
) -> Iterator[tuple[JSONObject, list[Waiting]]]:
    """Read a queue by pages: the product, and the cases of the page that this person has not seen or labelled."""
    seen, after = set(seen), None
    for _ in range(MOST_PAGES):
        variables: JSONObject = {"product": product, "after": after}
        if queue is not NEXT:
            variables |= {"filter": queue.filter, "orderBy": queue.order}
        data = fetch(request, "CorrectNext" if queue is NEXT else "CorrectPredictions", variables)
        owner = require(data["product"], f"There is no product {product}.")
        page = owner["genericNextToLabel" if queue is NEXT else "genericPredictions"] or {}
        nodes = [node for node in page.get("nodes", ()) if not is_labelled_by(node, data["viewer"]["name"])]
        yield owner | {"waiting": page.get("totalCount")}, without_seen(map(read_waiting, nodes), seen)
        if not page or not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def without_seen(cases: Iterable[Waiting], seen: set[str]) -> list[Waiting]:
    """List the cases whose subject was not seen, each subject once."""
    by_subject: dict[str, Waiting] = {}
    for case in cases:
        if case.subject not in seen:
            by_subject.setdefault(case.subject, case)
    return list(by_subject.values())


def is_labelled_by(node: JSONObject, viewer: str | None) -> bool:
    """Return True if this person's word about a prediction counts already."""
    words = node.get("feedback") or ()
    return viewer is not None and any(word["author"] == viewer and word["status"] == COUNTS for word in words)


@dataclass
class Case:
    """A case with its features, and the words about it."""

    waiting: Waiting
    groups: list[tuple[str, list[JSONObject]]]
    words: list[JSONObject]
    truth: str | None
    answer_text: str | None
    #: The answer as feedback takes it; null of a row that nobody has asked about.
    answer: Any = None
    confidence: float | None = None
    model: int | None = None
    created_at: str | None = None
    disputed: bool = False

    @property
    def model_says(self) -> str | None:
        """The model's answer with the digits that mean something."""
        return self.answer_text and LONG_NUMBER.sub(lambda match: f"{float(match[0]):.4g}", self.answer_text)

    @property
    def state(self) -> str:
        """A text that changes once somebody has labelled the case."""
        newest = self.words[0]["id"] if self.words else ""
        return f"{len(self.words)} {newest} {self.truth or ''}"


def load_case(request: HttpRequest, product: str, waiting: Waiting) -> Case | None:
    """Load a case; None where it is gone."""
    if waiting.prediction:
        return _load_prediction(request, product, waiting)
    data = fetch(request, "CorrectRow", {"product": product, "key": waiting.entity})
    owner = require(data["product"], f"There is no product {product}.")
    row = owner["entity"]
    if row is None:
        return None
    words = current_words((owner["genericFeedback"] or {}).get("nodes", ()))
    return Case(
        waiting, group(row), words, row["truthText"], waiting.answer_text, confidence=waiting.confidence
    )


def _load_prediction(request: HttpRequest, product: str, waiting: Waiting) -> Case | None:
    node = fetch(request, "CorrectPrediction", {"id": waiting.prediction})["node"]
    if not node or node["product"]["name"] != product:
        return None
    waiting.entity = node["entity"] and node["entity"]["key"]
    waiting.reference = node["reference"]
    return Case(
        waiting,
        group(node),
        current_words(node["feedback"]),
        node["truthText"],
        node["answerText"],
        answer=node["answerValue"],
        confidence=node["confidence"],
        model=node["model"]["number"],
        created_at=node["createdAt"],
        disputed=node["disputed"],
    )


def current_words(words: Iterable[JSONObject]) -> list[JSONObject]:
    """List the words that count, newest first."""
    return [word for word in words if word["status"] == COUNTS]


def group(node: JSONObject) -> list[tuple[str, list[JSONObject]]]:
    """Group the features of a row or a prediction as forms do, in declared order."""
    groups: dict[str, list[JSONObject]] = {}
    for value in node["featureValues"] or ():
        groups.setdefault(value["feature"]["group"], []).append(value)
    return list(groups.items())
