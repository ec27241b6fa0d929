"""A deploy of a product whose declaration changed: checked before, without a gap, and read back afterwards."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system import System, state_folder
from tests.test_newproduct import Copy, copied_project
from tests.waiting import BUILD_PATIENCE, eventually

PREDICT = "query($features: GardenFeatures!) { garden { predict(features: $features) { label confidence } } }"
STATE = "{ garden { champion { number } builds(first: 9) { edges { node { requestedBy status } } } } }"


@pytest.fixture
def plants(tmp_path: Path) -> Path:
    draw, path = random.Random(3), tmp_path / "plants.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["soil", "height", "light", "blooms"])
        for number in range(200):
            height = round(draw.gauss(10 + 6 * (number % 2), 3), 2)
            rows.writerow(
                [draw.choice(["clay", "sand"]), height, draw.randint(1, 9), ["no", "yes"][number % 2]]
            )
    return path


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(copied_project(tmp_path / "project"), state_folder())


@pytest.fixture
def system(copy: Copy) -> Iterator[System]:
    system = System(copy.state, root=copy.folder)
    try:
        yield system
    finally:
        system.stop()


def predict(system: System, **features: Any) -> Any:
    """Predict once the web process has loaded the champion, which it does some moments after the promotion."""
    assert eventually(lambda: "NO_CHAMPION" not in str(system.ask(PREDICT, {"features": features})))
    answer = system.ask(PREDICT, {"features": features})
    assert "errors" not in answer, answer
    return answer["data"]["garden"]["predict"]


def has_champion(system: System, number: int) -> bool:
    champion = system.ask(STATE)["data"]["garden"]["champion"]
    return bool(champion) and champion["number"] >= number


def replace_in(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def test_a_wider_declaration_is_deployed_without_a_gap_and_a_narrower_one_is_refused_before(
    copy: Copy, system: System, plants: Path
) -> None:
    copy.done("newproduct", "garden", str(plants), "--label", "blooms", "--yes")
    products = copy.folder / "garden" / "products.py"
    replace_in(products, ("problem=Classification(", "problem=Classification(candidates=1, "))
    system.start()
    assert eventually(lambda: has_champion(system, 1), BUILD_PATIENCE), system.output
    before = predict(system, soil="CLAY", height=11.5, light=3)

    models = copy.folder / "garden" / "models.py"
    replace_in(
        models,
        ('SAND = "sand"', 'SAND = "sand"\n        LOAM = "loam"'),
        ("light = models.IntegerField()", "light = models.IntegerField(null=True)"),
    )
    wider = products.read_text()
    replace_in(products, ('            "height": "height",\n', ""))
    refused = copy.run("preflight")
    assert refused.returncode == 1
    # The models changed, and no migration says so.
    assert "./dev makemigrations garden writes it" in refused.stdout
    assert "its feature height is no longer declared" in refused.stdout
    assert "Field GardenFeatures.height was removed. Requests that use it will be refused." in refused.stdout
    products.write_text(wider)
    copy.done("makemigrations", "garden")
    passed = copy.done("preflight")
    assert "null of light is a missing value; loam of soil is an unseen value" in passed
    assert "by ./dev migrate: garden.0002" in passed
    assert "Enum value GardenSoil.LOAM was added" in passed

    system.supervisor.stop()
    system.start()
    assert predict(system, soil="CLAY", height=11.5, light=3) == before
    assert predict(system, soil="LOAM", height=11.5)["label"] in ("NO", "YES")
    assert system.client.get("/ready").json() == {"ready": True}
    # The new choice is learned, in a build that nobody had to request.
    assert eventually(lambda: starts(system) == ["start-up", "start-up"]), system.ask(STATE)


def starts(system: System) -> list[str]:
    builds = system.ask(STATE)["data"]["garden"]["builds"]["edges"]
    return [edge["node"]["requestedBy"] for edge in builds]
