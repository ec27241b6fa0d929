"""Benchmarks run with engines of their own, and leave nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks import soak
from benchmarks._mixed_load import Asked
from tests.system import ROOT

pytestmark = pytest.mark.slow


def bench(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_benchmark_prints_one_table_and_throws_its_engines_away() -> None:
    with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)  # PostgreSQL, which root runs as nobody, must pass through
        done = bench("ingest", "--rows", "2000", "--repeats", "1", TMPDIR=folder)
        assert list(Path(folder).glob("exemplar-bench-*")) == []
    assert done.returncode == 0, done.stderr
    assert "2,000 rows of 12 columns" in done.stdout
    assert all(step in done.stdout for step in ("new rows", "the same again", "every row changed"))


def test_a_builds_way_to_its_frame_is_measured_beside_psql() -> None:
    done = bench("build", "--rows", "2000", "--repeats", "1")
    assert done.returncode == 0, done.stderr
    assert "Three tables of 2,000 rows, 12 features" in done.stdout
    assert all(f"│ {step} beside" in done.stdout for step in ("snapshot", "frame"))


def test_a_build_is_measured_on_any_file(tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    rows = [f"{n},{n * 7 % 13},{'even' if n % 2 else ''},{'a' if n % 3 else 'b'}" for n in range(120)]
    file.write_text("\n".join(["n,rest,word,label", *rows]))
    options = ["--label", "label", "--leave-out", "n", "--seconds", "8", "--ours", "--json"]
    done = bench("learning", str(file), *options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == {"score", "seconds", "winner"}
    assert 0 <= told["score"] <= 1
    assert told["seconds"] < 12
    assert told["winner"]


def test_what_serves_is_measured_beside_the_floor() -> None:
    smallest = ["--peers", "--products", "mixed", "--families", "linear", "--connections", "1"]
    done = bench("serving", *smallest, "--seconds", "0.5", "--repeats", "1", "--requests", "1")
    assert done.returncode == 0, done.stderr
    assert "│ mixed, logistic regression" in done.stdout
    assert "One web process with the four examples" in done.stdout


def test_pages_are_measured_without_the_peer() -> None:
    done = bench("graphql", "--alone", "--seconds", "0.5", "--repeats", "1")
    assert done.returncode == 0, done.stderr
    assert all(f"│ {page}" in done.stdout for page in ("registry: 20 models with scores", "100 predictions"))


def test_scoring_a_table_is_measured_in_a_worker_of_its_own() -> None:
    done = bench("scoring", "--rows", "3000", "--families", "linear")
    assert done.returncode == 0, done.stderr
    assert "A table of 3,000 rows" in done.stdout
    assert "│ linear" in done.stdout


def test_a_winners_diagnostics_are_measured_for_each_task() -> None:
    done = bench("diagnostics", "--rows", "100", "--columns", "4")
    assert done.returncode == 0, done.stderr
    assert "All diagnostics of a winner, 4 features" in done.stdout
    assert all(f"│ {task}" in done.stdout for task in ("classification", "regression", "clustering"))


def parts(*memory: float, error: str = "") -> list[soak.Part]:
    asked = [Asked(0.0, "predict", 0.01, error)] * 3
    return [soak.Part(asked=asked, met=(), troubles={}, memory={"web": each}) for each in memory]


def test_a_soak_ends_well_where_memory_stays_once_it_is_warm() -> None:
    soak.verdict(parts(100, 200, 210, 219, 219))


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        (parts(100, 200, 210, 215, 221), "web takes 1.10 times what it took."),
        (parts(100, 100, 100, error="refused"), "9 errors; the first: refused"),
    ],
)
def test_a_soak_says_what_is_wrong(told: list[soak.Part], wrong: str) -> None:
    with pytest.raises(SystemExit, match=wrong):
        soak.verdict(told)


def test_a_column_that_a_file_lacks_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text("a,b\n1,2\n")
    done = bench("learning", str(file), "--label", "c", "--ours")
    assert done.stderr.splitlines()[-1] == "two.csv has no column 'c', but a, b."


def test_an_unknown_benchmark_is_one_sentence() -> None:
    done = bench("nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("./dev bench NAME: there ")
