"""Families that estimate numbers."""

from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge

from .. import preprocess
from .family import Family, between, by_name, made_of
from .trees import BOOSTING, TREES, boosting, draw_boosting, draw_trees

FAMILIES = by_name(
    Family(
        name="linear",
        prepare=preprocess.scaled,
        estimator=made_of(Ridge),
        defaults=({"alpha": 1.0}, {"alpha": 30.0}),
        draw=lambda random: {"alpha": between(random, 0.01, 1_000)},
    ),
    Family(
        name="boosting",
        prepare=preprocess.ordinal,
        estimator=boosting(HistGradientBoostingRegressor),
        defaults=BOOSTING,
        draw=draw_boosting,
    ),
    Family(
        name="extra_trees",
        prepare=preprocess.plain,
        estimator=made_of(ExtraTreesRegressor),
        defaults=TREES,
        draw=draw_trees,
    ),
    Family(
        name="forest",
        prepare=preprocess.plain,
        estimator=made_of(RandomForestRegressor),
        defaults=TREES,
        draw=draw_trees,
    ),
    Family(
        name="baseline",
        prepare=preprocess.plain,
        estimator=lambda hyperparameters, columns, seed: DummyRegressor(),
        defaults=({},),
    ),
)
