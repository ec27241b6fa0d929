"""Benchmarks run with engines of their own, and leave nothing."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.system import ROOT


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_benchmark_prints_one_table_and_throws_its_engines_away() -> None:
    before = set(Path(tempfile.gettempdir()).glob("exemplar-bench-*"))
    done = bench("ingest", "--rows", "2000", "--repeats", "1")
    assert done.returncode == 0, done.stderr
    assert "2,000 rows of 12 columns" in done.stdout
    assert all(step in done.stdout for step in ("new rows", "the same again", "every row changed"))
    assert set(Path(tempfile.gettempdir()).glob("exemplar-bench-*")) <= before


def test_a_builds_way_to_its_frame_is_measured_beside_psql() -> None:
    done = bench("build", "--rows", "2000", "--repeats", "1")
    assert done.returncode == 0, done.stderr
    assert "Three tables of 2,000 rows, 12 features" in done.stdout
    assert all(f"│ {step} beside" in done.stdout for step in ("snapshot", "frame"))


def test_an_unknown_benchmark_is_one_sentence() -> None:
    done = bench("nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("./dev bench NAME: there ")
