"""Scores by the number of labels, labelled in the order of the queue, by uncertainty alone, and at random."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from learning.columns import Column, Kind
from learning.evaluation import label_order
from learning.evaluation.label_order import BATCH, Floats, Rows

#: Labels, drawn at random, from which the first model learns.
FIRST = 10

#: Choose the next rows of a pool, by their places and by how uncertain the model is of each.
Choose = Callable[[Floats, Floats, np.random.Generator], Rows]
ORDERS: Mapping[str, Choose] = {
    "queue": lambda places, uncertainty, random: label_order.order_rows(places, uncertainty, BATCH),
    "uncertainty alone": lambda places, uncertainty, random: np.argsort(-uncertainty, kind="stable"),
    "random": lambda places, uncertainty, random: random.permutation(len(places)),
}
SETS: Mapping[str, Callable[[], tuple[Floats, Any]]] = {
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
}


def score_by_labels(X: Floats, y: Any, seed: int, choose: Choose, rounds: int) -> list[float]:
    """Label FIRST rows at random, and then BATCH rows a round.

    Returns: the accuracy on two fifths of the rows, which are never labelled, before each round.
    """
    random = np.random.default_rng(seed)
    rows = random.permutation(len(y))
    train, test = rows[: len(y) * 3 // 5], rows[len(y) * 3 // 5 :]
    columns = [Column(name=f"x{n}", kind=Kind.NUMBER) for n in range(X.shape[1])]
    places = label_order.place_rows(columns, X[train].tolist())
    # At least one row of each class, which is the same for all orders.
    firsts = [int(np.flatnonzero(y[train] == label)[0]) for label in np.unique(y)]
    labelled, scores = np.union1d(np.arange(FIRST), firsts), []
    while True:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
        model.fit(X[train][labelled], y[train][labelled])
        scores.append(float(model.score(X[test], y[test])))
        if len(scores) == rounds:
            return scores
        rest = np.setdiff1d(np.arange(len(train)), labelled)
        uncertainty = label_order.margin_uncertainty(model.predict_proba(X[train][rest]))
        labelled = np.r_[labelled, rest[choose(places[rest], uncertainty, random)[:BATCH]]]


def average(X: Floats, y: Any, order: str, seeds: int, rounds: int) -> Floats:
    """Average the scores over seeds: `(rounds,)`."""
    return np.mean([score_by_labels(X, y, seed, ORDERS[order], rounds) for seed in range(seeds)], axis=0)  # type: ignore[no-any-return]


def main() -> None:
    """Print a line for each set and order."""
    parser = argparse.ArgumentParser(prog="./dev bench labelling", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    table = Table("set", "order", title=f"Accuracy by the number of labels: means of {options.seeds} splits")
    for number in range(options.rounds):
        table.add_column(f"{FIRST + number * BATCH}", justify="right")
    for name, load in SETS.items():
        X, y = load()
        for order in ORDERS:
            scores = average(X, y, order, options.seeds, options.rounds)
            table.add_row(name, order, *(f"{score:.3f}" for score in scores))
    Console(width=100).print(table)
