"""The example frontend: what it names wrongly does not compile; in a browser it does what it is for."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.system import System, free_port
from tests.test_lifecycle import champion, data
from tests.test_under_load import FEATURES
from tests.waiting import BUILD_PATIENCE, PATIENCE, waiting

from . import packages

PREDICT = "query($features: DiabetesFeatures!) { diabetes { predict(features: $features) { id } } }"
FORGET = """mutation { deletePredictions(input: { filter: { product: "diabetes" } }) { count } }"""
NEWEST = "{ diabetes { builds(first: 1) { edges { node { number } } } } }"


@pytest.fixture(scope="module")
def frontend(exemplar: System, node: Path) -> Path:
    """The frontend, with the types that graphql-codegen made from the schema of the running exemplar."""
    folder = node / "frontend"
    ran(folder, "graphql-codegen", EXEMPLAR_URL=exemplar.url)
    return folder


def ran(folder: Path, *command: str, **environment: str) -> str:
    """Run a program to its end, and return what it printed. Raises AssertionError if it failed."""
    program = packages.start(folder, *command, **environment)
    output, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, output + errors
    return output + errors


#: What may be written wrongly: in which file, instead of what, and what the compiler says of it.
MISTAKES = {
    "a feature that is misspelt": ("features.ts", "bmi: 32.1,", "bmx: 32.1,", "'bmx' does not exist in type"),
    "a feature that is missing": ("features.ts", "  bmi: 32.1,\n", "", "Property 'bmi' is missing"),
    "a text for a number": ("features.ts", "bmi: 32.1,", 'bmi: "32.1",', "not assignable to type 'number'"),
    "an unknown category": ("features.ts", '"SECOND"', '"THIRD"', "not assignable to type 'DiabetesSex'"),
    "an unknown variable": ("Predict.tsx", "features: asked", "feature: asked", "'feature' does not exist"),
    "an unknown target": ("Predict.tsx", "about: { prediction:", "about: { pred:", "'pred' does not exist"),
    "an unknown field": ("Predictions.tsx", "node.truth?", "node.trust?", "'trust' does not exist"),
    "an unknown field of an event": ("Builds.tsx", "event.message", "event.note", "'note' does not exist"),
}


@pytest.fixture(scope="module")
def complaints(frontend: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the compiler says of the frontend, and of copies of its files with a mistake each: one run compiles all."""
    copy = tmp_path_factory.mktemp("mistakes") / "frontend"
    shutil.copytree(frontend, copy, symlinks=True)
    for mistake, (file, right, wrong, _) in MISTAKES.items():
        source = (copy / "src" / file).read_text()
        assert source.count(right) == 1
        (copy / "src" / wrong_file(mistake)).write_text(source.replace(right, wrong))
    compiler = packages.start(copy, "tsc")
    output, _ = compiler.communicate(timeout=PATIENCE)
    assert compiler.returncode != 0
    # The lines that go on after one begin with a space.
    return [line for line in output.splitlines() if line.strip() and not line.startswith(" ")]


def wrong_file(mistake: str) -> str:
    """Return the name of the file that has a mistake."""
    return f"wrong{list(MISTAKES).index(mistake)}{Path(MISTAKES[mistake][0]).suffix}"


def test_the_frontend_compiles(complaints: list[str]) -> None:
    wrong = tuple(f"src/{wrong_file(mistake)}(" for mistake in MISTAKES)
    assert [line for line in complaints if not line.startswith(wrong)] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_not_in_the_schema_does_not_compile(complaints: list[str], mistake: str) -> None:
    [line] = [line for line in complaints if f"/{wrong_file(mistake)}(" in line]
    assert MISTAKES[mistake][-1] in line


def test_a_document_that_asks_for_an_unknown_field_makes_no_types(
    frontend: Path, exemplar: System, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(frontend, tmp_path / "frontend", symlinks=True))
    documents = copy / "src" / "documents.ts"
    documents.write_text(documents.read_text().replace("totalCount", "totalCont"))
    generator = packages.start(copy, "graphql-codegen", EXEMPLAR_URL=exemplar.url)
    output, errors = generator.communicate(timeout=PATIENCE)
    assert generator.returncode != 0
    assert 'Cannot query field "totalCont"' in output + errors


class Page:
    """The frontend, seen through what is on the screen."""

    def __init__(self, browser: Chrome):
        self.browser = browser

    def wait(self, condition, seconds: float = PATIENCE) -> None:
        waiting(self.browser, seconds).until(lambda _: condition())

    def text(self, selector: str) -> str:
        return "\n".join(found.text for found in self.browser.find_elements(By.CSS_SELECTOR, selector))

    def press(self, card: str, button: str) -> None:
        buttons = self.browser.find_elements(By.CSS_SELECTOR, f".{card} button")
        next(found for found in buttons if found.text == button).click()

    def values(self, name: str) -> list[str | None]:
        """The values that a select offers; none if it is not there."""
        options = self.browser.find_elements(By.CSS_SELECTOR, f"[name={name}] option")
        return [option.get_attribute("value") for option in options]

    def choose(self, name: str, value: str) -> None:
        Select(self.browser.find_element(By.NAME, name)).select_by_value(value)

    def write(self, name: str, text: str) -> None:
        field = self.browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)


@pytest.fixture(scope="module")
def site(frontend: Path, exemplar: System) -> Iterator[str]:
    """The address of the built frontend, served by Vite before the running exemplar."""
    ran(frontend, "vite", "build")
    port = free_port()
    server = packages.start(
        frontend,
        "vite",
        "preview",
        "--strictPort",
        f"--port={port}",
        "--host=127.0.0.1",
        EXEMPLAR_URL=exemplar.url,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE)


@pytest.fixture
def page(site: str, exemplar: System, browser: Chrome, tmp_path: Path) -> Iterator[Page]:
    champion(exemplar, "diabetes")
    page = Page(browser)
    page.wait(lambda: opened(browser, site))
    page.wait(lambda: page.text(".features"))
    yield page
    browser.save_screenshot(str(tmp_path / "frontend.png"))
    browser.execute_script("sessionStorage.clear()")


def opened(browser: Chrome, site: str) -> bool:
    """Open the site, which Vite may not serve yet; return whether it is there."""
    try:
        browser.get(site)
    except WebDriverException:
        return False
    return browser.title.startswith("Diabetes")


def test_the_form_is_drawn_from_what_the_schema_says_of_the_features(page: Page, exemplar: System) -> None:
    features = exemplar.ask("{ diabetes { features { name title } } }")["data"]["diabetes"]["features"]
    labels = page.browser.find_elements(By.CSS_SELECTOR, ".features label > span")
    assert len(labels) == len(features)
    for label, feature in zip(labels, features, strict=True):
        assert label.text.startswith(feature["title"])
    named = page.browser.find_elements(By.CSS_SELECTOR, ".features [name]")
    assert [field.get_attribute("name") for field in named] == [feature["name"] for feature in features]


def test_a_prediction_is_asked_for_and_corrected(exemplar: System, page: Page) -> None:
    # An empty list hears of its first row, too.
    data(exemplar.ask(FORGET))
    page.browser.refresh()
    page.wait(lambda: page.text(".features"))
    page.write("age", "97")
    page.press("features", "Predict")
    page.wait(lambda: page.text(".value"))
    page.write("value", "211")
    page.press("answer", "Correct")
    page.wait(lambda: "Stored: 211" in page.text(".answer [role=status]"))
    # The list has heard of it.
    page.wait(lambda: "211.0" in page.text(".predictions tbody tr:first-child"))
    data(exemplar.ask(FORGET))


def test_a_refusal_stands_at_its_field(page: Page) -> None:
    page.browser.execute_script("document.querySelector('[name=bmi]').removeAttribute('max')")
    page.write("bmi", "4000")
    page.press("features", "Predict")
    page.wait(lambda: "150" in page.text(".features .refusal"))


def test_predictions_are_paged(page: Page, exemplar: System) -> None:
    for age in range(20, 33):
        data(exemplar.ask(PREDICT, {"features": {**FEATURES, "age": age}}))
    page.press("predictions", "Refresh")
    page.wait(lambda: len(page.text(".predictions tbody").splitlines()) == 6)
    first = page.text(".predictions tbody")
    page.press("predictions", "Older")
    page.wait(lambda: "Page 2" in page.text("nav") and page.text(".predictions tbody") != first)
    page.press("predictions", "Newer")
    page.wait(lambda: page.text(".predictions tbody") == first)


@pytest.mark.parametrize(("product", "answer"), [("tumor", "Malignant"), ("diabetes", "212")])
def test_one_screen_predicts_lists_and_corrects_of_any_product(
    page: Page, site: str, exemplar: System, product: str, answer: str
) -> None:
    champion(exemplar, product)
    page.browser.get(f"{site}/?generic")
    page.wait(lambda: product in page.values("product"))
    page.choose("product", product)
    title = data(exemplar.ask(f"{{ {product} {{ title }} }}"))[product]["title"]
    page.wait(lambda: title in page.text(".features h2"))
    page.press("features", "Predict")
    page.wait(lambda: page.text(".value"))
    page.wait(lambda: page.text(".predictions tbody tr:first-child").startswith(page.text(".value")))
    if product == "tumor":
        page.choose("answer", answer.upper())
    else:
        page.write("answer", answer)
    page.press("answer", "Correct")
    page.wait(lambda: f"Stored: {answer}" in page.text(".answer [role=status]"))
    page.wait(lambda: answer in page.text(".predictions tbody tr:first-child td:last-child"))


def test_a_generic_screen_shows_a_refusal_at_its_field(page: Page, site: str, exemplar: System) -> None:
    page.browser.get(f"{site}/?generic")
    page.wait(lambda: "diabetes" in page.values("product"))
    page.choose("product", "diabetes")
    page.wait(lambda: page.browser.find_elements(By.NAME, "bmi"))
    page.browser.execute_script("document.querySelector('[name=bmi]').removeAttribute('max')")
    page.write("bmi", "4000")
    page.press("features", "Predict")
    page.wait(lambda: "150" in page.text(".features .refusal"))


def test_a_token_signs_in(page: Page, token: str) -> None:
    page.write("token", token)
    page.press("sign-in", "Sign in")
    page.wait(lambda: page.text(".sign-in").startswith("clients"))
    page.press("features", "Predict")
    page.wait(lambda: page.text(".value"))
    page.write("value", "199")
    page.press("answer", "Correct")
    page.wait(lambda: "according to clients" in page.text(".answer [role=status]"))
    page.press("sign-in", "Sign out")
    page.wait(lambda: page.browser.find_elements(By.NAME, "token"))


def test_a_wrong_token_is_refused_with_a_sentence(page: Page) -> None:
    page.write("token", "ex_wrong")
    page.press("sign-in", "Sign in")
    page.wait(lambda: "Sign in with a token." in page.text("[role=alert]"))
    page.press("sign-in", "Sign out")


def test_a_build_is_watched_over_each_transport(page: Page, exemplar: System) -> None:
    before = newest_build(exemplar)
    page.press("builds", "Build")
    page.wait(lambda: newest_build(exemplar) > before)
    ended = f"Build {newest_build(exemplar)}: succeeded"
    page.wait(lambda: page.text(".status") == ended, BUILD_PATIENCE)
    events = page.text(".builds ol")
    # Over the other one all events come again.
    Select(page.browser.find_element(By.CSS_SELECTOR, ".builds select")).select_by_visible_text("WebSocket")
    page.wait(lambda: page.text(".status") == ended and page.text(".builds ol") == events)


def newest_build(exemplar: System) -> int:
    (newest,) = data(exemplar.ask(NEWEST))["diabetes"]["builds"]["edges"]
    return int(newest["node"]["number"])
