"""Smoke tests of the benchmarks, which run with engines of their own and leave nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks import soak
from benchmarks.__main__ import names
from benchmarks._mixed_load import AnsweredRequest
from tests.system import ROOT

pytestmark = pytest.mark.slow


def run_benchmark(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_benchmark_prints_one_table_and_deletes_its_engines() -> None:
    with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)  # PostgreSQL, which root runs as nobody, must pass through
        process = run_benchmark("ingest", "--rows", "2000", "--repeats", "1", TMPDIR=folder)
        assert list(Path(folder).glob("exemplar-bench-*")) == []
    assert process.returncode == 0, process.stderr
    assert "2,000 rows of 12 columns" in process.stdout
    assert all(step in process.stdout for step in ("new rows", "the same again", "every row changed"))


def test_exports_are_measured_beside_a_bare_copy() -> None:
    process = run_benchmark("export", "--rows", "20000", "--repeats", "1")
    assert process.returncode == 0, process.stderr
    assert "Export of 20,000 predictions" in process.stdout
    assert all(f"│ {line}" in process.stdout for line in ("bare COPY", "csv", "jsonl"))


def test_snapshot_and_dataset_are_measured_beside_psql() -> None:
    process = run_benchmark("build", "--rows", "2000", "--repeats", "1")
    assert process.returncode == 0, process.stderr
    assert "Three tables of 2,000 rows, 12 features" in process.stdout
    assert all(f"│ {step} beside" in process.stdout for step in ("snapshot", "frame"))


def test_a_build_is_measured_on_any_file(tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    rows = [f"{n},{n * 7 % 13},{'even' if n % 2 else ''},{'a' if n % 3 else 'b'}" for n in range(120)]
    file.write_text("\n".join(["n,rest,word,label", *rows]))
    options = ["--label", "label", "--leave-out", "n", "--seconds", "8", "--ours", "--json"]
    process = run_benchmark("learning", str(file), *options)
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout.splitlines()[-1])
    assert set(outcome) == {"score", "seconds", "winner"}
    assert 0 <= outcome["score"] <= 1
    assert outcome["seconds"] > 0
    assert outcome["winner"]


def test_serving_is_measured_beside_hello_world() -> None:
    smallest = ["--peers", "--products", "mixed", "--families", "linear", "--connections", "1"]
    process = run_benchmark("serving", *smallest, "--seconds", "0.5", "--repeats", "1", "--requests", "1")
    assert process.returncode == 0, process.stderr
    assert "│ mixed, logistic regression" in process.stdout
    assert "One web process with the four examples" in process.stdout


def test_a_checkout_is_measured_beside_another_one() -> None:
    process = run_benchmark("checkouts", "--against", str(ROOT), "--seconds", "0.5", "--rounds", "1")
    assert process.returncode == 0, process.stderr
    assert all(f"│ {line} " in process.stdout for line in ("there", "here", "ratio"))


def test_a_checkout_that_does_not_serve_is_named(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    process = run_benchmark("checkouts", "--against", str(tmp_path), "--rounds", "1")
    assert process.returncode == 1
    assert f"{tmp_path} does not serve" in process.stderr and "No module named" in process.stderr


#: The options with which the other benchmarks take least, and what their tables say.
SMALLEST = {
    "categories": ("--rows 3000 --levels 60 --seconds 10", "learned as"),
    "compiled": ("--rows 200", "onnxruntime"),
    "console": ("--rows 2000 --repeats 1", "a prediction"),
    "counts": ("--rows 5000 --repeats 1", "counts by"),
    "limits": ("--connections 1 --pairs 2 --seconds 0.5", "With limits / without"),
    "lists": ("--rows 5000 --repeats 1", "entities, deep"),
    "overhead": ("--candidates 2 --repeats 1 --products tumor --processes 1", "Builds of 2 candidates"),
    "predicting": ("--connections 1 --seconds 0.5 --repeats 1", "generic mutation"),
    "promotions": ("--times 3", "3 promotions"),
    "soak": ("--minutes 0.3", "predictMany"),
    "startup": ("--runs 1 --rows check", "processor time"),
    "trials": ("--connections 4 --seconds 1 --repeats 1", "share of alone"),
}


@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_prints_its_table(name: str) -> None:
    options, expected = SMALLEST[name]
    process = run_benchmark(name, *options.split())
    assert process.returncode == 0, process.stderr
    assert expected in process.stdout


def test_every_benchmark_has_a_test() -> None:
    text = Path(__file__).read_text()
    assert [name for name in names() if f'"{name}"' not in text] == []


def test_pages_are_measured_without_the_peer() -> None:
    process = run_benchmark("graphql", "--alone", "--seconds", "0.5", "--repeats", "1")
    assert process.returncode == 0, process.stderr
    assert all(
        f"│ {page}" in process.stdout for page in ("registry: 20 models with scores", "100 predictions")
    )


def test_batch_scoring_is_measured_with_a_worker() -> None:
    process = run_benchmark("scoring", "--rows", "3000", "--families", "linear")
    assert process.returncode == 0, process.stderr
    assert "A table of 3,000 rows" in process.stdout
    assert "│ linear" in process.stdout


def test_promises_are_checked() -> None:
    process = run_benchmark("honesty", "--points", "9", "--small", "--repeats", "0.3", "--json")
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert {line["point"] for line in lines} == {9}, process.stderr
    assert process.returncode == (0 if all(line["kept"] for line in lines) else 1)


def test_a_winners_diagnostics_are_measured_for_each_task() -> None:
    process = run_benchmark("diagnostics", "--rows", "100", "--columns", "4")
    assert process.returncode == 0, process.stderr
    assert "All diagnostics of a winner, 4 features" in process.stdout
    assert all(f"│ {task}" in process.stdout for task in ("classification", "regression", "clustering"))


def parts(*memory: float, error: str = "") -> list[soak.Part]:
    requests = [AnsweredRequest(0.0, "predict", 0.01, error)] * 3
    return [
        soak.Part(requests=requests, disturbance_errors=(), disturbances={}, memory={"web": each})
        for each in memory
    ]


def test_a_soak_passes_where_memory_does_not_grow_after_the_warm_up() -> None:
    soak.check(parts(100, 200, 210, 219, 219))


@pytest.mark.parametrize(
    ("results", "failure"),
    [
        (parts(100, 200, 210, 215, 221), "The memory of web grew 1.10 times."),
        (parts(100, 100, 100, error="refused"), "9 errors; the first: refused"),
    ],
)
def test_a_soak_fails_with_a_sentence_for_each_failure(results: list[soak.Part], failure: str) -> None:
    with pytest.raises(SystemExit, match=failure):
        soak.check(results)


def test_a_missing_column_is_reported_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text("a,b\n1,2\n")
    process = run_benchmark("learning", str(file), "--label", "c", "--ours")
    assert process.stderr.splitlines()[-1] == "two.csv has no column 'c', but a, b."


def test_an_unknown_benchmark_is_reported_in_one_sentence() -> None:
    process = run_benchmark("nothing")
    assert process.returncode == 1
    assert process.stderr.startswith("./dev bench NAME: there ")


def test_hostile_clients_are_listed_with_what_they_cost() -> None:
    process = run_benchmark("hostile", "heads", "--case", "Host")
    assert process.returncode == 0, process.stderr
    assert "two Host headers" in process.stdout and "(!)" not in process.stdout


def test_what_is_known_of_predictions_is_measured_beside_bare_sql() -> None:
    process = run_benchmark("truth", "--rows", "20000", "--repeats", "1", "--labels", "20")
    assert process.returncode == 0, process.stderr
    lines = ("quality of a month", "drift of a month", "first page of nextToLabel", "20 labels in one call",
             "20,000 labels of a file", "comparison of")  # fmt: skip
    assert all(f"│ {line}" in process.stdout for line in lines)


def test_labels_in_the_order_of_the_queue_are_measured_beside_random_ones() -> None:
    process = run_benchmark("labelling", "--seeds", "1", "--rounds", "2")
    assert process.returncode == 0, process.stderr
    assert all(f"│ {name}" in process.stdout for name in ("breast cancer", "digits"))
