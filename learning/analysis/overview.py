"""Overview: computes the whole analysis of a dataset."""

import numpy as np

from ..dataset import Dataset
from ..problem import Problem
from . import findings, relations, statistics
from .information import Information
from .report import GRID, Analysis, Correlation, FeatureAnalysis
from .statistics import ColumnStatistics


def analyse(dataset: Dataset, problem: Problem) -> Analysis:
    """Analyse each feature of the dataset, its label, and their relations.

    Missing shares and ranges are exact. Quantiles and distinct values come from at most `statistics.CELLS` sampled
    cells; relations between columns from at most `relations.ROWS` rows and `relations.CELLS` cells: 300 columns of
    1,000,000 rows take seconds. The same dataset and seed give the same analysis.

    Rows that are known to repeat others count once in relations with the label: a row is no evidence of its copy.
    """
    seed = problem.seed
    columns = column_statistics(dataset, seed)
    correlations = relations.correlations(columns, seed)
    once = dataset if dataset.repeated is None else dataset.take(dataset.distinct_rows())
    related = columns if once is dataset else column_statistics(once, seed)
    information = relations.information(related, once, seed)
    return Analysis(
        rows=len(dataset),
        features=tuple(
            _analyse_feature(column, information.get(column.name), correlations.get(column.name, ()))
            for column in columns
        ),
        findings=tuple(
            findings.find_findings(
                columns, relations.scores(related, once, seed), correlations, once, seed, related
            )
        ),
        balance=statistics.label_balance(dataset),
        label_quantiles=statistics.label_quantiles(dataset),
        label_grid=statistics.label_quantiles(dataset, GRID),
        groups=_count_groups(dataset),
    )


def _analyse_feature(
    column: ColumnStatistics, information: Information | None, correlated: tuple[Correlation, ...]
) -> FeatureAnalysis:
    return FeatureAnalysis(
        name=column.name,
        kind=column.kind,
        missing=column.missing,
        distinct=column.distinct,
        minimum=column.minimum,
        maximum=column.maximum,
        quantiles=column.quantiles,
        information=information.nats if information else None,
        information_error=information.error if information else None,
        correlated=correlated,
        counted=len(column.present),
        frequent=column.frequent,
        grid=column.grid,
    )


def _count_groups(dataset: Dataset) -> int | None:
    """Count the groups of rows that are not independent, which equal rows are, too; None if there are none."""
    groups = dataset.rows_together()
    return None if groups is None else len(np.unique(groups))


def column_statistics(dataset: Dataset, seed: int) -> list[ColumnStatistics]:
    """Prepare the statistics of each column; each is computed when it is first used."""
    rows = statistics.sample(len(dataset), len(dataset.columns), seed)
    return [ColumnStatistics(column, dataset.X[column.name], rows) for column in dataset.columns]
