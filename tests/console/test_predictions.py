"""Predictions: they are filtered, counted, exported, followed, read with their story, corrected and deleted."""

import html
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from project.console.templatetags.console import percent, rounded
from tests.console.inspection import NARROW, WIDE, Page
from tests.system import System
from tests.test_lifecycle import champion, data
from tests.waiting import PATIENCE

LIST = "/products/tumor/predictions/"
ROWS = """query($p: String!) { product(name: $p) { genericEntities(first: 100) { nodes {
    featureValues { name value } } } } }"""
PREDICT = "mutation($i: PredictInput!) { predict(input: $i) { prediction { id answerValue } } }"
SAY = "mutation($i: FeedbackInput!) { feedback(input: $i) { created } }"
FORGET = "mutation($i: DeletePredictionsInput!) { deletePredictions(input: $i) { count } }"


@dataclass
class Asked:
    """Predictions about references of one test."""

    system: System
    product: str = "tumor"
    prefix: str = field(default_factory=lambda: secrets.token_hex(6))

    def __post_init__(self) -> None:
        rows = data(self.system.ask(ROWS, {"p": self.product}))["product"]["genericEntities"]["nodes"]
        self.rows = [{each["name"]: each["value"] for each in row["featureValues"]} for row in rows]

    def ask(self, place: int) -> Any:
        """Predict from a row, about a reference."""
        item = {
            "product": self.product,
            "features": self.rows[place],
            "reference": f"{self.prefix}-{place:03}",
        }
        return data(self.system.ask(PREDICT, {"i": item}))["predict"]["prediction"]

    def say(self, place: int, answer: Any) -> None:
        """Say what is right about a reference."""
        about = {"reference": f"{self.prefix}-{place:03}"}
        data(self.system.ask(SAY, {"i": {"product": self.product, "about": about, "answer": answer}}))

    def forget(self) -> None:
        """Delete them."""
        filter = {"product": self.product, "search": self.prefix}
        data(self.system.ask(FORGET, {"i": {"filter": filter}}))


@pytest.fixture
def asked(exemplar: System) -> Iterator[Asked]:
    champion(exemplar)
    asked = Asked(exemplar)
    yield asked
    asked.forget()


@pytest.fixture
def client(exemplar: System) -> Iterator[httpx.Client]:
    """A browser without scripts."""
    with httpx.Client(
        base_url=exemplar.url, trust_env=False, timeout=PATIENCE, follow_redirects=True
    ) as client:
        client.get("/")
        yield client


def send(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send a form of a page."""
    return client.post(path, data={"csrfmiddlewaretoken": client.cookies["csrftoken"]} | fields)


def references(page: httpx.Response) -> list[str]:
    """The references in the list, in its order."""
    return [cell.strip() for cell in re.findall(r'<td class="about">([^<]*)</td>', page.text)]


def links(page: httpx.Response, pattern: str) -> list[str]:
    return [html.unescape(url) for url in re.findall(rf'href="({pattern})"', page.text)]


def test_a_list_is_read_in_pages_both_ways(asked: Asked, client: httpx.Client) -> None:
    for place in range(52):
        asked.ask(place)
    first = client.get(LIST, params={"q": asked.prefix})
    assert len(references(first)) == 50 and references(first)[0].endswith("-051")
    second = client.get(LIST + links(first, r"\?[^\"]*after=[^\"]*")[0])
    assert references(second) == [f"{asked.prefix}-001", f"{asked.prefix}-000"]
    back = client.get(LIST + links(second, r"\?[^\"]*before=[^\"]*")[0])
    assert references(back) == references(first)


def test_conditions_of_the_address_are_those_of_the_list_of_the_counts_and_of_the_file(
    asked: Asked, client: httpx.Client
) -> None:
    answers = [asked.ask(place)["answerValue"] for place in range(6)]
    other = {"BENIGN": "MALIGNANT", "MALIGNANT": "BENIGN"}
    asked.say(0, answers[0])
    asked.say(1, other[answers[1]])
    parameters = {
        "q": asked.prefix,
        "wrong": "yes",
        "feature1": "meanRadius",
        "compare1": "gte",
        "than1": "0",
    }
    page = client.get(LIST, params=parameters)
    assert references(page) == [f"{asked.prefix}-001"]
    assert re.search(r'name="than1" value="0"', page.text)
    [week] = [link for link in links(page, rf"{LIST}\?[^\"]*") if "since=" in link]
    assert references(client.get(week)) == [f"{asked.prefix}-001"], "the other conditions stay"
    counts = client.get(f"{LIST}facets/", params=parameters).text
    assert "1 prediction" in counts and "Version" in counts
    [export] = links(page, r"/export/[^\"]*")
    assert "formulas=escape" in export
    file = client.get(export)
    assert file.status_code == 200 and len(file.text.splitlines()) == 2
    right = client.get(LIST, params={"q": asked.prefix, "wrong": "no"})
    assert references(right) == [f"{asked.prefix}-000"]
    unlabelled = client.get(LIST, params={"q": asked.prefix, "labelled": "no", "sort": "unsure"})
    assert len(references(unlabelled)) == 4


def test_a_count_sets_its_condition_and_takes_it_away(asked: Asked, client: httpx.Client) -> None:
    asked.ask(0)
    counts = client.get(f"{LIST}facets/", params={"q": asked.prefix})
    [version] = [url for url in links(counts, LIST + r"\?[^\"]*") if "version=" in url]
    narrowed = client.get(version)
    assert references(narrowed) == [f"{asked.prefix}-000"]
    counts = client.get(f"{LIST}facets/", params=narrowed.url.params)
    assert [url for url in links(counts, LIST + r"\?[^\"]*") if "version=" not in url]


def test_truths_are_counted_on_request_alone(asked: Asked, client: httpx.Client) -> None:
    asked.ask(0)
    counts = client.get(f"{LIST}facets/", params={"q": asked.prefix})
    assert "Truth by feedback" not in counts.text
    [offered] = {url for url in links(counts, r"\?[^\"]*") if "truths=yes" in url}
    assert "Truth by feedback" in client.get(f"{LIST}facets/{offered}").text


def test_a_condition_that_cannot_be_read_is_said(client: httpx.Client) -> None:
    for parameters, sentence in (
        ({"confidence_from": "high"}, "no number"),
        ({"since": "2026-13-01"}, "no date"),
        ({"version": "999"}, "no version 999"),
        ({"feature1": "meanRadius", "than1": "wide"}, "Mean radius must be a number"),
        ({"answer": "PERHAPS"}, "PERHAPS"),
        ({"after": "nonsense"}, "cursor"),
    ):
        page = client.get(LIST, params=parameters)
        assert page.status_code == 422, parameters
        assert sentence in html.unescape(page.text), parameters
    assert "No prediction matches" in client.get(LIST, params={"q": "no such thing"}).text


@pytest.mark.script("console/predictions.js")
def test_new_predictions_are_announced_and_shown_by_a_click(page: Page, asked: Asked) -> None:
    page.open(f"{LIST}?q={asked.prefix}")
    page.find("#fresh[data-live]")
    page.wait(lambda: asked.ask(len(page.find("#fresh").text) % 2) and page.find("#fresh").text)
    assert "new: show" in page.find("#fresh").text
    page.find("#fresh a").click()
    page.settle()
    assert asked.prefix in page.find("tbody").text
    page.find("[data-check-all]").click()
    assert all(box.is_selected() for box in page.find_all("#chosen input[name=id]"))
    assert page.list_faults() == []


def test_a_prediction_tells_its_story_and_takes_feedback_back(
    page: Page, asked: Asked, client: httpx.Client
) -> None:
    stored = asked.ask(0)
    url = f"{LIST}{stored['id']}/"
    answered = send(client, f"{url}feedback/", answer="BENIGN", comment="Seen by two.")
    assert "Stored: Benign is right." in answered.text and "Seen by two." in answered.text
    page.open(url)
    for width, dark in ((WIDE, False), (NARROW, True)):
        page.emulate(width, dark)
        assert page.list_faults() == [], (width, dark)
        assert page.list_unreachable() == [] and page.list_code_names() == []
    for sentence in (f"about {asked.prefix}-000", "Mean radius", "snapshot", "counts", "The truth: Benign"):
        assert sentence in page.text, sentence
    assert [name for name, answer in page.replay().items() if "errors" in answer] == []
    word = re.findall(r'name="feedback" value="([^"]+)"', answered.text)[0]
    taken = send(client, f"{url}retract/", feedback=word)
    assert "no longer counts" in taken.text and "taken back" in taken.text
    assert "The truth is not known." in taken.text


def test_another_version_answers_to_the_same_features(asked: Asked, client: httpx.Client) -> None:
    url = f"{LIST}{asked.ask(0)['id']}/"
    answered = client.get(f"{url}by-version/")
    assert "would answer to the same features" in answered.text and 'class="answer"' in answered.text
    refused = client.get(f"{url}by-version/", params={"model": "nonsense"})
    assert refused.status_code == 200 and "not an id" in refused.text


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("17.7040838855 px", "17.7041 px"),
        ("1139.89012778", "1139.89"),
        ("0.0833940662682", "0.0833941"),
        ("0.25", "0.25"),
        ("10.0.0.12345 is an address", "10.0.0.12345 is an address"),
        (None, None),
    ],
)
def test_values_of_many_decimals_are_rounded(text: str | None, short: str | None) -> None:
    assert rounded(text) == short


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9998, "> 99.9 %"), (1.0, "100.0 %"), (0.9994, "99.9 %"), (0.0002, "< 0.1 %"), (0.0, "0.0 %")],
)
def test_a_share_near_all_is_not_written_as_all(share: float, text: str) -> None:
    assert percent(share, 1) == text


def test_what_is_deleted_is_counted_first(asked: Asked, client: httpx.Client) -> None:
    ids = [asked.ask(place)["id"] for place in range(3)]
    asked.say(0, "BENIGN")
    question = send(client, f"{LIST}delete/", id=ids[:2], q=asked.prefix)
    assert "2 predictions</strong> will be deleted" in question.text
    assert len(references(client.get(LIST, params={"q": asked.prefix}))) == 3
    stale = send(client, f"{LIST}delete/", all="yes", q=asked.prefix, confirmed="2")
    assert "The number has changed since" in stale.text and "3 predictions</strong>" in stale.text
    deleted = send(client, f"{LIST}delete/", id=ids[:2], q=asked.prefix, confirmed="2")
    assert "2 predictions were deleted." in deleted.text and references(deleted) == [f"{asked.prefix}-002"]
    one = send(client, f"{LIST}delete/", all="yes", q=asked.prefix)
    assert "1 prediction</strong> will be deleted" in one.text and "Keep it" in one.text
    assert f"The prediction about {asked.prefix}-002" in send(client, f"{LIST}delete/", id=[ids[2]]).text
    # The page of a prediction deletes, too, and leads back to the list that one came from.
    story = client.get(links(client.get(LIST, params={"q": asked.prefix}), rf'{LIST}[^"?]+/\?[^"]+')[-1])
    assert f'<input type="hidden" name="q" value="{asked.prefix}">' in story.text
    assert links(story, rf'{LIST}\?[^"]+') == [f"{LIST}?q={asked.prefix}"]
    again = send(client, f"{LIST}delete/", id=ids[:2], q=asked.prefix, confirmed="2")
    assert "deleted already" in again.text
    last = send(client, f"{LIST}delete/", all="yes", q=asked.prefix, confirmed="1")
    assert "1 prediction was deleted." in last.text
    assert "Nothing was deleted" in send(client, f"{LIST}delete/", q=asked.prefix).text
    assert client.get(f"{LIST}{ids[0]}/").status_code == 404


def test_a_condition_that_cannot_be_read_deletes_nothing(asked: Asked, client: httpx.Client) -> None:
    asked.ask(0)
    refused = send(client, f"{LIST}delete/", all="yes", q=asked.prefix, confidence_from="high", confirmed="1")
    assert "Nothing was deleted: the filter has a condition that cannot be read." in html.unescape(
        refused.text
    )
    assert len(references(client.get(LIST, params={"q": asked.prefix}))) == 1
