"""Test scores of builds within a time limit, beside FLAML, AutoGluon and plain histogram gradient boosting.

    ./dev bench learning --sets FOLDER [--seconds 30 --seconds 120] [--seed 0]
    ./dev bench learning FILE --label COLUMN [--task …] [--no-header] [--leave-out COLUMN…] [--json] [--ours]

All programs get the same wall-clock time, the same rows and two cores. The table has the test scores, ROC AUC
(one-vs-rest, macro, for several classes) or R²; over several sets the mean rank, and the mean of the scores scaled
from 0, the worst of a set, to 1, the best.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from benchmarks import _peers
from benchmarks._sets import Source, SplitSet, find_sources, load_split
from learning.build import Fitted, build
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.model import ClassAnswer, Model, ValueAnswer
from learning.problem import Classification, Problem, Regression

CORES = 2
#: A column with this many words per value on average is text, not a category.
WORDS = 4


@dataclass(frozen=True)
class Outcome:
    """The test score of a program, its seconds and its winner."""

    score: float
    seconds: float
    winner: str


def run_exemplar(case: SplitSet, seconds: float, seed: int) -> Outcome:
    """Run a build of this project."""
    started = time.perf_counter()
    task = Regression if case.task == "regression" else Classification
    problem = task(seconds=seconds, seed=seed, keep=1, pictures=0.0)
    columns = [_column(case.learn, name) for name in case.learn]
    model, winner = _build(problem, _build_dataset(problem, columns, case))
    duration = time.perf_counter() - started
    return Outcome(case.score(_predict(model, case)), duration, winner)


def _build(problem: Problem, examples: Dataset) -> tuple[Model, str]:
    steps = [step for step in build(problem, examples, workers=CORES) if isinstance(step, Fitted)]
    return steps[0].model, str(steps[0].candidate)


def _build_dataset(problem: Problem, columns: Sequence[Column], case: SplitSet) -> Dataset:
    labels = case.y.tolist() if case.task == "regression" else [f"{code:04}" for code in case.y]
    return dataset(problem, columns, _rows(columns, case.learn), labels)


def _column(frame: DataFrame, name: str) -> Column:
    values = frame[name]
    if pd.api.types.is_bool_dtype(values):
        return Column(name=name, kind=Kind.BOOLEAN)
    if pd.api.types.is_numeric_dtype(values):
        return Column(name=name, kind=Kind.NUMBER, nullable=True)
    texts = values.dropna().astype(str)
    if len(texts) and texts.str.split().str.len().mean() >= WORDS:
        return Column(name=name, kind=Kind.TEXT, nullable=True)
    return Column(name=name, kind=Kind.CATEGORY, nullable=True, choices=tuple(sorted(texts.unique())))


def _rows(columns: Sequence[Column], frame: DataFrame) -> list[tuple[object, ...]]:
    cells = [frame[c.name].astype(object).where(frame[c.name].notna(), None).tolist() for c in columns]
    return list(zip(*cells, strict=True))


def _predict(model: Model, case: SplitSet) -> NDArray[np.float64]:
    answers = model.predict(_rows(model.signature.columns, case.test))
    return np.array(
        [
            answer.probabilities if isinstance(answer, ClassAnswer) else _get_value(answer)
            for answer in answers
        ]
    )


def _get_value(answer: object) -> float:
    assert isinstance(answer, ValueAnswer)
    return answer.value


def run_boosting(case: SplitSet, seconds: float, seed: int) -> Outcome:
    """Fit scikit-learn's histogram gradient boosting with its defaults."""
    started = time.perf_counter()
    texts = _texts(case)
    types = {name: pd.CategoricalDtype(case.learn[name].dropna().unique()[:255]) for name in texts}
    is_regression = case.task == "regression"
    family = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    estimator = family(categorical_features="from_dtype", random_state=seed)
    estimator.fit(case.learn.astype(types), case.y)
    duration = time.perf_counter() - started
    predict = estimator.predict if is_regression else estimator.predict_proba
    return Outcome(case.score(predict(case.test.astype(types))), duration, "")


def create_peer_runner(name: str, environment: str) -> Callable[[SplitSet, float, int], Outcome]:
    """Create the function that runs a peer in its environment."""

    def run(case: SplitSet, seconds: float, seed: int) -> Outcome:
        python = _peers.get_python(environment)
        with tempfile.TemporaryDirectory(prefix="peer-") as folder:
            _write(case, Path(folder))
            script = _peers.PEERS / "contestant.py"
            command: list[str | Path] = [python, script, name, folder, str(seconds), str(seed)]
            started = time.perf_counter()
            process = subprocess.run(command, capture_output=True, text=True, check=False)
            duration = time.perf_counter() - started
            if process.returncode:
                raise SystemExit(f"{name} failed on {case.name}:\n{process.stderr[-2_000:]}")
            score = case.score(np.load(Path(folder) / "predictions.npy"))
        return Outcome(score, duration, process.stdout.strip().splitlines()[-1])

    return run


def _write(case: SplitSet, folder: Path) -> None:
    case.learn.to_csv(folder / "learn.csv", index=False)
    case.test.to_csv(folder / "test.csv", index=False)
    np.save(folder / "y.npy", case.y)
    task = {"task": case.task, "classes": case.classes, "texts": _texts(case), "cores": CORES}
    (folder / "task.json").write_text(json.dumps(task))


def _texts(case: SplitSet) -> list[str]:
    return [name for name in case.learn if not pd.api.types.is_numeric_dtype(case.learn[name])]


OURS = "Exemplar"
PROGRAMS: Mapping[str, Callable[[SplitSet, float, int], Outcome]] = {
    OURS: run_exemplar,
    "FLAML": create_peer_runner("flaml", "flaml"),
    "AutoGluon medium": create_peer_runner("autogluon_medium", "autogluon"),
    "AutoGluon best": create_peer_runner("autogluon_best", "autogluon"),
    "plain boosting": run_boosting,
}
#: The smallest time limit in seconds of a program that needs much time to start.
MIN_SECONDS = {"AutoGluon best": 120.0}


def main() -> None:
    """Run the programs on the sets and print a table for each time limit."""
    options = _parse_options()
    seconds = options.seconds or ([30.0, 120.0] if options.sets else [30.0])
    sources = list(find_sources(options.sets)) if options.sets else [_build_source(options)]
    if not sources:
        raise SystemExit(f"{options.sets} has none of the sets that benchmarks/sets.toml lists.")
    names = [OURS] if options.ours else options.only or list(PROGRAMS)
    for limit in seconds:
        programs = [name for name in names if limit >= MIN_SECONDS.get(name, 0.0)]
        outcomes = _run_programs(sources, programs, limit, options.seed, quiet=options.json)
        if len(programs) > 1 or not options.json:
            Console(width=None if sys.stdout.isatty() else 140).print(_build_table(outcomes, programs, limit))
        if options.json:
            last = outcomes[sources[0].file.stem][OURS]
            print(json.dumps({"score": last.score, "seconds": round(last.seconds, 2), "winner": last.winner}))


def _run_programs(
    sources: Sequence[Source], programs: Sequence[str], limit: float, seed: int, quiet: bool
) -> dict[str, dict[str, Outcome]]:
    """Run each program on each set. Returns the outcomes by set and program."""
    runs = [(source, name) for source in sources for name in programs]
    outcomes: dict[str, dict[str, Outcome]] = {source.file.stem: {} for source in sources}
    console = Console(stderr=True, quiet=quiet)
    for source, name in track(runs, f"{len(sources)} sets at {limit:g} s", console=console):
        outcome = PROGRAMS[name](load_split(source, seed), limit, seed)
        outcomes[source.file.stem][name] = outcome
        console.print(
            f"{source.file.stem}: {name} {outcome.score:.4f} in {outcome.seconds:.0f} s {outcome.winner}"
        )
    return outcomes


def _build_table(
    outcomes: Mapping[str, Mapping[str, Outcome]], programs: Sequence[str], limit: float
) -> Table:
    table = Table(title=f"Test scores after {limit:g} s on {CORES} cores (seconds taken)")
    for heading in ("set", *programs):
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for name, by_program in outcomes.items():
        best = max(by_program[program].score for program in programs)
        table.add_row(name, *(_render_cell(by_program[program], best) for program in programs))
    table.add_section()
    scores = [[by_program[program].score for program in programs] for by_program in outcomes.values()]
    ranks, scaled = map(_compute_ranks, scores), map(_scale, scores)
    table.add_row("mean rank", *(f"{fmean(column):.2f}" for column in zip(*ranks, strict=True)))
    table.add_row("mean of scaled scores", *(f"{fmean(column):.3f}" for column in zip(*scaled, strict=True)))
    return table


def _render_cell(outcome: Outcome, best: float) -> str:
    cell = f"{outcome.score:.4f} ({outcome.seconds:.0f})"
    return f"[bold]{cell}[/bold]" if outcome.score == best else cell


def _compute_ranks(scores: Sequence[float]) -> list[float]:
    """Compute ranks from 1, the best; equal scores share their mean rank."""
    return [
        1 + sum(other > score for other in scores) + (sum(other == score for other in scores) - 1) / 2
        for score in scores
    ]


def _scale(scores: Sequence[float]) -> list[float]:
    low, high = min(scores), max(scores)
    return [1.0 if high == low else (score - low) / (high - low) for score in scores]


def _build_source(options: argparse.Namespace) -> Source:
    if options.file is None or options.label is None:
        raise SystemExit("Give --sets FOLDER, or a FILE with its --label COLUMN.")
    return Source(
        file=options.file,
        label=options.label,
        task=options.task,
        header=not options.no_header,
        leave_out=tuple(options.leave_out),
    )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench learning", description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="comma-separated values")
    parser.add_argument(
        "--sets", type=Path, metavar="FOLDER", help="all sets of a folder that sets.toml lists"
    )
    parser.add_argument("--label", metavar="COLUMN")
    parser.add_argument("--task", choices=["classification", "regression"])
    parser.add_argument("--no-header", action="store_true", help="columns are numbers from 0")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="COLUMN")
    parser.add_argument("--seconds", type=float, action="append", help="wall-clock time; may be given twice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="the last line is our outcome as JSON")
    parser.add_argument("--ours", action="store_true", help="leave the peers out")
    parser.add_argument("--only", action="append", choices=list(PROGRAMS), help="leave the others out")
    return parser.parse_args()
