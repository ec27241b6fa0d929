"""Families that tell classes apart."""

from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from .. import preprocess
from .family import Family, between, by_name, made_of
from .trees import BOOSTING, TREES, boosting, draw_boosting, draw_trees

FAMILIES = by_name(
    Family(
        name="linear",
        prepare=preprocess.scaled,
        estimator=made_of(LogisticRegression, max_iter=2_000),
        defaults=({"C": 1.0}, {"C": 0.1}),
        draw=lambda random: {"C": between(random, 0.003, 100)},
    ),
    Family(
        name="boosting",
        prepare=preprocess.ordinal,
        estimator=boosting(HistGradientBoostingClassifier),
        defaults=BOOSTING,
        draw=draw_boosting,
    ),
    Family(
        name="extra_trees",
        prepare=preprocess.plain,
        estimator=made_of(ExtraTreesClassifier),
        defaults=TREES,
        draw=draw_trees,
    ),
    Family(
        name="forest",
        prepare=preprocess.plain,
        estimator=made_of(RandomForestClassifier),
        defaults=TREES,
        draw=draw_trees,
    ),
    Family(
        name="baseline",
        prepare=preprocess.plain,
        estimator=made_of(DummyClassifier, strategy="prior"),
        defaults=({},),
    ),
)
