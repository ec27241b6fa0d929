"""SVG of charts, which any page may embed, and the shapes of their data."""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from learning.dataset import dataset
from learning.diagnostics import (
    Bars,
    Curve,
    Curves,
    DiagnosticKind,
    Matrix,
    Points,
    data_from_json,
    figures,
    kinds,
    shape,
)
from learning.estimators.families import Candidate
from learning.exceptions import NotFinite
from learning.problem import Classification

from ..conftest import numbers
from .pictures import Winner, winner

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
WINNERS = ["tumor_winner", "wine_winner", "patient_winner", "cluster_winner", "twelve_classes"]

# Drawing takes seconds.
pytestmark = pytest.mark.engine


@pytest.fixture(scope="session")
def twelve_classes() -> Winner:
    """Return a winner whose names are long and similar, and contain markup of XML and matplotlib."""
    random = np.random.default_rng(0)
    names = [f"a kind of <thing> & $number${code} whose name goes on and on" for code in range(12)]
    y = np.repeat(np.arange(12), 15)
    X = random.normal(size=(len(y), 35)) + 0.3 * y[:, None]
    columns = numbers([f"the length in millimetres of part number {place}" for place in range(35)])
    problem = Classification(folds=3)
    return winner(
        problem,
        dataset(problem, columns, X.tolist(), [names[code] for code in y], names),
        Candidate("naive_bayes", {"var_smoothing": 1e-3}),
    )


def pictures(case: Winner) -> list[str]:
    return [case[kind].svg for kind in kinds(case.context.problem_type, len(case.context.dataset.classes))]


@pytest.mark.parametrize("case", WINNERS)
def test_a_chart_is_a_small_svg_without_a_size(case, request):
    for svg in pictures(request.getfixturevalue(case)):
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert len(root.attrib["viewBox"].split()) == 4
        assert not {"width", "height"} & set(root.attrib)
        assert root.attrib["aria-label"]
        assert len(svg.encode()) < figures.MOST_BYTES


@pytest.mark.parametrize("case", WINNERS)
def test_a_chart_has_no_scripts_styles_or_external_references(case, request):
    for svg in pictures(request.getfixturevalue(case)):
        elements = list(ElementTree.fromstring(svg).iter())
        names = {element.tag.removeprefix(SVG) for element in elements}
        assert names <= {"svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect", "pattern"}
        for element in elements:
            assert not [name for name in element.attrib if name.startswith("on") or name == "style"]
            assert element.attrib.get(LINK, "#").startswith("#")
        assert not re.search(r"url\((?!#)", svg)
        assert "<!DOCTYPE" not in svg


@pytest.mark.parametrize("case", WINNERS)
def test_references_in_a_chart_are_resolved_in_it(case, request):
    for svg in pictures(request.getfixturevalue(case)):
        references = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
        assert set(references) == set(re.findall(r'<(?!g)[^>]* id="([^"]+)"', svg))


def test_the_same_winner_has_the_same_charts(wine_winner):
    again = {each.kind: each for each in wine_winner.draw()}
    for kind in kinds(Classification, 3):
        assert again[kind].svg == wine_winner[kind].svg
        assert again[kind].data == wine_winner[kind].data


def texts_in(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_long_names_are_shortened_and_stay_distinct(twelve_classes):
    names = {
        word for word in texts_in(twelve_classes[DiagnosticKind.CONFUSION_MATRIX].svg) if not word.isdecimal()
    }
    assert len(names - {"actual", "predicted"}) == 12
    assert max(map(len, names)) <= figures.LONGEST
    assert figures.shorten(["short", "shorter"]) == ["short", "shorter"]


def test_the_strongest_correlations_of_many_features_are_shown(twelve_classes):
    ranks = twelve_classes[DiagnosticKind.RANK2D]
    assert len(ranks.data.rows) == 30
    assert "Of 35 numbers, the 30 with the strongest correlations are shown." in ranks.text
    assert len(twelve_classes[DiagnosticKind.FEATURE_IMPORTANCES].data.names) == 35


def test_names_that_look_like_markup_are_escaped(twelve_classes):
    texts = texts_in(twelve_classes[DiagnosticKind.CLASSIFICATION_REPORT].svg)
    assert set(figures.shorten(twelve_classes.context.dataset.classes)) <= set(texts)
    plain = winner(
        Classification(folds=3),
        dataset(
            Classification(folds=3),
            numbers("ab"),
            [[n % 2, n % 3] for n in range(60)],
            ["<a> & $b$", "<c>"] * 30,
        ),
        Candidate("naive_bayes", {"var_smoothing": 1e-3}),
    )
    assert {"<a> & $b$", "<c>"} <= set(texts_in(plain[DiagnosticKind.CONFUSION_MATRIX].svg))


def test_drawing_does_not_change_matplotlibs_global_state(wine_winner):
    before = dict(matplotlib.rcParams)
    assert next(wine_winner.draw()).svg
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_serving_does_not_import_drawing():
    code = (
        "import sys, learning.diagnostics; print({'matplotlib', 'yellowbrick', 'sklearn'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "data",
    [
        Curves(
            x_title="x",
            y_title="y",
            curves=(
                Curve(name="a", x=(0.0, 1.0), y=(2.0, 3.0)),
                Curve(name="b", x=(0.5,), y=(1.5,), low=(1.0,), high=(2.0,)),
            ),
        ),
        Bars(names=("a", "b"), values=(1.0, None)),
        Bars(names=("a",), values=(1.0,), low=(0.5,), high=(1.5,)),
        Points(x_title="x", y_title="y", x=(1.0,), y=(2.0,)),
        Points(x_title="x", y_title="y", x=(1.0,), y=(2.0,), groups=("a",)),
        Matrix(rows=("a", "b"), columns=("c",), values=((1.0,), (None,))),
    ],
)
def test_data_is_restored_from_json(data):
    stored = json.loads(json.dumps(data.as_json(), allow_nan=False))
    assert stored == data.as_json()
    assert data_from_json(type(data).__name__, stored) == data


@pytest.mark.parametrize("case", WINNERS)
def test_data_of_charts_is_restored_from_json(case, request):
    case = request.getfixturevalue(case)
    for kind in kinds(case.context.problem_type, len(case.context.dataset.classes)):
        stored = json.loads(json.dumps(case[kind].data.as_json(), allow_nan=False))
        assert data_from_json(shape(kind).__name__, stored) == case[kind].data


def test_numbers_must_be_finite():
    with pytest.raises(NotFinite):
        Points(x_title="x", y_title="y", x=(float("nan"),), y=(1.0,))
    with pytest.raises(NotFinite):
        Bars(names=("a",), values=(float("inf"),))
    with pytest.raises(NotFinite):
        Curve(name="a", x=(1.0,), y=(1.0,), low=(float("-inf"),), high=(1.0,))


def test_parts_of_data_must_have_equal_lengths():
    with pytest.raises(ValueError, match="differ in length"):
        Curve(name="a", x=(1.0, 2.0), y=(1.0,))
    with pytest.raises(ValueError, match="differ in length"):
        Matrix(rows=("a",), columns=("b", "c"), values=((1.0,),))
