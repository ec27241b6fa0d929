"""Analysis of features: statistics, relations and findings."""

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
from learning.analysis.report import QUANTILES
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.kinds import write_set
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
    """Analyse these columns, which are numbers unless `kinds` says otherwise."""
    problem = problem or Classification()
    columns = [
        Column(name=n, kind=(kinds or {}).get(n, Kind.NUMBER), choices=(choices or {}).get(n, ()))
        for n in cells
    ]
    rows = list(zip(*cells.values(), strict=True))
    return analyse(dataset(problem, columns, rows, None if labels is None else list(labels)), problem)


def feature(analysis: Analysis, name: str) -> FeatureAnalysis:
    return next(feature for feature in analysis.features if feature.name == name)


def finding_kinds(analysis: Analysis) -> dict[str, FindingKind]:
    return {finding.feature: finding.kind for finding in analysis.findings}


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
    assert weight.quantiles == pytest.approx(np.quantile(weights, QUANTILES))
    born, colour, note = feature(mixed, "born"), feature(mixed, "colour"), feature(mixed, "note")
    assert born.minimum is not None and 18_262 <= born.minimum < 18_300  # days since 1970: January 2020
    assert (colour.kind, colour.distinct, colour.minimum, colour.quantiles) == (Kind.CATEGORY, 3, None, None)
    assert (note.kind, note.distinct, note.maximum) == (
        Kind.TEXT,
        len({row[10] for row in rows} - {None}),
        None,
    )


def test_columns_without_information_are_detected(mixed: Analysis) -> None:
    nothing = ("empty", "constant", "choiceless", "empty_choice", "empty_note")
    assert mixed.useless == mixed.doubtful == nothing
    assert mixed.sentences("constant") == ["constant is the same in each row."]
    assert mixed.sentences("empty") == ["empty is missing in each row."]


def test_a_value_that_is_sometimes_missing_is_not_constant() -> None:
    analysis = analysed({"asked": [1.0 if i % 3 else None for i in range(60)]}, halves(60))
    assert analysis.findings == ()


def test_informative_columns_have_the_most_information(mixed: Analysis) -> None:
    information = {f.name: f.information for f in mixed.features}
    assert information["note"] == pytest.approx(np.log(2), abs=0.25)
    assert information["weight"] is not None and 0.15 < information["weight"] < 0.6
    assert all(information[name] < 0.06 for name in ("visits", "smokes", "colour", "born", "seen"))  # type: ignore[operator]
    assert all(information[name] == 0 for name in mixed.useless)


def test_the_information_between_normal_numbers_equals_the_formula(random: np.random.Generator) -> None:
    x = random.normal(size=3000)
    y = 0.8 * x + 0.6 * random.normal(size=3000)
    analysis = analysed(
        {"x": x, "noise": random.normal(size=3000), "outlier": np.where(x > 3, 1e30, x)}, y, Regression()
    )
    expected = -0.5 * np.log(1 - 0.8**2)
    assert feature(analysis, "x").information == pytest.approx(expected, abs=0.06)
    assert feature(analysis, "outlier").information == pytest.approx(expected, abs=0.06)
    assert feature(analysis, "noise").information == pytest.approx(0, abs=0.03)


def test_clusterings_have_no_information_about_a_label() -> None:
    rows, _ = mixed_rows(60)
    analysis = analyse(dataset(Clustering(), MIXED, rows, None), Clustering())
    assert all(f.information is None for f in analysis.features)
    assert (analysis.balance, analysis.label_quantiles) == ((), None)


def test_rank_correlation_is_spearmans(random: np.random.Generator) -> None:
    x = random.normal(size=500)
    others = {
        "exp": np.exp(x),
        "noisy": x + random.normal(size=500),
        "down": -(x**3),
        "alone": random.random(500),
    }
    analysis = analysed({"x": x, **others}, halves(500))
    rho = {c.feature: c.rho for c in feature(analysis, "x").correlated}
    assert list(rho) == ["exp", "down", "noisy"]
    assert rho["exp"] == pytest.approx(1) and rho["down"] == pytest.approx(-1)
    assert rho["noisy"] == pytest.approx(spearmanr(x, others["noisy"]).statistic)
    assert feature(analysis, "alone").correlated == ()


def test_rank_correlation_leaves_missing_values_out(random: np.random.Generator) -> None:
    x = random.normal(size=400)
    gappy = [None if i % 4 == 0 else float(value) for i, value in enumerate(x)]
    [other] = feature(analysed({"x": x, "gappy": gappy}, halves(400)), "x").correlated
    assert other.rho > 0.99


def test_the_ten_strongest_correlations_are_reported(random: np.random.Generator) -> None:
    x = random.normal(size=200)
    analysis = analysed({f"f{i}": x + i / 50 * random.normal(size=200) for i in range(15)}, halves(200))
    rhos = [abs(c.rho) for c in feature(analysis, "f0").correlated]
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
    analysis = analysed({"x": cells}, halves(40), kinds={"x": Kind.CATEGORY}, choices={"x": choices})
    assert feature(analysis, "x").kind is kind


def test_balance_and_quantiles_describe_the_label() -> None:
    x = list(range(100))
    analysis = analysed({"x": x}, ["rare"] * 10 + ["usual"] * 90)
    assert [(b.label, b.count, b.share) for b in analysis.balance] == [("rare", 10, 0.1), ("usual", 90, 0.9)]
    assert analysis.label_quantiles is None
    analysis = analysed({"x": x}, list(range(101))[:100], Regression())
    assert analysis.label_quantiles == pytest.approx(np.quantile(range(100), QUANTILES))
    assert analysis.balance == ()


def test_copies_of_every_kind_are_detected() -> None:
    n = 90
    x = [None if i % 5 == 0 else float(i % 11) for i in range(n)]
    colours = ["red" if i % 3 else None for i in range(n)]
    analysis = analysed(
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
    assert analysis.useless == ("again", "farbe", "prose")
    assert analysis.sentences("farbe") == ["farbe equals colour in each row."]


def test_columns_that_differ_in_a_single_row_are_no_copies() -> None:
    n = 50_000
    flags = np.zeros((n, 4))
    for column, row in enumerate((31, 31, 20_001, n - 2)):
        flags[row, column] = 1
    analysis = analysed({f"f{c}": flags[:, c] for c in range(4)}, halves(n), kinds={"f0": Kind.BOOLEAN})
    assert finding_kinds(analysis) == {"f1": FindingKind.DUPLICATE}


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
        ("x", ["A7", *(f"A{i}" for i in range(399))], Kind.TEXT, True),
        ("x", [*range(1000, 1399), 1007], Kind.INTEGER, True),
        ("x", [f"A{i % 380}" for i in range(400)], Kind.TEXT, False),
        ("age", [*range(20, 80), *[None] * 340], Kind.INTEGER, False),
        ("x", [*range(1000, 1200), *[None] * 200], Kind.INTEGER, True),
    ],
)
def test_identifiers_are_distinguished_from_measurements(
    name: str, cells: Sequence[Any], kind: Kind, identifies: bool, random: np.random.Generator
) -> None:
    choices = {name: tuple(map(str, cells))} if kind is Kind.CATEGORY else {}
    labels = [("a", "b")[v] for v in random.integers(0, 2, 400)]
    analysis = analysed({name: cells}, labels, kinds={name: kind}, choices=choices)
    assert (finding_kinds(analysis).get(name) is FindingKind.IDENTIFIER) is identifies


def test_sets_that_are_all_different_are_related_by_their_members_and_no_identifiers(
    random: np.random.Generator,
) -> None:
    labels = [("a", "b")[v] for v in random.integers(0, 2, 400)]
    cells = [
        write_set({f"row {n}", "+" if label == "a" and n % 5 else "-"}) for n, label in enumerate(labels)
    ]
    analysis = analysed({"tags": cells}, labels, kinds={"tags": Kind.TEXT_SET})
    assert "tags" not in finding_kinds(analysis)
    [feature] = analysis.features
    assert feature.information is not None and feature.information > 0.3


def test_random_numbers_are_no_identifiers(random: np.random.Generator) -> None:
    for most in (10**3, 10**4, 10**6, 10**9):
        drawn = random.integers(0, most, 300)
        assert not is_identifier("x", 300, len(set(drawn)), low=drawn.min(), high=drawn.max())


def test_a_feature_that_contains_the_label_is_a_leak(random: np.random.Generator) -> None:
    n = 600
    label = random.integers(0, 2, n)
    codes = random.permutation(np.repeat(np.arange(8), n // 8))
    analysis = analysed(
        {
            "honest": label + random.normal(size=n),
            "outcome": label * 3.0 + random.normal(size=n) / 10,
            "noise": random.normal(size=n),
            "ward": [f"w{code}" for code in codes],
            "letter": ["he has relapsed" if code else "all is well" for code in label],
        },
        label,
        kinds={"ward": Kind.CATEGORY, "letter": Kind.TEXT},
        choices={"ward": tuple(f"w{i}" for i in range(8))},
    )
    assert finding_kinds(analysis) == dict.fromkeys(("outcome", "letter"), FindingKind.LEAKAGE)
    assert analysis.sentences("outcome")[0].startswith(
        "outcome nearly decides the label all by itself (ROC AUC 1,"
    )
    assert analysis.doubtful == ("outcome", "letter") and analysis.useless == ()


def test_a_category_that_determines_the_label_is_a_leak(random: np.random.Generator) -> None:
    codes = random.integers(0, 40, 800)
    cells = {"code": [f"c{c}" for c in codes], "noise": random.normal(size=800)}
    names = {"code": tuple(f"c{i}" for i in range(40))}
    analysis = analysed(cells, codes % 2, kinds={"code": Kind.CATEGORY}, choices=names)
    assert finding_kinds(analysis) == {"code": FindingKind.LEAKAGE}


@pytest.mark.parametrize("classes", [3, 12])
def test_leakage_is_detected_with_several_classes(classes: int, random: np.random.Generator) -> None:
    label = random.integers(0, classes, 900)
    cells = {"leak": label * 10 + random.integers(0, 5, 900), "noise": random.normal(size=900)}
    analysis = analysed(cells, [str(v) for v in label])
    assert finding_kinds(analysis) == {"leak": FindingKind.LEAKAGE}
    assert "accuracy" in analysis.sentences()[0]


def test_leakage_is_detected_in_other_units_of_a_skewed_number(random: np.random.Generator) -> None:
    y = random.lognormal(0, 3, 1500)
    cells = {"inches": y * 39.37, "log": np.log(y), "honest": np.log(y) + random.normal(size=1500)}
    analysis = analysed(cells, y, Regression())
    assert finding_kinds(analysis) == dict.fromkeys(("inches", "log"), FindingKind.LEAKAGE)


def test_rare_labels_do_not_make_features_suspicious(random: np.random.Generator) -> None:
    label = (np.arange(3000) % 200 == 0).astype(int)
    cells = {"noise": random.normal(size=3000), "weak": label + random.normal(size=3000)}
    assert analysed(cells, label).findings == ()


def test_strong_features_of_real_data_are_no_leaks(tumors: Dataset, patients: Dataset) -> None:
    for data, problem in ((tumors, Classification()), (patients, Regression())):
        assert analyse(data, problem).findings == ()


def test_equally_strong_features_are_no_leaks(random: np.random.Generator) -> None:
    label = random.integers(0, 2, 800)
    cells = {f"f{i}": 2.6 * 1.4 * label + random.normal(size=800) for i in range(3)}
    assert analysed(cells, label).findings == ()


def test_too_many_categories_are_detected() -> None:
    names = tuple(f"c{i}" for i in range(100))
    cells = {"few": names[:5] * 60, "many": names * 3}
    analysis = analysed(
        cells, halves(300), kinds=dict.fromkeys(cells, Kind.CATEGORY), choices=dict.fromkeys(cells, names)
    )
    assert finding_kinds(analysis) == {"many": FindingKind.MANY_CATEGORIES}
    assert analysis.doubtful == ()
    assert "100 categories in 300 rows" in analysis.sentences()[0]


def test_an_analysis_survives_json(mixed: Analysis) -> None:
    assert Analysis.from_json(json.loads(json.dumps(mixed.as_json()))) == mixed


def test_the_same_seed_gives_the_same_analysis() -> None:
    data = _wide(rows=25_000, columns=4)
    assert analyse(data, Classification()) == analyse(data, Classification())


def test_a_single_column_and_the_fewest_rows_can_be_analysed() -> None:
    assert analysed({"x": [1, 2, 3, 4]}, [1.0, 2.0, 3.0, 4.5], Regression(folds=2)).rows == 4
    assert analysed({"x": [1, 2, 3, 4]}, list("abab"), Classification(folds=2)).rows == 4
    names = tuple("abcd")
    analysis = analysed(
        {"x": names}, [1.0, 2.0, 3.0, 4.5], Regression(folds=2), {"x": Kind.CATEGORY}, {"x": names}
    )
    assert feature(analysis, "x").information == 0
    assert analysed({"x": [None, 2] * 4}, None, Clustering(folds=2)).rows == 8


def test_distinct_values_are_estimated_from_a_sample(
    monkeypatch: pytest.MonkeyPatch, random: np.random.Generator
) -> None:
    monkeypatch.setattr(statistics, "CELLS", 60_000)
    n = 60_000
    cells = {
        "all": random.permutation(n),
        "some": random.integers(0, 5_000, n),
        "few": random.integers(0, 9, n),
    }
    analysis = analysed(cells, halves(n), kinds={"all": Kind.INTEGER})
    assert [f.distinct for f in analysis.features] == [n, pytest.approx(5_000, rel=0.05), 9]
    assert [f.maximum for f in analysis.features] == [n - 1, 4_999, 8]
    assert finding_kinds(analysis) == {"all": FindingKind.IDENTIFIER}


def test_a_rare_value_outside_the_sample_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CELLS", 500)
    flag = np.zeros(20_000)
    flag[17] = 1
    assert analysed({"flag": flag}, halves(20_000)).findings == ()


def _wide(rows: int, columns: int, classes: int = 2) -> Dataset:
    """Generate numbers with missing values, integers and categories."""
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


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns", "classes"), [(200_000, 30, 2), (4_000, 150, 100)])
def test_the_time_is_bounded_in_rows_columns_and_classes(rows: int, columns: int, classes: int) -> None:
    data = _wide(rows, columns, classes)
    start = time.process_time()
    analyse(data, Classification())
    assert time.process_time() - start < 10
