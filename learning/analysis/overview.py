"""All that is found out of a dataset's features, put together."""

from ..dataset import Dataset
from ..problem import Problem
from . import findings, relations, statistics
from .report import Analysis, FeatureAnalysis


def analyse(dataset: Dataset, problem: Problem) -> Analysis:
    """Look at every feature of the dataset, at its label and at how they hang together.

    Missing shares and ranges are exact. Quantiles and distinct values come from at most `statistics.CELLS` cells
    drawn by the problem's seed; relations between columns from at most `relations.ROWS` rows and
    `relations.CELLS` cells: 300 columns of 1,000,000 rows take seconds, and the same dataset and seed give the
    same analysis.
    """
    seed = problem.seed
    drawn = statistics.sample(len(dataset), len(dataset.columns), seed)
    looks = [statistics.Look(column, dataset.X[column.name], drawn) for column in dataset.columns]
    correlated = relations.correlations(looks, seed)
    information = relations.information(looks, dataset, seed)
    return Analysis(
        rows=len(dataset),
        features=tuple(
            FeatureAnalysis(
                name=look.name,
                kind=look.kind,
                missing=look.missing,
                distinct=look.distinct,
                minimum=look.minimum,
                maximum=look.maximum,
                quantiles=look.quantiles,
                information=information.get(look.name),
                correlated=correlated.get(look.name, ()),
            )
            for look in looks
        ),
        findings=tuple(findings.find_findings(looks, relations.scores(looks, dataset, seed))),
        balance=statistics.balance(dataset),
        label_quantiles=statistics.label_quantiles(dataset),
    )
