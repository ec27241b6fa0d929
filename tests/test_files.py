"""The pages on files: their commands are run as they are written."""

import csv
import json
import os
import re
import subprocess
from pathlib import Path

from tests.system import ROOT, System
from tests.test_lifecycle import champion, data
from tests.test_readme import features
from tests.waiting import eventually

PAGES = ROOT / "docs" / "how-to"
PREDICT = "query($features: TumorFeatures!) { tumor { predict(features: $features) { id } } }"

BUILDS = "{ tumor { builds(first: 10) { nodes { snapshot { rows } } } } }"


def test_the_commands_of_the_page_take_rows_out(exemplar: System, tmp_path: Path) -> None:
    champion(exemplar)
    row = features(exemplar)
    both = "query($keys: [ID!]!) { tumor { predictForMany(entities: $keys) { label } } }"
    keys = [f"B-{number:04}" for number in range(1, 41)]
    labels = {one["label"] for one in data(exemplar.ask(both, {"keys": keys}))["tumor"]["predictForMany"]}
    assert labels == {"BENIGN", "MALIGNANT"}
    first = data(exemplar.ask(PREDICT, {"features": row}))["tumor"]["predict"]["id"]
    export, go_on = find_commands("exports.md")
    run(export, exemplar, tmp_path)
    assert first in {row["id"] for row in read(tmp_path)}
    benign = [json.loads(line) for line in (tmp_path / "benign.jsonl").read_text().splitlines()]
    assert {row["answer"] for row in benign} == {"benign"}
    builds = data(exemplar.ask(BUILDS))["tumor"]["builds"]["nodes"]
    newest = next(build["snapshot"] for build in builds if build["snapshot"])
    assert len(read(tmp_path, "snapshot.csv")) == newest["rows"] >= 569
    varied = {**row, "meanRadius": row["meanRadius"] + 0.125}
    second = data(exemplar.ask(PREDICT, {"features": varied}))["tumor"]["predict"]["id"]
    run(go_on, exemplar, tmp_path)
    ids = [row["id"] for row in read(tmp_path)]
    assert ids[-1] == second and len(ids) == len(set(ids))
    delete = "mutation($ids: [ID!]!) { deletePredictions(input: {ids: $ids}) { count } }"
    assert data(exemplar.ask(delete, {"ids": [first, second]}))["deletePredictions"]["count"] == 2


def test_the_commands_of_the_page_bring_rows_in(exemplar: System, tmp_path: Path) -> None:
    champion(exemplar)
    entities = exemplar.client.get("/export/tumor/entities.csv").text.splitlines()
    stored = [(row["key"], row["at"], row["label"]) for row in csv.DictReader(entities)]
    with (tmp_path / "biopsies.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("number", "taken_at", "diagnosis"), *stored])
    send_rows, send_words = find_commands("imports.md")
    run(send_rows, exemplar, tmp_path)
    job = json.loads((tmp_path / "job.json").read_text())
    assert (job["status"], job["name"], job["problem"]) == ("SUCCEEDED", "biopsies.csv", None)
    assert (job["unchanged"], job["inserted"], job["updated"]) == (len(stored), 0, 0)
    # About nobody, so that other tests find the product as it was.
    (tmp_path / "labels.csv").write_text("reference,label\nnobody,BENIGN\n")
    run(send_words, exemplar, tmp_path)


def test_a_file_may_be_larger_than_a_form_and_than_what_a_process_keeps(exemplar: System) -> None:
    rows = b"colour,shape\n" + b"red,round\n" * 1_000_000
    job = exemplar.client.post("/import/tumor", content=rows).json()
    assert eventually(lambda: exemplar.client.get(f"/import/{job['id']}").json()["status"] == "FAILED")
    problem = exemplar.client.get(f"/import/{job['id']}").json()["problem"]
    assert problem["code"] == "BAD_INPUT" and problem["message"].startswith("file has no column")


def find_commands(page: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


def run(commands: str, system: System, folder: Path) -> None:
    script = "set -euo pipefail\n" + commands.replace("http://127.0.0.1:8000", system.url)
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def read(folder: Path, name: str = "predictions.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))
