"""The analysis: statistics that are right, relations that are there, findings that are meant."""

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from learning.analysis import Analysis, FeatureAnalysis, FindingKind, is_identifier, statistics
from learning.analysis.overview import analyse
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.problem import Classification, Clustering, Problem, Regression

from ..conftest import MIXED, mixed_rows


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def analysed(
    cells: dict[str, Sequence[Any]],
    labels: Sequence[Any] | None,
    problem: Problem | None = None,
    kinds: dict[str, Kind] | None = None,
    choices: dict[str, tuple[str, ...]] | None = None,
) -> Analysis:
    """The analysis of these columns, numbers unless another kind is given."""
    problem = problem or Classification()
    columns = [
        Column(name=n, kind=(kinds or {}).get(n, Kind.NUMBER), choices=(choices or {}).get(n, ()))
        for n in cells
    ]
    rows = list(zip(*cells.values(), strict=True))
    return analyse(dataset(problem, columns, rows, None if labels is None else list(labels)), problem)


def feature(analysis: Analysis, name: str) -> FeatureAnalysis:
    return next(feature for feature in analysis.features if feature.name == name)


def kinds_found(analysis: Analysis) -> dict[str, FindingKind]:
    return {found.feature: found.kind for found in analysis.findings}


def halves(n: int) -> list[str]:
    return ["yes" if i % 2 else "no" for i in range(n)]


@pytest.fixture(scope="module")
def mixed() -> Analysis:
    rows, labels = mixed_rows(400)
    return analyse(dataset(Classification(), MIXED, rows, labels, ("False", "True")), Classification())


def test_each_kind_of_column_is_described(mixed: Analysis) -> None:
    rows, _ = mixed_rows(400)
    weights = np.array([float(row[0]) for row in rows if row[0] is not None])
    weight = feature(mixed, "weight")
    assert weight.missing == (400 - len(weights)) / 400
    assert (weight.minimum, weight.maximum) == (weights.min(), weights.max())
    assert weight.distinct == len(set(weights))
    assert weight.quantiles == pytest.approx(np.quantile(weights, statistics.QUANTILES))
    born, colour, note = feature(mixed, "born"), feature(mixed, "colour"), feature(mixed, "note")
    assert born.minimum is not None and 18_262 <= born.minimum < 18_300  # days since 1970: January 2020
    assert (colour.kind, colour.distinct, colour.minimum, colour.quantiles) == (Kind.CATEGORY, 3, None, None)
    assert (note.kind, note.distinct, note.maximum) == (
        Kind.TEXT,
        len({row[10] for row in rows} - {None}),
        None,
    )


def test_columns_that_say_nothing_are_found(mixed: Analysis) -> None:
    nothing = ("empty", "constant", "choiceless", "empty_choice", "empty_note")
    assert mixed.useless == mixed.doubtful == nothing
    assert mixed.sentences("constant") == ["constant is the same in each row."]
    assert mixed.sentences("empty") == ["empty is missing in each row."]


def test_a_value_that_is_sometimes_missing_is_not_constant() -> None:
    found = analysed({"asked": [1.0 if i % 3 else None for i in range(60)]}, halves(60))
    assert found.findings == ()


def test_information_is_greatest_where_the_label_is_told(mixed: Analysis) -> None:
    told = {f.name: f.information for f in mixed.features}
    assert told["note"] == pytest.approx(np.log(2), abs=0.25)
    assert told["weight"] is not None and 0.15 < told["weight"] < 0.6
    assert all(told[name] < 0.06 for name in ("visits", "smokes", "colour", "born", "seen"))  # type: ignore[operator]
    assert all(told[name] == 0 for name in mixed.useless)


def test_the_information_of_a_normal_number_about_another_is_the_formula(random: np.random.Generator) -> None:
    x = random.normal(size=3000)
    y = 0.8 * x + 0.6 * random.normal(size=3000)
    found = analysed(
        {"x": x, "noise": random.normal(size=3000), "outlier": np.where(x > 3, 1e30, x)}, y, Regression()
    )
    expected = -0.5 * np.log(1 - 0.8**2)
    assert feature(found, "x").information == pytest.approx(expected, abs=0.06)
    assert feature(found, "outlier").information == pytest.approx(expected, abs=0.06)
    assert feature(found, "noise").information == pytest.approx(0, abs=0.03)


def test_clustering_knows_no_label_to_inform_about() -> None:
    rows, _ = mixed_rows(60)
    found = analyse(dataset(Clustering(), MIXED, rows, None), Clustering())
    assert all(f.information is None for f in found.features)
    assert (found.balance, found.label_quantiles) == ((), None)


def test_rank_correlation_is_spearmans(random: np.random.Generator) -> None:
    x = random.normal(size=500)
    others = {
        "exp": np.exp(x),
        "noisy": x + random.normal(size=500),
        "down": -(x**3),
        "alone": random.random(500),
    }
    found = analysed({"x": x, **others}, halves(500))
    got = {c.feature: c.rho for c in feature(found, "x").correlated}
    assert list(got) == ["exp", "down", "noisy"]
    assert got["exp"] == pytest.approx(1) and got["down"] == pytest.approx(-1)
    assert got["noisy"] == pytest.approx(spearmanr(x, others["noisy"]).statistic)
    assert feature(found, "alone").correlated == ()


def test_rank_correlation_leaves_gaps_out(random: np.random.Generator) -> None:
    x = random.normal(size=400)
    gappy = [None if i % 4 == 0 else float(value) for i, value in enumerate(x)]
    [other] = feature(analysed({"x": x, "gappy": gappy}, halves(400)), "x").correlated
    assert other.rho > 0.99


def test_the_ten_strongest_correlations_are_kept(random: np.random.Generator) -> None:
    x = random.normal(size=200)
    found = analysed({f"f{i}": x + i / 50 * random.normal(size=200) for i in range(15)}, halves(200))
    rhos = [abs(c.rho) for c in feature(found, "f0").correlated]
    assert len(rhos) == 10 and rhos == sorted(rhos, reverse=True)


@pytest.mark.parametrize(
    ("choices", "kind"),
    [
        (("1", "2", "10"), Kind.ORDINAL),
        (("0.5", "1"), Kind.ORDINAL),
        (("2", "1"), Kind.CATEGORY),
        (("1", "1.0"), Kind.CATEGORY),
        (("1", "many"), Kind.CATEGORY),
        (("1",), Kind.CATEGORY),
        ((), Kind.CATEGORY),
    ],
)
def test_a_category_of_ascending_numbers_is_ordinal(choices: tuple[str, ...], kind: Kind) -> None:
    cells = [choices[i % len(choices)] if choices else None for i in range(40)]
    found = analysed({"x": cells}, halves(40), kinds={"x": Kind.CATEGORY}, choices={"x": choices})
    assert feature(found, "x").kind is kind


def test_balance_and_quantiles_tell_of_the_label() -> None:
    x = list(range(100))
    found = analysed({"x": x}, ["rare"] * 10 + ["usual"] * 90)
    assert [(b.label, b.count, b.share) for b in found.balance] == [("rare", 10, 0.1), ("usual", 90, 0.9)]
    assert found.label_quantiles is None
    found = analysed({"x": x}, list(range(101))[:100], Regression())
    assert found.label_quantiles == pytest.approx(np.quantile(range(100), statistics.QUANTILES))
    assert found.balance == ()


def test_copies_are_found_whatever_stands_in_them() -> None:
    n = 90
    x = [None if i % 5 == 0 else float(i % 11) for i in range(n)]
    colours = ["red" if i % 3 else None for i in range(n)]
    found = analysed(
        {
            "x": x,
            "same": [0.0 if v is None else v for v in x],
            "again": [-0.0 if v == 0 else v for v in x],
            "colour": colours,
            "farbe": colours,
            "text": [f"a b {i % 7}" for i in range(n)],
            "prose": [f"a b {i % 7}" for i in range(n)],
            "nearly": [*x[:-1], 77.0],
        },
        [("a", "b")[i % 4 == 0] for i in range(n)],
        kinds={"colour": Kind.CATEGORY, "farbe": Kind.CATEGORY, "text": Kind.TEXT, "prose": Kind.TEXT},
        choices={"colour": ("red", "blue"), "farbe": ("blue", "red")},
    )
    assert found.useless == ("again", "farbe", "prose")
    assert found.sentences("farbe") == ["farbe equals colour in each row."]


def test_columns_that_differ_in_one_row_of_many_are_no_copies() -> None:
    n = 50_000
    flags = np.zeros((n, 4))
    for column, row in enumerate((31, 31, 20_001, n - 2)):
        flags[row, column] = 1
    found = analysed({f"f{c}": flags[:, c] for c in range(4)}, halves(n), kinds={"f0": Kind.BOOLEAN})
    assert kinds_found(found) == {"f1": FindingKind.DUPLICATE}


@pytest.mark.parametrize(
    ("name", "cells", "kind", "identifies"),
    [
        ("x", range(1000, 1400), Kind.INTEGER, True),
        ("x", range(0, 2800, 7), Kind.INTEGER, True),
        ("customer_id", [i**3 for i in range(400)], Kind.INTEGER, True),
        ("area", [i**3 for i in range(400)], Kind.INTEGER, False),
        ("age", [i % 90 for i in range(400)], Kind.INTEGER, False),
        ("x", [f"A{i:05}" for i in range(400)], Kind.TEXT, True),
        ("x", [f"she said {i} times that it hurt" for i in range(400)], Kind.TEXT, False),
        ("x", [f"A{i}" for i in range(19)] + [None] * 381, Kind.TEXT, False),
        ("x", [i / 7 for i in range(400)], Kind.NUMBER, False),
        ("x", [f"C{i}" for i in range(400)], Kind.CATEGORY, True),
    ],
)
def test_identifiers_are_told_from_measurements(
    name: str, cells: Sequence[Any], kind: Kind, identifies: bool, random: np.random.Generator
) -> None:
    choices = {name: tuple(map(str, cells))} if kind is Kind.CATEGORY else {}
    labels = [("a", "b")[v] for v in random.integers(0, 2, 400)]
    found = analysed({name: cells}, labels, kinds={name: kind}, choices=choices)
    assert (kinds_found(found).get(name) is FindingKind.IDENTIFIER) is identifies


def test_numbers_that_were_drawn_are_no_identifiers_however_many(random: np.random.Generator) -> None:
    for most in (10**3, 10**4, 10**6, 10**9):
        drawn = random.integers(0, most, 300)
        assert not is_identifier("x", 300, len(set(drawn)), low=drawn.min(), high=drawn.max())


def test_a_feature_that_says_the_label_is_suspected(random: np.random.Generator) -> None:
    n = 600
    label = random.integers(0, 2, n)
    codes = random.permutation(np.repeat(np.arange(8), n // 8))
    found = analysed(
        {
            "honest": label + random.normal(size=n),
            "outcome": label * 3.0 + random.normal(size=n) / 10,
            "noise": random.normal(size=n),
            "ward": [f"w{code}" for code in codes],
            "letter": ["he has relapsed" if told else "all is well" for told in label],
        },
        label,
        kinds={"ward": Kind.CATEGORY, "letter": Kind.TEXT},
        choices={"ward": tuple(f"w{i}" for i in range(8))},
    )
    assert kinds_found(found) == dict.fromkeys(("outcome", "letter"), FindingKind.LEAKAGE)
    assert found.sentences("outcome")[0].startswith(
        "outcome nearly decides the label all by itself (ROC AUC 1,"
    )
    assert found.doubtful == ("outcome", "letter") and found.useless == ()


def test_a_category_of_which_every_other_one_means_yes_is_suspected(random: np.random.Generator) -> None:
    codes = random.integers(0, 40, 800)
    cells = {"code": [f"c{c}" for c in codes], "noise": random.normal(size=800)}
    names = {"code": tuple(f"c{i}" for i in range(40))}
    found = analysed(cells, codes % 2, kinds={"code": Kind.CATEGORY}, choices=names)
    assert kinds_found(found) == {"code": FindingKind.LEAKAGE}


@pytest.mark.parametrize("classes", [3, 12])
def test_leakage_is_found_among_several_classes(classes: int, random: np.random.Generator) -> None:
    label = random.integers(0, classes, 900)
    cells = {"told": label * 10 + random.integers(0, 5, 900), "noise": random.normal(size=900)}
    found = analysed(cells, [str(v) for v in label])
    assert kinds_found(found) == {"told": FindingKind.LEAKAGE}
    assert "accuracy" in found.sentences()[0]


def test_leakage_is_found_in_another_unit_of_a_skewed_number(random: np.random.Generator) -> None:
    y = random.lognormal(0, 3, 1500)
    cells = {"inches": y * 39.37, "log": np.log(y), "honest": np.log(y) + random.normal(size=1500)}
    found = analysed(cells, y, Regression())
    assert kinds_found(found) == dict.fromkeys(("inches", "log"), FindingKind.LEAKAGE)


def test_rare_labels_do_not_make_every_feature_suspect(random: np.random.Generator) -> None:
    label = (np.arange(3000) % 200 == 0).astype(int)
    cells = {"noise": random.normal(size=3000), "weak": label + random.normal(size=3000)}
    assert analysed(cells, label).findings == ()


def test_good_honest_features_are_not_suspected(tumors: Dataset, patients: Dataset) -> None:
    for data, problem in ((tumors, Classification()), (patients, Regression())):
        assert analyse(data, problem).findings == ()


def test_where_all_features_are_good_none_is_suspected(random: np.random.Generator) -> None:
    label = random.integers(0, 2, 800)
    cells = {f"f{i}": 2.6 * 1.4 * label + random.normal(size=800) for i in range(3)}
    assert analysed(cells, label).findings == ()


def test_more_categories_than_the_rows_can_teach_are_found() -> None:
    names = tuple(f"c{i}" for i in range(100))
    cells = {"few": names[:5] * 60, "many": names * 3}
    found = analysed(
        cells, halves(300), kinds=dict.fromkeys(cells, Kind.CATEGORY), choices=dict.fromkeys(cells, names)
    )
    assert kinds_found(found) == {"many": FindingKind.MANY_CATEGORIES}
    assert found.doubtful == ()
    assert "100 categories in 300 rows" in found.sentences()[0]


def test_an_analysis_survives_json(mixed: Analysis) -> None:
    assert Analysis.from_json(json.loads(json.dumps(mixed.as_json()))) == mixed


def test_the_same_seed_gives_the_same_analysis() -> None:
    data = _wide(rows=30_000, columns=20)
    assert analyse(data, Classification()) == analyse(data, Classification())


def test_a_single_column_and_the_fewest_rows_can_be_analysed() -> None:
    assert analysed({"x": [1, 2, 3, 4]}, [1.0, 2.0, 3.0, 4.5], Regression(folds=2)).rows == 4
    assert analysed({"x": [1, 2, 3, 4]}, list("abab"), Classification(folds=2)).rows == 4
    names = tuple("abcd")
    found = analysed(
        {"x": names}, [1.0, 2.0, 3.0, 4.5], Regression(folds=2), {"x": Kind.CATEGORY}, {"x": names}
    )
    assert feature(found, "x").information == 0
    assert analysed({"x": [None, 2] * 4}, None, Clustering(folds=2)).rows == 8


def test_distinct_values_are_estimated_where_not_all_rows_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, random: np.random.Generator
) -> None:
    monkeypatch.setattr(statistics, "CELLS", 60_000)
    n = 60_000
    cells = {
        "all": random.permutation(n),
        "some": random.integers(0, 5_000, n),
        "few": random.integers(0, 9, n),
    }
    found = analysed(cells, halves(n), kinds={"all": Kind.INTEGER})
    assert [f.distinct for f in found.features] == [n, pytest.approx(5_000, rel=0.05), 9]
    assert [f.maximum for f in found.features] == [n - 1, 4_999, 8]
    assert kinds_found(found) == {"all": FindingKind.IDENTIFIER}


def test_a_rare_value_is_seen_where_not_all_rows_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CELLS", 500)
    flag = np.zeros(20_000)
    flag[17] = 1
    assert analysed({"flag": flag}, halves(20_000)).findings == ()


def _wide(rows: int, columns: int, classes: int = 2) -> Dataset:
    """Numbers with gaps, whole numbers, categories."""
    random = np.random.default_rng(0)
    choices = tuple(f"c{i}" for i in range(50))
    dtype = pd.CategoricalDtype(pd.Index(choices, dtype=object))
    declared, cells = [], {}
    for place in range(columns):
        name, kind = f"f{place}", (Kind.NUMBER, Kind.INTEGER, Kind.CATEGORY)[place % 3]
        declared.append(Column(name=name, kind=kind, choices=choices if kind is Kind.CATEGORY else ()))
        if kind is Kind.CATEGORY:
            codes = random.integers(-1, 50, rows, dtype=np.int8)
            cells[name] = pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))
        else:
            drawn = random.normal(size=rows) if kind is Kind.NUMBER else random.integers(0, 10**6, rows) * 1.0
            drawn[random.random(rows) < 0.1] = np.nan
            cells[name] = pd.Series(drawn)
    return Dataset(
        columns=tuple(declared),
        X=pd.DataFrame(cells, copy=False),
        y=random.integers(0, classes, rows),
        classes=tuple(map(str, range(classes))),
        fingerprint="",
    )


@pytest.mark.parametrize(("rows", "columns", "classes"), [(400_000, 30, 2), (4_000, 300, 100)])
def test_the_time_is_bounded_in_rows_columns_and_classes(rows: int, columns: int, classes: int) -> None:
    data = _wide(rows, columns, classes)
    start = time.process_time()
    analyse(data, Classification())
    assert time.process_time() - start < 20
