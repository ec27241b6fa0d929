"""What one feature tells of the label all by itself, on rows that the small model has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.metrics import accuracy_score, mutual_info_score, r2_score, roc_auc_score
from sklearn.naive_bayes import MultinomialNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ..dataset import Dataset
from .statistics import Look, Rows, missing

PARTS = 3
#: Steps of a regression's label, for what tells only classes apart.
LEVELS = 5
#: Classes that information is about; of more, rare ones are taken together.
CLASSES = 20
#: Leaves of a tree for each class, and levels of one for a number, which takes many steps to follow.
LEAVES, DEPTH = 4, 8
#: Rows, of each class or of a regression, below which a score says nothing.
LEAST = 10
#: Characters of a text that are read, and words that are told apart.
READ, WORDS = 500, 1 << 14


@dataclass(frozen=True, kw_only=True)
class Target:
    """A label on drawn rows, which is predicted part by part."""

    #: `(m,)`: positions of the rows.
    rows: Rows
    #: `(m,)`: classes from 0, or ranks of numbers, as outliers must not decide.
    y: NDArray[Any]
    #: 0 for a regression.
    classes: int

    @classmethod
    def even(cls, dataset: Dataset, most: int, seed: int) -> "Target | None":
        """The label on at most `most` rows, as many of each class as there are, so that rare ones count as much.

        None for clustering, and where the rows of a class, or of all, are too few.
        """
        if dataset.y is None:
            return None
        random = np.random.default_rng(seed)
        labels = dataset.y if dataset.classes else np.zeros(len(dataset), dtype=np.int64)
        each = most // max(1, len(dataset.classes))
        drawn = [random.permutation(np.flatnonzero(labels == c))[:each] for c in np.unique(labels)]
        if min(map(len, drawn)) < LEAST:
            return None
        # By class, and in random order within: each part has its share of each class.
        rows = np.concatenate(drawn)
        y = dataset.y[rows] if dataset.classes else rankdata(dataset.y[rows]) / len(rows)
        return cls(rows=rows, y=y, classes=len(dataset.classes))

    @classmethod
    def levels(cls, dataset: Dataset, most: int, seed: int) -> "Target":
        """The label on at most `most` rows in the data's own proportions; of numbers, in which fifth they are."""
        assert dataset.y is not None
        rows = np.random.default_rng(seed).permutation(len(dataset))[:most]
        y = dataset.y[rows]
        if dataset.classes:
            return cls(rows=rows, y=frequent(y), classes=min(len(dataset.classes), CLASSES))
        steps = np.quantile(y, np.arange(1, LEVELS) / LEVELS)
        return cls(rows=rows, y=np.searchsorted(steps, y), classes=LEVELS)

    @property
    def measure(self) -> str:
        if not self.classes:
            return "R²"
        return "ROC AUC" if self.classes == 2 else "accuracy"

    @property
    def chance(self) -> float:
        """What is scored without knowing anything."""
        return max(np.bincount(self.y)) / len(self.y) if self.classes else 0.0

    def score(self, look: Look) -> float:
        """By a small tree, of a text by naive Bayes; greater is better, 1 is perfect."""
        predicted = self.predicted(look)
        if not self.classes:
            return float(r2_score(self.y, predicted))
        if self.classes == 2:
            return float(roc_auc_score(self.y, predicted[:, 1]))
        return float(accuracy_score(self.y, predicted.argmax(axis=1)))

    def information(self, look: Look) -> float:
        """Of the predicted classes about the true ones, in nats; within each part, whose model is one."""
        guess, parts = self.predicted(look).argmax(axis=1), self.parts
        return float(
            np.mean([mutual_info_score(self.y[parts == p], guess[parts == p]) for p in range(PARTS)])
        )

    @property
    def parts(self) -> NDArray[np.intp]:
        """`(m,)`: in which part each row is predicted."""
        return np.arange(len(self.y)) % PARTS

    def predicted(self, look: Look) -> NDArray[np.float64]:
        """Of each row by a model that has not seen it: `(m, classes)` probabilities, or `(m,)` numbers."""
        cells = look.values[self.rows]
        words = look.kind.is_text
        X = read(cells) if words else rankdata(np.where(missing(cells), -np.inf, cells))[:, np.newaxis]
        predicted = np.zeros((len(self.y), self.classes) if self.classes else len(self.y))
        for part in range(PARTS):
            held, taught = np.flatnonzero(self.parts == part), np.flatnonzero(self.parts != part)
            model = (MultinomialNB() if words else self._tree(look)).fit(X[taught], self.y[taught])
            if self.classes:
                predicted[np.ix_(held, model.classes_)] = model.predict_proba(X[held])
            else:
                predicted[held] = model.predict(X[held])
        return predicted

    def _tree(self, look: Look) -> Any:
        """Of categories as large as it needs: their codes are in no order that means anything."""
        categories = not look.kind.is_ordered
        if not self.classes:
            depth = None if categories else DEPTH
            return DecisionTreeRegressor(max_depth=depth, min_samples_leaf=3, random_state=0)
        leaves = None if categories else LEAVES * self.classes
        return DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)


def frequent(y: NDArray[np.int64]) -> NDArray[np.int64]:
    """The classes, numbered anew where they are more than CLASSES: the frequent ones, then all others as one."""
    counts = np.bincount(y)
    if len(counts) <= CLASSES:
        return y
    number = np.full(len(counts), CLASSES - 1)
    number[np.argsort(-counts, kind="stable")[: CLASSES - 1]] = np.arange(CLASSES - 1)
    return number[y]


def read(texts: Sequence[str | None] | NDArray[np.object_]) -> Any:
    """Which words each text has: sparse `(m, WORDS)`."""
    vectorizer = HashingVectorizer(n_features=WORDS, binary=True, alternate_sign=False, norm=None)
    return vectorizer.transform([(text or "")[:READ] for text in texts])
