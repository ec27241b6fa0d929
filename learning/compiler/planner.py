"""Planner: converts each fitted transformer of a pipeline's preprocessing to the equal part of a column plan."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from ..columns import Column
from ..encoding import MISSING, category
from ..estimators import preprocess
from ..inference.exceptions import NotCompilable
from ..inference.numeric import Floats
from ..inference.plan import CategoryBlock, ColumnPlan, NumberBlock, SetBlock, TextBlock
from ..inference.row_reader import Cells, RowReader
from ..inference.tfidf import TfidfEncoder
from .numeric_steps import build_steps

#: A level that no open category has: PostgreSQL stores no such text.
UNSEEN = "\0"


def build_plan(steps: Sequence[BaseEstimator], reader: RowReader) -> ColumnPlan:
    """Convert the pipeline's fitted steps before its estimator. Raises NotCompilable."""
    prepare, *later = [step for each in steps for step in _flatten(each)]
    if not isinstance(prepare, ColumnTransformer):
        raise NotCompilable(f"{type(prepare).__name__} has no compiled counterpart.")
    planner = ColumnPlanner(reader)
    for name, transformer, columns in prepare.transformers_:
        if isinstance(transformer, str):  # dropped columns
            continue
        planner.add(transformer, list(columns))
        if prepare.output_indices_[name].stop != planner.width + planner.words_width:
            raise NotCompilable(f"{name} has another width than its compiled counterpart.")
    return planner.build(later)


class ColumnPlanner:
    """Collects the blocks of a column plan, each to the right of the one before."""

    def __init__(self, reader: RowReader):
        self.width = 0
        self.words_width = 0
        self._reader = reader
        self._numbers: NumberBlock | None = None
        #: Per category and array column: the category's index, the columns written by code, and the numbers.
        self._categories: list[tuple[int, NDArray[np.intp], Floats]] = []
        self._texts: list[TextBlock | SetBlock] = []
        self._words: list[tuple[int, TfidfEncoder]] = []

    def add(self, transformer: BaseEstimator, names: Sequence[str]) -> None:
        """Add a block for the transformer of these columns. Raises NotCompilable."""
        if self.words_width and not isinstance(transformer, preprocess.Words):
            raise NotCompilable("Columns to the right of sparse words have no compiled counterpart.")
        match transformer:
            case OneHotEncoder():
                self._add_one_hot(transformer, names)
            case OrdinalEncoder():
                self._add_ordinal(names)
            case preprocess.CategoryEffects():
                self._add_effects(transformer, names)
            case preprocess.Words():
                self._add_texts(transformer, self._reader.texts.index(names[0]))
            case preprocess.Members():
                self._add_set(transformer, self._reader.texts.index(names[0]))
            case Pipeline(steps=[(_, preprocess.LevelEffects()), *_]):
                self._add_levels(transformer, names)
            case Pipeline() | SimpleImputer() | FunctionTransformer():
                self._add_numbers(_flatten(transformer), names)
            case _:
                raise NotCompilable(f"{type(transformer).__name__} has no compiled counterpart.")

    def build(self, later: Sequence[BaseEstimator]) -> ColumnPlan:
        """Build the plan; `later` are the fitted steps after the columns' own transformers."""
        zeroed: NDArray[np.intp] | None = None
        selected: NDArray[np.intp] | None = None
        for step in later:
            match step:
                case preprocess.EmptyColumnFiller():
                    zeroed = np.flatnonzero(step.empty_)
                case SelectorMixin():
                    selected = step.get_support(indices=True)
                case _:
                    raise NotCompilable(f"{type(step).__name__} has no compiled counterpart.")
        return ColumnPlan(
            width=self.width,
            numbers=self._numbers,
            categories=self._build_categories(),
            texts=self._texts,
            words=self._words,
            zeroed=None if zeroed is None or not len(zeroed) else zeroed,
            selected=None if selected is None else selected[selected < self.width],
            selected_words=None if selected is None else selected[selected >= self.width] - self.width,
        )

    def _add_numbers(self, steps: Sequence[BaseEstimator], names: Sequence[str]) -> None:
        indices = [self._reader.numbers.index(name) for name in names]
        every = indices == list(range(len(self._reader.numbers)))
        imputation, others = build_steps(steps)
        self._numbers = NumberBlock(
            self.width, None if every else np.array(indices, dtype=np.intp), imputation, others
        )
        zeros = np.zeros((1, len(self._reader.numbers)))
        self.width += self._numbers.encode(Cells(zeros, None, np.zeros((1, 0), dtype=np.intp), ())).shape[1]

    def _add_one_hot(self, encoder: OneHotEncoder, names: Sequence[str]) -> None:
        for name, choices in zip(names, encoder.categories_, strict=True):
            source, column = self._category(name)
            if tuple(choices) != column.choices:
                raise NotCompilable(f"{name} was fitted with other choices.")
            columns = self.width + np.append(np.arange(len(choices)), 0)
            self._categories.append((source, columns, np.append(np.ones(len(choices)), 0.0)))
            self.width += len(choices)

    def _add_ordinal(self, names: Sequence[str]) -> None:
        for name in names:
            _, column = self._category(name)
            self._add_column(name, np.append(np.arange(len(column.choices), dtype=np.float64), np.nan))

    def _add_effects(self, effects: preprocess.CategoryEffects, names: Sequence[str]) -> None:
        """Tabulate the encoder's output for each choice and for a missing value."""
        choices = {name: self._category(name)[1].choices for name in names}
        rows = np.arange(max(map(len, choices.values())) + 1)
        codes = {name: np.where(rows < len(values), rows, MISSING) for name, values in choices.items()}
        table = effects.transform(DataFrame({name: category(choices[name], codes[name]) for name in names}))
        columns_per_name = table.shape[1] // len(names)
        for index, column in enumerate(table.T):
            name = names[index // columns_per_name]
            self._add_column(name, np.append(column[: len(choices[name])], column[-1]))

    def _add_levels(self, transformer: Pipeline, names: Sequence[str]) -> None:
        """Tabulate the output for each level of the open categories, for a missing value, and for any other level."""
        levels = {name: [*self._category(name)[1].choices, UNSEEN] for name in names}
        rows = np.arange(max(map(len, levels.values())) + 1)
        tables = {}
        for name, values in levels.items():
            # The codes of serving: the missing value stands before any other level.
            codes = np.append(rows[: len(values) - 1], [MISSING, len(values) - 1])
            tables[name] = category(values, codes[np.minimum(rows, len(values))])
        columns = transformer.transform(DataFrame(tables)).T
        widths = [table.shape[1] for table in transformer[0].tables_]
        for name, column in zip(np.repeat(names, widths), columns, strict=True):
            self._add_column(str(name), np.ascontiguousarray(column[: len(levels[name]) + 1]))

    def _add_column(self, name: str, values: Floats) -> None:
        """Add one array column with a number per choice of a category; the last is for any other value."""
        self._categories.append((self._category(name)[0], np.full(len(values), self.width), values))
        self.width += 1

    def _category(self, name: str) -> tuple[int, Column]:
        return next((i, c) for i, c in enumerate(self._reader.categories) if c.name == name)

    def _add_texts(self, fitted: preprocess.Words, source: int) -> None:
        encoder = TfidfEncoder(fitted)
        if fitted.directions is None:
            self._words.append((source, encoder))
            self.words_width += encoder.width
            return
        svd = fitted.svd_
        projection = np.eye(encoder.width) if svd is None else np.ascontiguousarray(svd.components_.T)
        self._texts.append(TextBlock(self.width, source, encoder, projection))
        self.width += projection.shape[1]

    def _add_set(self, fitted: preprocess.Members, source: int) -> None:
        self._texts.append(SetBlock(self.width, source, fitted.places_, fitted.width))
        self.width += fitted.width

    def _build_categories(self) -> CategoryBlock | None:
        if not self._categories:
            return None
        sources, columns, values = zip(*self._categories, strict=True)
        offsets = np.cumsum([0, *map(len, values)])[:-1]
        return CategoryBlock(
            np.array(sources, dtype=np.intp), offsets, np.concatenate(columns), np.concatenate(values)
        )


def _flatten(step: BaseEstimator) -> list[BaseEstimator]:
    if isinstance(step, Pipeline):
        return [inner for _, each in step.steps for inner in _flatten(each)]
    return [step]
