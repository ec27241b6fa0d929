"""Univariate prediction of the label: cross-validated scores of small models that see one feature."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import rankdata
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ..dataset import Dataset
from ..kinds import members_of
from .information import Information, between_codes
from .small_models import accuracy, explained_variance, fit_tree, roc_auc, tree_input
from .statistics import Cells, ColumnStatistics, Rows, is_missing

#: Number of folds.
PARTS = 3
#: Number of levels of a regression's label, for models that predict classes.
LEVELS = 5
#: Upper bound of the classes that information is computed for; rare ones of more are merged.
CLASSES = 20
#: Leaves of a classification tree per class, and depth of a regression tree.
LEAVES, DEPTH = 4, 8
#: Least number of rows per class, or of a regression.
LEAST = 10
#: Rows of the overall mean that count in the mean of each level of an open category.
SMOOTHING = 5.0
#: Upper bounds of the characters of a text that are read, and of the words.
READ, WORDS = 500, 1 << 14


@dataclass(frozen=True, kw_only=True)
class Target:
    """The label on sampled rows, and its prediction part by part."""

    #: `(m,)`: row indices.
    rows: Rows
    #: `(m,)`: class codes, or ranks of values, which are robust against outliers.
    y: NDArray[np.int64] | NDArray[np.float64]
    #: 0 for a regression.
    classes: int

    @classmethod
    def balanced(cls, dataset: Dataset, most: int, seed: int) -> "Target | None":
        """Sample at most `most` rows, equally many of each class, so that rare classes count as much.

        None for clusterings, and if the rows of a class, or of a regression, are fewer than LEAST.
        """
        if dataset.y is None:
            return None
        random = np.random.default_rng(seed)
        labels = dataset.y if dataset.classes else np.zeros(len(dataset), dtype=np.int64)
        each = most // max(1, len(dataset.classes))
        samples = [random.permutation(np.flatnonzero(labels == c))[:each] for c in np.unique(labels)]
        if min(map(len, samples)) < LEAST:
            return None
        # Rows are ordered by class, in random order within, so that `parts` is stratified.
        rows = np.concatenate(samples)
        y = dataset.y[rows] if dataset.classes else rankdata(dataset.y[rows]) / len(rows)
        return cls(rows=rows, y=y, classes=len(dataset.classes))

    @classmethod
    def in_levels(cls, dataset: Dataset, most: int, seed: int) -> "Target":
        """Sample at most `most` rows in the data's proportions; a regression's label becomes LEVELS classes."""
        assert dataset.y is not None
        rows = np.random.default_rng(seed).permutation(len(dataset))[:most]
        y = dataset.y[rows]
        if dataset.classes:
            return cls(rows=rows, y=merge_rare_classes(y), classes=min(len(dataset.classes), CLASSES))
        steps = np.quantile(y, np.arange(1, LEVELS) / LEVELS)
        return cls(rows=rows, y=np.searchsorted(steps, y), classes=LEVELS)

    @property
    def measure(self) -> str:
        """Name of the score."""
        if not self.classes:
            return "R²"
        return "ROC AUC" if self.classes == 2 else "accuracy"

    @property
    def chance(self) -> float:
        """Score of a prediction without any feature."""
        return max(np.bincount(self.y)) / len(self.y) if self.classes else 0.0

    def score(self, column: ColumnStatistics) -> float:
        """Score the column as the only predictor; greater is better, 1 is perfect."""
        predicted = self._predict(column)
        if not self.classes:
            return explained_variance(np.asarray(self.y), predicted)
        if self.classes == 2:
            return roc_auc(np.asarray(self.y), predicted[:, 1])
        return accuracy(np.asarray(self.y), predicted.argmax(axis=1))

    def information(self, column: ColumnStatistics) -> Information:
        """Estimate the mutual information of predicted and true classes, averaged over the parts."""
        predicted, parts = self._predict(column).argmax(axis=1), self.parts
        estimates = [between_codes(predicted[parts == p], self.y[parts == p]) for p in range(PARTS)]
        return Information(
            float(np.mean([each.nats for each in estimates])),
            float(np.linalg.norm([each.error for each in estimates])) / PARTS,
        )

    @property
    def parts(self) -> NDArray[np.intp]:
        """`(m,)`: the part in which each row is held out."""
        return np.arange(len(self.y)) % PARTS

    def _predict(self, column: ColumnStatistics) -> NDArray[np.float64]:
        """Predict each row out of fold: `(m, classes)` probabilities, or `(m,)` values."""
        cells = column.values[self.rows]
        if column.kind.is_open:
            return self._predict_by_level(cells.astype(np.intp))
        predicted = np.zeros((len(self.y), self.classes) if self.classes else len(self.y))
        if column.kind.is_text:
            self._predict_by_words(
                encode_members(cells) if column.kind.is_set else encode_words(cells), predicted
            )
        else:
            self._predict_by_trees(column, tree_input(encode_ranks(cells)), predicted)
        return predicted

    def _predict_by_words(self, X: csr_matrix, predicted: NDArray[np.float64]) -> None:
        for held_out, learn in self._folds():
            model = MultinomialNB().fit(X[learn], self.y[learn])
            predicted[np.ix_(held_out, model.classes_)] = model.predict_proba(X[held_out])

    def _predict_by_trees(
        self, column: ColumnStatistics, X: NDArray[np.float32], predicted: NDArray[np.float64]
    ) -> None:
        for held_out, learn in self._folds():
            tree = fit_tree(self._tree(column), X[learn], self.y[learn])
            if self.classes:
                proba = tree.predict_proba(X[held_out], check_input=False)
                predicted[np.ix_(held_out, tree.classes_)] = proba
            else:
                predicted[held_out] = tree.predict(X[held_out], check_input=False)

    def _folds(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the rows that each part holds out, and those that it learns from."""
        parts = self.parts
        for part in range(PARTS):
            yield np.flatnonzero(parts == part), np.flatnonzero(parts != part)

    def _predict_by_level(self, codes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Predict the smoothed mean of each row's level in the other parts, as `_predict` does; no order counts."""
        y = np.eye(self.classes)[self.y] if self.classes else self.y[:, None]
        predicted, levels = np.zeros(y.shape), codes.max(initial=0) + 2
        for part in range(PARTS):
            held_out, learn = self.parts == part, self.parts != part
            sums = np.zeros((levels, y.shape[1]))
            np.add.at(sums, codes[learn], y[learn])
            counts = np.bincount(codes[learn] % levels, minlength=levels)[:, None]
            means = (sums + SMOOTHING * y[learn].mean(axis=0)) / (counts + SMOOTHING)
            predicted[held_out] = means[codes[held_out]]
        return predicted if self.classes else predicted[:, 0]

    def _tree(self, column: ColumnStatistics) -> DecisionTreeClassifier | DecisionTreeRegressor:
        """Build a small tree; that of unordered categories is not limited, because their codes have no order."""
        unordered = not column.kind.is_ordered
        if not self.classes:
            depth = None if unordered else DEPTH
            return DecisionTreeRegressor(max_depth=depth, min_samples_leaf=3, random_state=0)
        leaves = None if unordered else LEAVES * self.classes
        return DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)


def encode_ranks(cells: Cells) -> NDArray[np.float64]:
    """Encode numbers or codes as their ranks, missing ones first: `(m, 1)`."""
    return np.asarray(rankdata(np.where(is_missing(cells), -np.inf, cells))[:, np.newaxis])


def merge_rare_classes(y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber the classes if there are more than CLASSES: the frequent ones, then all others as one."""
    counts = np.bincount(y)
    if len(counts) <= CLASSES:
        return y
    number = np.full(len(counts), CLASSES - 1)
    number[np.argsort(-counts, kind="stable")[: CLASSES - 1]] = np.arange(CLASSES - 1)
    return number[y]


def encode_words(texts: Sequence[str | None] | NDArray[np.object_]) -> csr_matrix:
    """Encode the presence of words in each text: sparse `(m, WORDS)`."""
    vectorizer = HashingVectorizer(n_features=WORDS, binary=True, alternate_sign=False, norm=None)
    return vectorizer.transform([(text or "")[:READ] for text in texts])


def encode_members(sets: Sequence[str | None] | NDArray[np.object_]) -> csr_matrix:
    """Encode the presence of members in each set: sparse `(m, WORDS)`."""
    members = HashingVectorizer(
        n_features=WORDS, analyzer=members_of, binary=True, alternate_sign=False, norm=None
    )
    return members.transform([text or "" for text in sets])
