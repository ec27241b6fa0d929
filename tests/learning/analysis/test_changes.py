"""Changes of columns between two snapshots, and their mention by the decision."""

import json
import re
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from learning.analysis import Analysis, LabelShare, changes
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


@cache
def analysed(**options) -> Analysis:
    return analyse(flowers(**options), PROBLEM)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"shift": 100.0}, "length (median 100.5, was 0.5"),
        ({"missing": 0.4}, "width (4"),
        ({"scale": 5.0}, "width (interquartile range "),
        ({"colours": 8}, "colour ('"),
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
    assert [sentence.partition(" ")[0] for sentence in sentences] == ["length", "colour", "width"]


@cache
def snapshot(rows=400, seed=0, columns=8, broken=""):
    """Analyse rows of flags, numbers and categories of one distribution, of which one column may be shuffled."""
    random = np.random.default_rng((seed, 3))
    size = random.normal(size=rows)
    cells = {"size": size}
    for place in range(columns - 1):
        numbers = random.normal(size=rows)
        cells[f"x{place}"] = (numbers, (numbers > 0) * 1.0, np.floor(3 * numbers), np.maximum(numbers, 0))[
            place % 4
        ]
    labels = size + random.normal(0, 0.5, rows) > 0
    if broken:
        cells[broken] = random.permutation(cells[broken])
    declared = [Column(name=name, kind=Kind.NUMBER) for name in cells]
    data = np.column_stack(list(cells.values())).tolist()
    return analyse(dataset(PROBLEM, declared, data, [str(label) for label in labels]), PROBLEM)


def test_snapshots_of_one_distribution_have_not_changed():
    analyses = [snapshot(seed=seed) for seed in range(5)]
    named = [changes(before, after) for before, after in pairwise(analyses)]
    assert sum(map(bool, named)) <= 1


def test_a_column_that_no_longer_tells_anything_is_named_although_its_values_are_the_same():
    [sentence] = changes(snapshot(), snapshot(seed=1, broken="size"))
    assert re.fullmatch(r"size \(information about the label 0\.0\d* nats, was 0\.\d+\)", sentence)


def test_changes_of_many_rows_must_be_visible():
    before, after = (snapshot(rows=300, seed=seed, columns=2) for seed in (0, 1))
    share = LabelShare(label="True", share=0.5, count=10_000)
    for moved, named in ((300, False), (1_500, True)):
        balances = [
            (replace(share, count=10_000 + n), replace(share, label="False", count=10_000 - n))
            for n in (0, moved)
        ]
        analyses = [replace(a, balance=b) for a, b in zip((before, after), balances, strict=True)]
        assert bool(changes(*analyses)) == named


def test_rows_of_a_few_groups_prove_little():
    before, after = snapshot(rows=150), snapshot(rows=150, seed=5)
    shifted = [replace(f, missing=0.4) if f.name == "x0" else f for f in after.features]
    after = replace(after, features=tuple(shifted))
    assert changes(before, after) == ["x0 (40% missing, was 0%)"]
    assert changes(replace(before, groups=8), replace(after, groups=8)) == []


def test_texts_are_stored_as_hashes():
    column = Column(name="note", kind=Kind.TEXT)
    before, after = (
        analyse(
            dataset(PROBLEM, [column], [[word(n)] for n in range(300)], [str(n % 2) for n in range(300)]),
            PROBLEM,
        )
        for word in (lambda n: f"note {n % 90}", lambda n: "Jane Roe" if n % 3 else f"note {n}")
    )
    assert changes(before, after)[0].startswith("note (one value in 67%, was ")
    assert "Jane" not in json.dumps(after.as_json())


def test_an_analysis_that_was_stored_without_frequencies_is_compared_by_its_quantiles():
    old = analysed().as_json()
    for feature in old["features"]:
        for added in ("information_error", "counted", "frequent", "grid"):
            del feature[added]
    for added in ("label_grid", "groups"):
        del old[added]
    before = Analysis.from_json(json.loads(json.dumps(old)))
    assert changes(before, analysed()) == []
    [sentence] = changes(before, analysed(shift=100.0))
    assert sentence.startswith("length (median 100.")


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
    assert hold_reason(flowers(noise=9.0), replace(champion, analysis=None)).endswith(
        "if the data are right."
    )
    assert hold_reason(flowers(), champion) is None
