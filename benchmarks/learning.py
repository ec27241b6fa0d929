"""How good a build is within its time, beside FLAML, AutoGluon and plain histogram gradient boosting.

    ./dev bench learning --sets FOLDER [--seconds 30 --seconds 120] [--seed 0]
    ./dev bench learning FILE --label COLUMN [--task …] [--no-header] [--leave-out COLUMN…] [--json] [--ours]

Everybody gets the same wall-clock time, the same rows and two cores. What is printed is the test score, ROC AUC
(one-vs-rest, macro, for several classes) or R²; over several sets the mean rank, and the mean of the scores scaled
from 0, the set's worst, to 1, its best.
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
from benchmarks._sets import Parted, Source, known, parted
from learning.build import Fitted, build
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.model import ClassAnswer, Model, ValueAnswer
from learning.problem import Classification, Problem, Regression

CORES = 2
#: A text of this many words on average is read, not told apart.
WORDS = 4


@dataclass(frozen=True)
class Outcome:
    """What a contestant reached."""

    score: float
    seconds: float
    winner: str


def ours(case: Parted, seconds: float, seed: int) -> Outcome:
    started = time.perf_counter()
    task = Regression if case.task == "regression" else Classification
    problem = task(seconds=seconds, seed=seed, keep=1, pictures=0.0)
    columns = [_column(case.learn, name) for name in case.learn]
    model, winner = _built(problem, _dataset(problem, columns, case))
    took = time.perf_counter() - started
    return Outcome(case.score(_predicted(model, case)), took, winner)


def _built(problem: Problem, examples: Dataset) -> tuple[Model, str]:
    steps = [step for step in build(problem, examples, workers=CORES) if isinstance(step, Fitted)]
    return steps[0].model, str(steps[0].candidate)


def _dataset(problem: Problem, columns: Sequence[Column], case: Parted) -> Dataset:
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


def _predicted(model: Model, case: Parted) -> NDArray[np.float64]:
    answers = model.predict(_rows(model.signature.columns, case.test))
    return np.array([a.probabilities if isinstance(a, ClassAnswer) else _value(a) for a in answers])


def _value(answer: object) -> float:
    assert isinstance(answer, ValueAnswer)
    return answer.value


def boosting(case: Parted, seconds: float, seed: int) -> Outcome:
    """Histogram gradient boosting as it is, of numbers and categories."""
    started = time.perf_counter()
    texts = _texts(case)
    types = {name: pd.CategoricalDtype(case.learn[name].dropna().unique()[:255]) for name in texts}
    made = HistGradientBoostingRegressor if case.task == "regression" else HistGradientBoostingClassifier
    estimator = made(categorical_features="from_dtype", random_state=seed)
    estimator.fit(case.learn.astype(types), case.y)
    took = time.perf_counter() - started
    asked = estimator.predict if case.task == "regression" else estimator.predict_proba
    return Outcome(case.score(asked(case.test.astype(types))), took, "")


def peer(name: str, environment: str) -> Callable[[Parted, float, int], Outcome]:
    def play(case: Parted, seconds: float, seed: int) -> Outcome:
        python = _peers.python(environment)
        with tempfile.TemporaryDirectory(prefix="peer-") as folder:
            _write(case, Path(folder))
            script = _peers.PEERS / "contestant.py"
            command: list[str | Path] = [python, script, name, folder, str(seconds), str(seed)]
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            took = time.perf_counter() - started
            if done.returncode:
                raise SystemExit(f"{name} failed on {case.name}:\n{done.stderr[-2_000:]}")
            score = case.score(np.load(Path(folder) / "predictions.npy"))
        return Outcome(score, took, done.stdout.strip().splitlines()[-1])

    return play


def _write(case: Parted, folder: Path) -> None:
    case.learn.to_csv(folder / "learn.csv", index=False)
    case.test.to_csv(folder / "test.csv", index=False)
    np.save(folder / "y.npy", case.y)
    task = {"task": case.task, "classes": case.classes, "texts": _texts(case), "cores": CORES}
    (folder / "task.json").write_text(json.dumps(task))


def _texts(case: Parted) -> list[str]:
    return [name for name in case.learn if not pd.api.types.is_numeric_dtype(case.learn[name])]


OURS = "Exemplar"
CONTESTANTS: Mapping[str, Callable[[Parted, float, int], Outcome]] = {
    OURS: ours,
    "FLAML": peer("flaml", "flaml"),
    "AutoGluon medium": peer("autogluon_medium", "autogluon"),
    "AutoGluon best": peer("autogluon_best", "autogluon"),
    "plain boosting": boosting,
}
#: Whoever needs more than this many seconds to begin with.
SLOW = {"AutoGluon best": 120.0}


def main() -> None:
    options = _options()
    seconds = options.seconds or ([30.0, 120.0] if options.sets else [30.0])
    sources = list(known(options.sets)) if options.sets else [_source(options)]
    if not sources:
        raise SystemExit(f"{options.sets} has none of the sets that benchmarks/sets.toml knows.")
    names = [OURS] if options.ours else options.only or list(CONTESTANTS)
    for budget in seconds:
        playing = [name for name in names if budget >= SLOW.get(name, 0.0)]
        outcomes = _outcomes(sources, playing, budget, options.seed, quiet=options.json)
        if len(playing) > 1 or not options.json:
            Console(width=None if sys.stdout.isatty() else 140).print(_table(outcomes, playing, budget))
        if options.json:
            last = outcomes[sources[0].file.stem][OURS]
            print(json.dumps({"score": last.score, "seconds": round(last.seconds, 2), "winner": last.winner}))


def _outcomes(
    sources: Sequence[Source], playing: Sequence[str], budget: float, seed: int, quiet: bool
) -> dict[str, dict[str, Outcome]]:
    games = [(source, name) for source in sources for name in playing]
    found: dict[str, dict[str, Outcome]] = {source.file.stem: {} for source in sources}
    shown = Console(stderr=True, quiet=quiet)
    for source, name in track(games, f"{len(sources)} sets at {budget:g} s", console=shown):
        outcome = CONTESTANTS[name](parted(source, seed), budget, seed)
        found[source.file.stem][name] = outcome
        shown.print(
            f"{source.file.stem}: {name} {outcome.score:.4f} in {outcome.seconds:.0f} s {outcome.winner}"
        )
    return found


def _table(outcomes: Mapping[str, Mapping[str, Outcome]], playing: Sequence[str], budget: float) -> Table:
    table = Table(title=f"Test scores after {budget:g} s on {CORES} cores (seconds taken)")
    for heading in ("set", *playing):
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for name, of_set in outcomes.items():
        best = max(of_set[each].score for each in playing)
        cells = [f"{of_set[p].score:.4f} ({of_set[p].seconds:.0f})" for p in playing]
        marked = [
            f"[bold]{cell}[/bold]" if of_set[p].score == best else cell
            for p, cell in zip(playing, cells, strict=True)
        ]
        table.add_row(name, *marked)
    table.add_section()
    ranks = [_ranks([of_set[p].score for p in playing]) for of_set in outcomes.values()]
    scaled = [_scaled([of_set[p].score for p in playing]) for of_set in outcomes.values()]
    table.add_row("mean rank", *(f"{fmean(column):.2f}" for column in zip(*ranks, strict=True)))
    table.add_row("mean of scaled scores", *(f"{fmean(column):.3f}" for column in zip(*scaled, strict=True)))
    return table


def _ranks(scores: Sequence[float]) -> list[float]:
    """From 1, the best; equal ones share theirs."""
    return [1 + sum(s > mine for s in scores) + (sum(s == mine for s in scores) - 1) / 2 for mine in scores]


def _scaled(scores: Sequence[float]) -> list[float]:
    low, high = min(scores), max(scores)
    return [1.0 if high == low else (score - low) / (high - low) for score in scores]


def _source(options: argparse.Namespace) -> Source:
    if options.file is None or options.label is None:
        raise SystemExit("Give --sets FOLDER, or a FILE with its --label COLUMN.")
    return Source(
        file=options.file,
        label=options.label,
        task=options.task,
        header=not options.no_header,
        leave_out=tuple(options.leave_out),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench learning", description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="comma-separated values")
    parser.add_argument(
        "--sets", type=Path, metavar="FOLDER", help="all sets of a folder that sets.toml knows"
    )
    parser.add_argument("--label", metavar="COLUMN")
    parser.add_argument("--task", choices=["classification", "regression"])
    parser.add_argument("--no-header", action="store_true", help="columns are numbers from 0")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="COLUMN")
    parser.add_argument("--seconds", type=float, action="append", help="wall-clock time; may be given twice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="the last line is our outcome as JSON")
    parser.add_argument("--ours", action="store_true", help="leave the peers out")
    parser.add_argument("--only", action="append", choices=list(CONTESTANTS), help="leave the others out")
    return parser.parse_args()
