"""Planted data, of which the truth is known: each function draws as many fresh rows as are asked for."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn import datasets

from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.problem import Problem

Floats = NDArray[np.float64]
#: First day of data with times.
START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows of numbers and, where there are some, of words; their labels, groups and days."""

    #: `(n, columns)`
    X: Floats
    #: `(n,)`: codes of classes or numbers; clusters that a clustering should find.
    y: NDArray[Any]
    #: Categories by name, each of `(n,)`.
    words: dict[str, NDArray[Any]] | None = None
    groups: NDArray[np.int64] | None = None
    #: `(n,)`: days since START.
    days: Floats | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[Any]) -> "Sample":
        """Select rows."""
        return Sample(
            X=self.X[rows],
            y=self.y[rows],
            words=self.words and {name: values[rows] for name, values in self.words.items()},
            groups=None if self.groups is None else self.groups[rows],
            days=None if self.days is None else self.days[rows],
        )

    def shuffled(self, random: Generator) -> "Sample":
        """Put the rows into random order."""
        return self.take(random.permutation(len(self)))

    def undeclared(self) -> "Sample":
        """Forget the groups."""
        return replace(self, groups=None)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The features: x0, x1 and so on, then the words."""
        numbers = [
            Column(name=f"x{place}", kind=Kind.NUMBER, nullable=True) for place in range(self.X.shape[1])
        ]
        words = [
            Column(name=name, kind=Kind.CATEGORY, nullable=True, choices=tuple(sorted(set(values.tolist()))))
            for name, values in (self.words or {}).items()
        ]
        return (*numbers, *words)

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """The features of each row as Python values."""
        words = [values.tolist() for values in (self.words or {}).values()]
        return list(zip(*self.X.T.tolist(), *words, strict=True))

    def dataset(self, problem: Problem, fingerprint: str = "planted") -> Dataset:
        """Build the examples of a problem."""
        groups: Sequence[Hashable] | None = None if self.groups is None else self.groups.tolist()
        labels: list[object] | None = None
        if problem.learns_from_labels:
            labels = [f"c{code}" for code in self.y] if problem.has_classes else self.y.tolist()
        times = None if self.days is None else [START + timedelta(days=float(day)) for day in self.days]
        return dataset(
            problem, self.columns, self.rows, labels, fingerprint=fingerprint, times=times, groups=groups
        )


def linear(random: Generator, n: int, weights: Sequence[float] = (1.0, 0.7, 0.4), noise: int = 3) -> Sample:
    """Draw two classes by a logistic model of independent columns, beside columns of noise."""
    X = random.normal(size=(n, len(weights) + noise))
    margin = X[:, : len(weights)] @ np.array(weights)
    return Sample(X=X, y=(random.random(n) < 1 / (1 + np.exp(-margin))).astype(np.int64))


def noise(random: Generator, n: int, columns: int = 8, shares: Sequence[float] = (0.5, 0.5)) -> Sample:
    """Draw classes of which no column tells anything."""
    return Sample(X=random.normal(size=(n, columns)), y=random.choice(len(shares), n, p=shares))


def copies(sample: Sample, times: int, random: Generator, jitter: float = 0.0) -> Sample:
    """Repeat each row, with a little noise in each number."""
    rows = np.repeat(np.arange(len(sample)), times)
    repeated = sample.take(rows)
    X = repeated.X + jitter * sample.X.std(axis=0) * random.normal(size=repeated.X.shape)
    return replace(repeated, X=X).shuffled(random)


def people(random: Generator, people: int, each: int, traits: int = 6, spread: float = 0.1) -> Sample:
    """Draw several rows of each person.

    The traits of a person hardly vary over the rows, so that a model recognises who it has seen; two of them say
    a little about the label, which is the person's.
    """
    means = random.normal(size=(people, traits))
    margin = 0.8 * means[:, 0] + 0.4 * means[:, 1]
    label = (random.random(people) < 1 / (1 + np.exp(-margin))).astype(np.int64)
    who = np.repeat(np.arange(people), each)
    X = means[who] + spread * random.normal(size=(len(who), traits))
    return Sample(X=X, y=label[who], groups=who).shuffled(random)


def heteroscedastic(random: Generator, n: int) -> Sample:
    """Draw numbers whose noise grows with what can be predicted of them."""
    X = random.uniform(0, 1, size=(n, 4))
    mean = 10 * X[:, 0] + 3 * X[:, 1]
    return Sample(X=X, y=mean + (0.2 + 0.35 * mean) * random.normal(size=n))


def noisy_group(random: Generator, n: int) -> Sample:
    """Draw numbers of three groups of rows, a fifth of which has four times the noise of the others."""
    X = random.normal(size=(n, 4))
    kind = random.choice(["calm", "steady", "wild"], n, p=[0.4, 0.4, 0.2])
    scale = np.where(kind == "wild", 4.0, 1.0)
    return Sample(X=X, y=2 * X[:, 0] + X[:, 1] + scale * random.normal(size=n), words={"kind": kind})


def tips(random: Generator, n: int) -> Sample:
    """Draw positive numbers with a long tail."""
    X = random.normal(size=(n, 4))
    return Sample(X=X, y=np.exp(0.6 * X[:, 0] + 0.3 * X[:, 1] + 0.6 * random.normal(size=n)))


def even(random: Generator, n: int) -> Sample:
    """Draw numbers with the same noise everywhere."""
    X = random.normal(size=(n, 4))
    return Sample(X=X, y=2 * X[:, 0] + X[:, 1] + random.normal(size=n))


def overconfident(random: Generator, n: int, copies: int = 6) -> Sample:
    """Draw two classes with columns that say the same again, which naive Bayes takes for independent evidence."""
    core = random.normal(size=(n, 2))
    margin = core @ [0.9, 0.5]
    X = np.hstack([core[:, [place % 2]] + 0.3 * random.normal(size=(n, 1)) for place in range(2 * copies)])
    return Sample(X=X, y=(random.random(n) < 1 / (1 + np.exp(-margin))).astype(np.int64))


def trend(random: Generator, days: Floats, slope: float = 0.03) -> Sample:
    """Draw numbers that grow with time, beside a wave that a linear model does not see.

    One feature is a calendar, from which models can learn the trend.
    """
    X = np.column_stack([random.normal(size=(len(days), 3)), days])
    y = 1.5 * np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + slope * days + random.normal(size=len(days))
    return Sample(X=X, y=y, days=days)


def stationary(random: Generator, days: Floats) -> Sample:
    """Draw numbers that do not depend on time."""
    return trend(random, days, slope=0.0)


def many_values(random: Generator, n: int, values: int) -> Sample:
    """Draw two classes beside a category of many values that tells nothing, and one that tells something."""
    y = random.integers(0, 2, n)
    useful = np.where(random.random(n) < 0.8, y, 1 - y)
    words = {
        "noise": np.array([f"v{code:05}" for code in random.integers(0, values, n)]),
        "useful": np.array(["no", "yes"])[useful],
    }
    return Sample(X=random.normal(size=(n, 2)), y=y, words=words)


def cloud(random: Generator, n: int) -> Sample:
    """Draw one normal cloud in five dimensions: there are no clusters."""
    return Sample(X=random.normal(size=(n, 5)), y=np.zeros(n, dtype=np.int64))


def stretched(random: Generator, n: int) -> Sample:
    """Draw three parallel stretched clusters."""
    y = random.integers(0, 3, n)
    X = random.normal(size=(n, 2)) * [6.0, 0.5]
    X[:, 1] += 4.0 * y
    angle = np.pi / 4
    return Sample(X=X @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), y=y)


def moons(random: Generator, n: int) -> Sample:
    """Draw two interleaved half circles."""
    X, y = datasets.make_moons(n, noise=0.06, random_state=int(random.integers(2**31)))
    return Sample(X=X, y=y)


def rings(random: Generator, n: int) -> Sample:
    """Draw two rings around the same centre."""
    X, y = datasets.make_circles(n, noise=0.05, factor=0.4, random_state=int(random.integers(2**31)))
    return Sample(X=X, y=y)


def blobs(random: Generator, n: int, count: int = 8, spread: float = 0.5) -> Sample:
    """Draw round clusters on a circle."""
    y = random.integers(0, count, n)
    angle = 2 * np.pi * y / count
    centres = 5 * np.column_stack([np.cos(angle), np.sin(angle)])
    return Sample(X=centres + spread * random.normal(size=(n, 2)), y=y)


def blobs_beside_noise(random: Generator, n: int) -> Sample:
    """Draw four round clusters beside four columns of noise."""
    sample = blobs(random, n, count=4)
    return replace(sample, X=np.hstack([sample.X, random.normal(size=(n, 4))]))


def blobs_within_noise(random: Generator, n: int) -> Sample:
    """Draw four round clusters, and a tenth of rows that belong to none (−1)."""
    sample = blobs(random, n, count=4, spread=0.4)
    alone = random.random(n) < 0.1
    X = np.where(alone[:, None], random.uniform(-8, 8, size=(n, 2)), sample.X)
    return Sample(X=X, y=np.where(alone, -1, sample.y))


def yes_or_no(random: Generator, n: int) -> Sample:
    """Draw two classes by five columns of two values: rows are equal by chance, and new ones equal known ones, too."""
    X = random.integers(0, 2, size=(n, 5)).astype(np.float64)
    margin = X @ [1.2, 0.8, 0.4, 0.0, 0.0] - 1.2
    return Sample(X=X, y=(random.random(n) < 1 / (1 + np.exp(-margin))).astype(np.int64))
