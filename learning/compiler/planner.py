"""Drafting a plan: each fitted transformer of a pipeline's preprocessing, as the part of a plan that does the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from ..columns import MISSING, Column, category
from ..estimators import preprocess
from ..inference.exceptions import NotPlanned
from ..inference.numeric import Floats, steps_of
from ..inference.plan import Categories, ColumnPlan, Directions, Numbers
from ..inference.row_reader import Cells, Reader
from ..inference.tfidf import TfidfColumns


def plan(steps: Sequence[Any], reader: Reader) -> ColumnPlan:
    """The pipeline's fitted steps before its estimator. Raises NotPlanned."""
    prepare, *more = [step for each in steps for step in _flat(each)]
    if not isinstance(prepare, ColumnTransformer):
        raise NotPlanned(f"{type(prepare).__name__} is not planned.")
    draft = ColumnPlanner(reader)
    for name, transformer, names in prepare.transformers_:
        if isinstance(transformer, str):  # what is dropped
            continue
        draft.add(transformer, list(names))
        if prepare.output_indices_[name].stop != draft.width + draft.words_width:
            raise NotPlanned(f"{name} is wider than planned.")
    return draft.plan(more)


class ColumnPlanner:
    """The parts so far, each behind the one before."""

    def __init__(self, reader: Reader):
        self.width = 0
        self.words_width = 0
        self._reader = reader
        self._numbers: Numbers | None = None
        self._cells: list[tuple[int, NDArray[np.intp], Floats]] = []
        self._directions: list[Directions] = []
        self._words: list[tuple[int, TfidfColumns]] = []

    def add(self, transformer: Any, names: Sequence[str]) -> None:
        """What it makes of these columns. Raises NotPlanned."""
        if self.words_width and not isinstance(transformer, preprocess.Words):
            raise NotPlanned("TfidfColumns come last.")
        match transformer:
            case OneHotEncoder():
                self._one_hot(transformer, names)
            case OrdinalEncoder():
                self._ordinal(names)
            case preprocess.Effects():
                self._effects(transformer, names)
            case preprocess.Words():
                self._texts(transformer, self._reader.texts.index(names[0]))
            case Pipeline() | SimpleImputer() | FunctionTransformer():
                self._add_numbers(_flat(transformer), names)
            case _:
                raise NotPlanned(f"{type(transformer).__name__} is not planned.")

    def plan(self, more: Sequence[Any]) -> ColumnPlan:
        """The whole, with the steps that come behind the columns' own."""
        empty: NDArray[np.intp] | None = None
        kept: NDArray[np.intp] | None = None
        for step in more:
            match step:
                case preprocess.Filled():
                    empty = np.flatnonzero(step.empty_)
                case SelectorMixin():
                    kept = step.get_support(indices=True)
                case _:
                    raise NotPlanned(f"{type(step).__name__} is not planned.")
        return ColumnPlan(
            width=self.width,
            numbers=self._numbers,
            categories=self._categories(),
            directions=self._directions,
            words=self._words,
            empty=None if empty is None or not len(empty) else empty,
            kept=None if kept is None else kept[kept < self.width],
            kept_words=None if kept is None else kept[kept >= self.width] - self.width,
        )

    def _add_numbers(self, steps: Sequence[Any], names: Sequence[str]) -> None:
        places = [self._reader.numbers.index(name) for name in names]
        picked = None if places == list(range(len(self._reader.numbers))) else np.array(places, dtype=np.intp)
        imputed, others = steps_of(steps)
        self._numbers = Numbers(self.width, picked, imputed, others)
        nothing = np.zeros((1, len(self._reader.numbers)))
        self.width += self._numbers.of(Cells(nothing, None, np.zeros((1, 0), dtype=np.intp), ())).shape[1]

    def _one_hot(self, encoder: OneHotEncoder, names: Sequence[str]) -> None:
        for name, choices in zip(names, encoder.categories_, strict=True):
            source, column = self._category(name)
            if tuple(choices) != column.choices:
                raise NotPlanned(f"{name} was learned with other choices.")
            places = np.append(np.arange(len(choices)), 0)
            self._cells.append((source, self.width + places, np.append(np.ones(len(choices)), 0.0)))
            self.width += len(choices)

    def _ordinal(self, names: Sequence[str]) -> None:
        for name in names:
            _, column = self._category(name)
            self._column(name, np.append(np.arange(len(column.choices), dtype=np.float64), np.nan))

    def _effects(self, effects: preprocess.Effects, names: Sequence[str]) -> None:
        """Asked about each choice, and about none."""
        choices = {name: self._category(name)[1].choices for name in names}
        rows = np.arange(max(map(len, choices.values())) + 1)
        codes = {name: np.where(rows < len(known), rows, MISSING) for name, known in choices.items()}
        table = effects.transform(DataFrame({name: category(choices[name], codes[name]) for name in names}))
        each = table.shape[1] // len(names)
        for place, column in enumerate(table.T):
            name = names[place // each]
            self._column(name, np.append(column[: len(choices[name])], column[-1]))

    def _column(self, name: str, values: Floats) -> None:
        """A number for each choice, in one column."""
        self._cells.append((self._category(name)[0], np.full(len(values), self.width), values))
        self.width += 1

    def _category(self, name: str) -> tuple[int, Column]:
        return next((i, c) for i, c in enumerate(self._reader.categories) if c.name == name)

    def _texts(self, fitted: preprocess.Words, source: int) -> None:
        words = TfidfColumns(fitted)
        if fitted.directions is None:
            self._words.append((source, words))
            self.words_width += words.width
            return
        table = (
            np.eye(words.width) if fitted.svd_ is None else np.ascontiguousarray(fitted.svd_.components_.T)
        )
        self._directions.append(Directions(self.width, source, words, table))
        self.width += table.shape[1]

    def _categories(self) -> Categories | None:
        if not self._cells:
            return None
        sources, places, values = zip(*self._cells, strict=True)
        offsets = np.cumsum([0, *map(len, values)])[:-1]
        return Categories(
            np.array(sources, dtype=np.intp), offsets, np.concatenate(places), np.concatenate(values)
        )


def _flat(step: Any) -> list[Any]:
    return (
        [inner for _, each in step.steps for inner in _flat(each)] if isinstance(step, Pipeline) else [step]
    )
