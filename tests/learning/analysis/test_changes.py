"""Changes of columns between two snapshots, and their mention by the decision."""

from dataclasses import replace

import numpy as np
import pytest

from learning.analysis import Analysis, changes
from learning.analysis.overview import analyse
from learning.build import Decided, Fitted, Incumbent, build
from learning.columns import Column, Kind
from learning.dataset import dataset
from learning.problem import Classification, Regression

COLUMNS = [
    Column(name="length", kind=Kind.NUMBER, nullable=True),
    Column(name="width", kind=Kind.NUMBER, nullable=True),
    Column(name="colour", kind=Kind.CATEGORY, choices=tuple("abcdefgh")),
]
PROBLEM = Classification(families=("linear",), candidates=1, folds=3)


def flowers(shift=0.0, missing=0.0, colours=2, share=0.5, noise=0.5, scale=1.0):
    random = np.random.default_rng(0)
    labels = random.random(600) < share
    length = labels + random.normal(0, noise, 600) + shift
    width = [None if random.random() < missing else scale * each for each in random.normal(size=600)]
    colour = random.choice(list("abcdefgh")[:colours], 600)
    rows = list(zip(length.tolist(), width, colour.tolist(), strict=True))
    return dataset(PROBLEM, COLUMNS, rows, [str(label) for label in labels])


def analysed(**options) -> Analysis:
    return analyse(flowers(**options), PROBLEM)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"shift": 100.0}, "length (median 100.5, was 0.5"),
        ({"missing": 0.4}, "width (4"),
        ({"scale": 5.0}, "width (interquartile range "),
        ({"colours": 8}, "colour (8 different values, was 2)"),
        ({"share": 0.9}, "the label "),
    ],
)
def test_only_the_changed_column_is_named(options, expected):
    (sentence,) = [
        s for s in changes(analysed(), analysed(**options)) if "length" not in s or "shift" in options
    ]
    assert sentence.startswith(expected[:12]) and expected.split("(")[0] in sentence


def test_the_same_rows_have_not_changed():
    assert changes(analysed(), analysed()) == []


def test_the_largest_change_comes_first():
    sentences = changes(analysed(), analysed(shift=100.0, missing=0.4, colours=8))
    assert [sentence.partition(" ")[0] for sentence in sentences] == ["length", "width", "colour"]


def test_a_shifted_label_is_named():
    problem = Regression(folds=3)
    rows = [(float(n), 1.0, "a") for n in range(100)]
    before, after = (
        analyse(dataset(problem, COLUMNS, rows, [n * scale for n in range(100)]), problem)
        for scale in (1.0, 9.0)
    )
    assert changes(before, after)[0].startswith("the label (median 445.5, was 49.5)")


@pytest.mark.engine
def test_the_reason_to_hold_a_model_names_the_changed_columns():
    (first,) = [step for step in build(PROBLEM, flowers()) if isinstance(step, Fitted)]
    champion = Incumbent(
        family=first.candidate.family,
        hyperparameters=first.candidate.hyperparameters,
        metric=first.metric,
        score=first.score,
        fingerprint="of other rows",
        analysis=analysed(),
    )

    def hold_reason(data, champion):
        return next(step.hold_reason for step in build(PROBLEM, data, champion) if isinstance(step, Decided))

    assert "Changes since then: length (median" in hold_reason(flowers(shift=100.0, noise=9.0), champion)
    assert hold_reason(flowers(noise=9.0), replace(champion, analysis=None)).endswith(").")
    assert hold_reason(flowers(), champion) is None
