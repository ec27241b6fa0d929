"""What a person with bad intent or a broken program sends to the console: it says what is wrong, and does no more."""

from collections.abc import Iterator

import httpx
import pytest

from project.console.form_values import MOST_DIGITS, read_row, read_whole
from project.console.row_values import read_value
from tests.console.test_trying import send
from tests.system import System
from tests.test_lifecycle import champion, data
from tests.waiting import PATIENCE

#: More digits than Python reads.
ENDLESS = "9" * 5000
BUILD = """{ product(name: "tumor") { jobs(first: 50) { nodes { __typename id } } } }"""


@pytest.fixture
def client(exemplar: System) -> Iterator[httpx.Client]:
    champion(exemplar)
    with httpx.Client(base_url=exemplar.url, trust_env=False, timeout=PATIENCE) as client:
        client.get("/")
        yield client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/products/tumor/try/?example={ENDLESS}", 200),
        (f"/products/tumor/models/compare/?a={ENDLESS}", 302),
        (f"/products/tumor/models/compare/?version={ENDLESS}", 302),
        ("/products/tumor/models/compare/?a=1&b=2147483648", 400),
        ("/products/wine/predictions/?answer=x", 422),
        (f"/products/wine/predictions/?answer=-{ENDLESS}", 422),
        ("/products/wine/predictions/?answer=-1", 200),
        (f"/products/tumor/data/?{'&'.join(['feature=meanRadius&is=from&value=1'] * 20)}", 200),
        (f"/products/tumor/data/?{'&'.join(['feature=meanRadius&is=from&value=1'] * 21)}", 400),
    ],
)
def test_an_address_with_a_bad_number_is_refused_or_ignored(
    client: httpx.Client, path: str, status: int
) -> None:
    assert client.get(path).status_code == status


def test_a_form_with_a_bad_number_is_refused_with_a_sentence(client: httpx.Client) -> None:
    form = {"declared": "", "reason": "Try it.", "candidates": ENDLESS}
    answer = send(client, "/products/tumor/builds/", **form)
    assert answer.status_code == 400 and 'class="fault"' in answer.text
    answer = send(client, "/products/tumor/models/compare/begin/", a=ENDLESS, b="1")
    assert answer.status_code == 302


def test_a_task_that_is_no_comparison_is_not_shown_as_one(exemplar: System, client: httpx.Client) -> None:
    jobs = data(exemplar.ask(BUILD))["product"]["jobs"]["nodes"]
    build = next(job["id"] for job in jobs if job["__typename"] == "Build")
    assert client.get(f"/products/tumor/models/compare/jobs/{build}/").status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"a": ' + ENDLESS + "}",
        r'{"a": "\ud800"}',
        r'{"\udfff": 1}',
        '"a\nb"',
    ],
    ids=("lists", "objects", "digits", "half a character", "half a name", "open quote"),
)
def test_a_row_that_cannot_be_read_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$") as refusal:
        read_row(text)
    assert type(refusal.value) is ValueError


def test_a_number_without_end_is_no_number() -> None:
    assert read_whole(ENDLESS) is None
    assert read_whole("9" * MOST_DIGITS) == int("9" * MOST_DIGITS)
    assert read_whole("²") is None and read_whole("-1") is None and read_whole("") is None
    assert read_value({"kind": "INTEGER"}, ENDLESS) == float("inf")
