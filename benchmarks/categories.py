"""Test scores of builds over a category of many levels, learned as levels and as words, in the same time.

Each build is declared with `early=True`: the table has its early versions, which serve meanwhile, and its winner.

    ./dev bench categories [--rows 1000000] [--levels 20000] [--seconds 60] [--seed 0]
    ./dev bench categories --file FILE --label COLUMN [--column COLUMN…]

The label of the drawn set depends on a code of an open set, whose levels are as frequent as words of a language are,
and on three numbers. Of a file, the columns that are named are the categories.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from learning.build import Fitted, build
from learning.columns import Column, Kind, Row
from learning.dataset import Dataset, dataset
from learning.exceptions import TimedOut
from learning.model import ClassAnswer, Model
from learning.problem import Classification

LABEL, CORES = "label", 2


def draw(rows: int, levels: int, seed: int) -> DataFrame:
    """Draw rows of a code and three numbers, and the label: 0 or 1."""
    random = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, levels + 1) ** 0.7
    codes = random.choice(levels, rows, p=shares / shares.sum())
    numbers = random.normal(size=(rows, 3))
    margins = random.normal(0.0, 1.5, levels)[codes] + numbers @ [0.5, -0.3, 0.1]
    frame = DataFrame(numbers, columns=["a", "b", "c"])
    frame["code"] = [f"{'ABCDEFG'[code % 7]}-{code // 7}" for code in codes]
    frame[LABEL] = (random.random(rows) < 1 / (1 + np.exp(-margins))).astype(int)
    return frame


def read(file: Path, label: str, names: Sequence[str]) -> DataFrame:
    """Read a file; the named columns are texts, the label is 1 for its most frequent value."""
    frame = pd.read_csv(file).rename(columns={label: LABEL})
    frame[LABEL] = (frame[LABEL] == frame[LABEL].mode()[0]).astype(int)
    return frame.assign(**{name: frame[name].astype(str) for name in names})


def columns_of(frame: DataFrame) -> tuple[Column, ...]:
    """Type the features: numbers, and texts."""
    return tuple(
        Column(
            name=name,
            kind=Kind.NUMBER if pd.api.types.is_numeric_dtype(frame[name]) else Kind.TEXT,
            nullable=True,
        )
        for name in frame
        if name != LABEL
    )


def as_words(data: Dataset) -> Dataset:
    """Return the same examples with texts instead of open categories."""
    names = [column.name for column in data.columns if column.kind.is_open]
    columns = [replace(c, kind=Kind.TEXT) if c.name in names else c for c in data.columns]
    texts = {name: Series(Kind.TEXT.decode_cells(data.X[name].tolist()), dtype=object) for name in names}
    return replace(data, columns=tuple(columns), X=data.X.assign(**texts))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A version of a build, and when it was there."""

    role: str
    seconds: float
    #: ROC AUC of the test rows.
    score: float
    #: Examples that it learned from.
    examples: int
    family: str
    runtime: str

    def cells(self) -> tuple[str, ...]:
        """Render the cells of its line."""
        return (
            self.role,
            f"{self.seconds:.0f} s",
            f"{self.examples:,}",
            f"{self.score:.4f}",
            self.family,
            self.runtime,
        )


def measure(
    problem: Classification, learn: Dataset, rows: Sequence[Row], truth: Sequence[int]
) -> Iterator[Measured]:
    """Build, and yield each version up to the winner; none if there is none in time."""
    started, versions = time.monotonic(), []
    with suppress(TimedOut):
        # Scored afterwards, so that this takes no time of the build's.
        for step in build(problem, learn, workers=CORES, started=started):
            if isinstance(step, Fitted) and (step.winner or step.early):
                versions.append((step, time.monotonic() - started))
    for step, seconds in versions:
        model: Model = step.model
        answers = [answer for answer in model.predict(rows) if isinstance(answer, ClassAnswer)]
        yield Measured(
            role="winner" if step.winner else "early",
            seconds=seconds,
            score=float(roc_auc_score(truth, [answer.probabilities[1] for answer in answers])),
            examples=step.candidate.hyperparameters.get("rows", len(learn)),
            family=step.candidate.family,
            runtime=model.compiled.runtime if model.compiled else "pipeline",
        )


def to_rows(frame: DataFrame, columns: Sequence[Column]) -> Iterator[Row]:
    """Yield the features of each row as Python values."""
    cells = [[None if value != value else value for value in frame[c.name].tolist()] for c in columns]
    yield from zip(*cells, strict=True)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--levels", type=int, default=20_000)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--file", type=Path)
    options.add_argument("--label", default=LABEL)
    options.add_argument("--column", action="append", default=[])
    chosen = options.parse_args()
    if chosen.file:
        frame = read(chosen.file, chosen.label, chosen.column)
    else:
        frame = draw(chosen.rows, chosen.levels, chosen.seed)
    columns = columns_of(frame)
    learn, test = train_test_split(frame, test_size=0.2, random_state=chosen.seed, stratify=frame[LABEL])
    problem = Classification(seconds=chosen.seconds, seed=chosen.seed, keep=1, pictures=0.0, early=True)
    rows = list(to_rows(learn, columns))
    started = time.perf_counter()
    data = dataset(problem, columns, rows, [str(label) for label in learn[LABEL]])
    encoded = time.perf_counter() - started
    del rows
    table = Table("learned as", "version", "after", "examples", "ROC AUC", "family", "runtime")
    table.title = f"{len(learn):,} rows, encoded in {encoded:.1f} s, {chosen.seconds:.0f} s each"
    probes, truth = list(to_rows(test, columns)), test[LABEL].tolist()
    for name, examples in {"words": as_words(data), "levels": data}.items():
        versions = list(measure(problem, examples, probes, truth))
        for version in versions:
            table.add_row(name, *version.cells())
        if not versions:
            table.add_row(name, "none in time")
    Console(width=110).print(table)
