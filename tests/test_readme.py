"""The README's operations are what the API takes, and run."""

import json
import re
from pathlib import Path
from typing import Any

from tests.system import System
from tests.test_lifecycle import champion, data

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_operations_of_the_readme_run(exemplar: System) -> None:
    champion(exemplar)
    form, predict, correct, look_back, judge, learn, watch = re.findall(
        r"```graphql\n(.*?)```", README, re.DOTALL
    )
    assert len(data(exemplar.ask(form))["tumor"]["features"]) == 30
    prediction = data(exemplar.ask(predict, {"features": features(exemplar)}))["tumor"]["predict"]["id"]
    corrected = data(exemplar.ask(correct, {"prediction": prediction}))["tumorFeedback"]
    assert corrected["prediction"]["truth"] == "BENIGN"
    assert data(exemplar.ask(look_back))["tumor"]["predictions"]["totalCount"] >= 1
    quality = data(exemplar.ask(judge))["tumor"]["quality"]
    assert quality["predictions"] >= quality["counted"] >= 1
    build = data(exemplar.ask(learn))["requestBuild"]["build"]["id"]
    body = {"query": watch, "variables": {"build": build}}
    stream = exemplar.client.post("/graphql/", json=body, headers={"Accept": "text/event-stream"})
    events = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: {")]
    assert events[-1]["data"]["buildProgress"]["final"] is True
    delete = "mutation($ids: [ID!]!) { deletePredictions(input: {ids: $ids}) { count } }"
    assert data(exemplar.ask(delete, {"ids": [prediction]}))["deletePredictions"]["count"] == 1


def features(system: System) -> dict[str, Any]:
    """The features of a biopsy, as the tables hold them."""
    names = " ".join(
        f["name"] for f in data(system.ask("{ tumor { features { name } } }"))["tumor"]["features"]
    )
    return dict(
        data(system.ask(f'{{ tumor {{ entity(key: "B-0003") {{ features {{ {names} }} }} }} }}'))["tumor"][
            "entity"
        ]["features"]
    )
