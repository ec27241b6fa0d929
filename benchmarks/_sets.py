"""Data sets in files: their labels and tasks, and their split into training and test rows."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split

CATALOGUE = Path(__file__).with_name("sets.toml")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of comma-separated values with its label and task."""

    file: Path
    label: str
    #: None: a regression where the label is a number with many values.
    task: str | None = None
    header: bool = True
    leave_out: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class SplitSet:
    """A data set, split into training rows and test rows."""

    name: str
    #: "classification" or "regression".
    task: str
    learn: DataFrame
    #: Labels of the training rows, `(n,)`: numbers, or codes of the classes.
    y: NDArray[Any]
    test: DataFrame
    truth: NDArray[Any]

    @property
    def classes(self) -> int:
        """The number of classes; 0 for a regression."""
        return 0 if self.task == "regression" else int(self.y.max()) + 1

    @property
    def metric(self) -> str:
        return "R²" if self.task == "regression" else "ROC AUC"

    def score(self, predictions: NDArray[np.float64]) -> float:
        """Compute ROC AUC (of several classes one-vs-rest, macro) or R² of the test rows.

        Args:
            predictions: probabilities, `(n, classes)`, or values, `(n,)`.
        """
        if self.task == "regression":
            return float(r2_score(self.truth, predictions))
        if self.classes == 2:
            return float(roc_auc_score(self.truth, predictions[:, 1]))
        rows = predictions / predictions.sum(axis=1, keepdims=True)
        return float(roc_auc_score(self.truth, rows, multi_class="ovr", labels=range(self.classes)))


def find_sources(folder: Path) -> Iterator[Source]:
    """Find the files in the folder that `sets.toml` lists."""
    for name, options in tomllib.loads(CATALOGUE.read_text()).items():
        if (folder / name).exists():
            yield Source(file=folder / name, **options)


def load_split(source: Source, seed: int) -> SplitSet:
    """Load a file and split it into three quarters for training and one for the test, without unlabelled rows."""
    frame = pd.read_csv(source.file, header=0 if source.header else None)
    frame.columns = [str(name) for name in frame.columns]
    for name in [source.label, *source.leave_out]:
        if name not in frame:
            raise SystemExit(f"{source.file.name} has no column {name!r}, but {', '.join(frame.columns)}.")
    frame = frame[frame[source.label].notna()].reset_index(drop=True)
    label = frame.pop(source.label)
    X = frame.drop(columns=list(source.leave_out))
    task = source.task or _infer_task(label)
    y = label.to_numpy(np.float64) if task == "regression" else pd.factorize(label, sort=True)[0]
    stratify = None if task == "regression" else y
    learn, test, y, truth = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=stratify)
    return SplitSet(
        name=source.file.stem,
        task=task,
        learn=learn.reset_index(drop=True),
        y=y,
        test=test.reset_index(drop=True),
        truth=truth,
    )


def _infer_task(label: "Series[Any]") -> str:
    has_many_values = pd.api.types.is_float_dtype(label) or label.nunique() > 20
    return "regression" if pd.api.types.is_numeric_dtype(label) and has_many_values else "classification"
