"""A product from a file in the browser: what is understood, corrected, written, built and tried."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from selenium.webdriver import Chrome

from tests.console.inspection import NARROW, WIDE, Page
from tests.system import System, state_folder
from tests.test_newproduct import copied_project, passengers
from tests.waiting import BUILD_PATIENCE, eventually

__all__ = ["passengers"]
pytestmark = pytest.mark.system

#: What a page has that goes on by itself.
WAITING = 'hx-trigger="every'


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose code may be written to; it has no product yet."""
    root = copied_project(tmp_path_factory.mktemp("workshop"))
    system = System(state_folder(), root=root, EXEMPLAR_UPLOAD="200000").start()
    yield system
    system.stop()


@pytest.fixture
def client(workshop: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=workshop.url, trust_env=False, timeout=60) as client:
        client.get("/new/")
        yield client


def send(client: httpx.Client, *files: Path) -> httpx.Response:
    """Upload files; return the page of their draft once they are read."""
    token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    answer = client.post("/new/upload/", data=token, files=parts, follow_redirects=True)
    return read(client, answer.url.path)


def read(client: httpx.Client, url: str) -> httpx.Response:
    """Open the page of a draft as often as it waits."""
    pages: list[httpx.Response] = []
    assert eventually(lambda: pages.append(client.get(url)) or WAITING not in pages[-1].text)
    return pages[-1]


def problems(page: httpx.Response) -> str:
    return " ".join(
        re.findall(r'(?s)<(?:div class="problems"|p class="message error").*?</(?:div|p)>', page.text)
    )


def drafts(system: System) -> list[Path]:
    folder = system.folder / "new"
    return [path for path in folder.iterdir() if path.is_dir()] if folder.exists() else []


@pytest.mark.script("console/new.js")
def test_a_file_that_is_too_large_is_not_sent(workshop: System, browser: Chrome, tmp_path: Path) -> None:
    page = Page(browser, workshop)
    page.open("/new/")
    (tmp_path / "large.csv").write_bytes(b"a,b\n" + b"1,2\n" * 55_000)
    page.find("#files").send_keys(str(tmp_path / "large.csv"))
    assert "200,000 are allowed" in page.find("#files-fault").text
    page.find("form[data-upload] button").click()
    assert page.find("#files-fault").is_displayed()


def test_a_file_becomes_a_product_that_is_tried(workshop: System, browser: Chrome, passengers: Path) -> None:
    page = Page(browser, workshop)
    page.open("/new/")
    page.find("#files").send_keys(str(passengers))
    page.find("form[data-upload] button").click()
    page.wait(lambda: page.find_all("#label"), BUILD_PATIENCE)
    page.settle()
    token = browser.current_url.rstrip("/").rpartition("/")[2]
    for width, dark in ((WIDE, False), (NARROW, True)):
        page.open(browser.current_url.removeprefix(workshop.url), width, dark)
        assert page.list_faults() == [], (width, dark)
    page.find("#label option[value=survived]").click()
    page.find("button[value=plan]").click()
    page.wait(lambda: "copy of survived" in page.text, BUILD_PATIENCE)
    assert "A classification of survived from" in page.text
    page.find("#title").send_keys('Who "survives"?')
    page.find("[aria-label='Kind of Class'] option[value=OPEN_CATEGORY]").click()
    page.find("button[value=write]").click()
    page.wait(lambda: "/products/passengers/try/" in browser.current_url, BUILD_PATIENCE)
    assert 'Category("class_field")' in (workshop.root / "passengers" / "products.py").read_text()
    product = workshop.ask("{ passengers { title champion { number } predictions { totalCount } } }")["data"]
    assert product["passengers"]["title"] == 'Who "survives"?'
    assert workshop.output.count("Starting web and worker anew, as was requested.") == 1
    assert not (workshop.folder / "new" / token / "files").exists()


def test_a_name_that_is_taken_is_refused_at_its_field(client: httpx.Client, passengers: Path) -> None:
    page = send(client, passengers.rename(passengers.with_name("store.csv")))
    assert "store/ exists already, and nothing was changed." in page.text
    assert 'aria-describedby="name-fault"' in page.text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2\n1,2,3\n", "line 3: the row has 3 cells where the header has 2."),
        (b"a,b\n", "has a header and no rows."),
        (b"\x00\x01\x02\x03", "file.csv"),
        (b"PAR1 but not really", "file.csv"),
        (b'[{"a": 1}, {"a": ', "file.csv"),
        (b"PK\x03\x04 no workbook", "file.csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_commands_sentence(
    client: httpx.Client, workshop: System, tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "file.csv").write_bytes(content)
    page = send(client, tmp_path / "file.csv")
    assert page.status_code == 200
    assert sentence in problems(page)
    assert str(workshop.folder) not in page.text and "Traceback" not in page.text


def test_a_choice_that_does_not_fit_is_refused_in_the_words_of_the_form(
    client: httpx.Client, passengers: Path
) -> None:
    url = send(client, passengers).url.path
    form = {"csrfmiddlewaretoken": client.cookies["csrftoken"], "name": "other", "label": "survived"}
    for choice, sentence in (
        ({"entity": "Class"}, "leave “Identifies a row” out"),
        ({"time": "Fare"}, "is no date and no time"),
        ({"task": "regression", "label": "Class"}, "is no number, so it is no regression"),
        ({"name": "-rf", "action": "write"}, "The name has lower case letters"),
        ({"label": "", "action": "write"}, "Choose what is predicted."),
    ):
        answer = client.post(url, data=form | choice, follow_redirects=True)
        said = problems(answer) + problems(read(client, url))
        assert sentence in said, choice


def test_what_is_too_large_is_refused_and_leaves_nothing(
    client: httpx.Client, workshop: System, tmp_path: Path
) -> None:
    before = drafts(workshop)
    (tmp_path / "large.csv").write_bytes(b"a,b\n" + b"1,2\n" * 55_000)
    token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
    with (tmp_path / "large.csv").open("rb") as file:
        page = client.post("/new/upload/", data=token, files={"files": file}, follow_redirects=True)
    assert "Files may have 200,000 bytes together" in problems(page)
    page = client.post("/new/upload/", data=token, files={"files": b""}, follow_redirects=True)
    assert "is empty" in problems(page) or "Choose a file" in problems(page)
    assert drafts(workshop) == before


def test_an_upload_that_is_broken_off_leaves_nothing(client: httpx.Client, workshop: System) -> None:
    before = drafts(workshop)
    with socket.create_connection(("127.0.0.1", workshop.port)) as connection:
        cookie = f"csrftoken={client.cookies['csrftoken']}"
        connection.sendall(
            f"POST /new/upload/ HTTP/1.1\r\nHost: 127.0.0.1:{workshop.port}\r\nCookie: {cookie}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n--x\r\n".encode()
        )
    assert eventually(lambda: workshop.status("/health") == 200)
    assert drafts(workshop) == before


def test_a_file_of_many_columns_is_a_page_of_usual_size(client: httpx.Client, tmp_path: Path) -> None:
    header = ",".join([*(f"column{number}" for number in range(600)), "answer"])
    rows = [",".join([*(str(number * row % 97) for number in range(600)), str(row % 2)]) for row in range(40)]
    (tmp_path / "wide.csv").write_text("\n".join([header, *rows]))
    page = send(client, tmp_path / "wide.csv")
    assert len(page.content) < 100_000
    assert "521 more columns are taken as they were understood." in page.text
    assert '<option value="answer">' in page.text


def test_a_draft_can_be_deleted(client: httpx.Client, workshop: System, passengers: Path) -> None:
    page = send(client, passengers)
    token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert len(drafts(workshop)) > 0
    client.post(f"{page.url.path}discard/", data=token)
    assert client.get(page.url.path).status_code == 404
    assert client.get("/new/../../etc/").status_code == 404


def test_the_page_says_that_it_writes_code_and_by_which_command(client: httpx.Client) -> None:
    text = client.get("/new/").text
    assert "This page writes code, so it is the one that does not use GraphQL." in text
    assert "./dev newproduct NAME FILE --label COLUMN" in text


def test_nobody_creates_a_product_who_may_not_administer_all(
    closed_exemplar: System, passengers: Path
) -> None:
    with httpx.Client(base_url=closed_exemplar.url, trust_env=False) as stranger:
        refused = stranger.post("/new/upload/", files={"files": passengers.read_bytes()})
        assert refused.status_code == 303
        assert stranger.get(refused.headers["location"]).headers["location"].startswith("/login/")
    assert drafts(closed_exemplar) == []
