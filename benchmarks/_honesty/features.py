"""Point 9: what the analysis says of columns that tell nothing, did not change, or give the label away."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import log

import numpy as np
from numpy.random import Generator
from sklearn import datasets

from learning.analysis import Analysis, FindingKind, changes
from learning.analysis.overview import analyse
from learning.problem import Classification, Regression
from learning.selection.error_analysis import worst_slices

from . import planted
from .cases import Case
from .planted import Sample
from .promises import Mean, Promise, Share

TITLE = "Analysis"
POINT = 9
#: Information that is allowed where there is none, in nats.
NOISE = 0.02
#: Findings that say which columns give the label.
REVEALING = (FindingKind.LEAKAGE, FindingKind.DETERMINATION)
PROBLEM = Classification()

Draw = Callable[[Generator], Sample]


def cases() -> Iterator[Case]:
    """List the cases."""
    for rows, values in ((1_000, 50), (1_000, 500), (5_000, 2_000)):
        yield Case(
            name=f"category of {values:,} values, {rows:,} rows",
            check=partial(check_information, rows=rows, values=values),
            repeats=20,
            small=10 if rows == 1_000 else None,
        )
    for rows in (100, 1_000):
        yield Case(
            name=f"two snapshots of the same, {rows:,} rows, 20 columns",
            check=partial(check_unchanged, rows=rows),
            repeats=40,
            small=10,
        )
    for name, change in (("a column shuffled", _shuffle), ("a column in another unit", _other_unit)):
        yield Case(
            name=f"two snapshots, {name}", check=partial(check_changed, change=change), repeats=10, small=5
        )
    yield Case(name="losses that no column explains, 20 columns", check=check_no_slice, repeats=100, small=40)
    yield Case(name="losses three times as high in a tenth", check=check_slice, repeats=20, small=5)
    for name, draw in (
        ("a column again in another unit", _copy),
        ("the label is the exclusive or of two columns", _exclusive_or),
        ("the label is the sign of a difference", _difference),
    ):
        yield Case(name=name, check=partial(check_found, draw=draw), repeats=5, small=5)
    yield Case(name="iris, wine, tumors, diabetes, digits", check=check_bundled, repeats=1, small=1)


def check_information(seeds: Sequence[int], rows: int, values: int) -> Iterator[Promise]:
    """Measure the information of a category that tells nothing, and of one that tells something."""
    noise, useful = [], []
    for seed in seeds:
        sample = planted.many_values(np.random.default_rng(seed), rows, values)
        information = {each.name: each.information for each in _analyse(sample, seed).features}
        noise.append(information["noise"] or 0.0)
        useful.append(information["useful"] or 0.0)
    quantity = "information of noise, in nats"
    yield Promise(quantity=quantity, came_true=Mean.of(noise), least=-NOISE, most=NOISE)
    true = log(2) + 0.8 * log(0.8) + 0.2 * log(0.2)
    quantity = "information of a signal, told − true, in nats"
    bias = Mean.of([value - true for value in useful])
    yield Promise(quantity=quantity, came_true=bias, least=-NOISE, most=NOISE)


def check_unchanged(seeds: Sequence[int], rows: int) -> Iterator[Promise]:
    """Count how often something is said to have changed between snapshots of the same."""
    said = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        before, after = (_analyse(_mixed(random, rows), seed) for _ in range(2))
        said += bool(changes(before, after))
    quantity = "share of pairs with a change"
    yield Promise(quantity=quantity, came_true=Share(said, len(seeds)), most=0.05)


def check_changed(seeds: Sequence[int], change: Callable[[Sample, Generator], Sample]) -> Iterator[Promise]:
    """Count how often a column that changed is named."""
    named = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        before, after = _mixed(random, 1_000), change(_mixed(random, 1_000), random)
        said = changes(_analyse(before, seed), _analyse(after, seed))
        named += any(sentence.startswith("x0 ") for sentence in said)
    quantity = "share of pairs in which it is named"
    yield Promise(quantity=quantity, came_true=Share(named, len(seeds)), least=0.95)


def check_no_slice(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often rows are said to be predicted worse although all are alike."""
    found = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        sample = _mixed(random, 1_000)
        found += bool(worst_slices(sample.dataset(PROBLEM), random.exponential(size=len(sample))))
    quantity = "share of reports with a slice"
    yield Promise(quantity=quantity, came_true=Share(found, len(seeds)), most=0.05)


def check_slice(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count how often rows that are predicted worse are named."""
    found = 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        sample = _mixed(random, 1_000)
        kind = np.where(random.random(1_000) < 0.1, "hard", "easy")
        sample = replace(sample, words={"kind": kind})
        losses = random.exponential(size=1_000) * np.where(kind == "hard", 3.0, 1.0)
        slices = worst_slices(sample.dataset(PROBLEM), losses)
        found += any((each.feature, each.value) == ("kind", "hard") for each in slices)
    quantity = "share of reports in which they are named"
    yield Promise(quantity=quantity, came_true=Share(found, len(seeds)), least=0.95)


def check_found(seeds: Sequence[int], draw: Draw) -> Iterator[Promise]:
    """Count how often columns that give the label away, or equal another, are named."""
    found = 0
    for seed in seeds:
        findings = _analyse(draw(np.random.default_rng(seed)), seed).findings
        about = [finding for finding in findings if finding.feature in ("x0", "x1")]
        found += any("x0" in finding.sentence and "x1" in finding.sentence for finding in about)
    quantity = "share of analyses that name them"
    yield Promise(quantity=quantity, came_true=Share(found, len(seeds)), least=0.95)


def check_bundled(seeds: Sequence[int]) -> Iterator[Promise]:
    """Count the data sets of which some column is said to give the label away: none does."""
    names = ("iris", "wine", "breast_cancer", "diabetes", "digits")
    alarms = 0
    for name in names:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        problem = Regression() if name == "diabetes" else Classification()
        analysis = analyse(Sample(X=X, y=y).dataset(problem), problem)
        alarms += any(finding.kind in REVEALING for finding in analysis.findings)
    quantity = "data sets of which a column is said to give the label"
    yield Promise(quantity=quantity, came_true=Share(alarms, len(names)), most=0.0)


def _analyse(sample: Sample, seed: int) -> Analysis:
    problem = replace(PROBLEM, seed=seed)
    return analyse(sample.dataset(problem), problem)


def _mixed(random: Generator, n: int) -> Sample:
    """Draw 20 columns: numbers, of which the first tells about the label, bits, and counts."""
    y = random.integers(0, 2, n)
    numbers = random.normal(size=(n, 10))
    numbers[:, 0] += 2 * y
    bits = random.integers(0, 2, size=(n, 6))
    counts = random.poisson(2, size=(n, 4))
    return Sample(X=np.hstack([numbers, bits, counts]).astype(np.float64), y=y)


def _shuffle(sample: Sample, random: Generator) -> Sample:
    X = sample.X.copy()
    X[:, 0] = random.permutation(X[:, 0])
    return replace(sample, X=X)


def _other_unit(sample: Sample, random: Generator) -> Sample:
    X = sample.X.copy()
    X[:, 0] *= 2.54
    return replace(sample, X=X)


def _copy(random: Generator) -> Sample:
    sample = planted.linear(random, 600)
    X = sample.X.copy()
    X[:, 1] = 32 + 1.8 * X[:, 0]
    return replace(sample, X=X)


def _exclusive_or(random: Generator) -> Sample:
    X = random.normal(size=(600, 6))
    X[:, :2] = random.integers(0, 2, size=(600, 2))
    return Sample(X=X, y=(X[:, 0] != X[:, 1]).astype(np.int64))


def _difference(random: Generator) -> Sample:
    X = random.normal(size=(600, 6))
    return Sample(X=X, y=(X[:, 0] > X[:, 1]).astype(np.int64))
