"""What pictures may hold, so that they can stand in any page; and the shapes of their data."""

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


@pytest.fixture(scope="session")
def twelve_classes() -> Winner:
    """With names that are long, alike, and hold what XML and matplotlib take for their own."""
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


def pictures(of: Winner) -> list[str]:
    return [of[kind].svg for kind in kinds(of.context.problem_type, len(of.context.dataset.classes))]


@pytest.mark.parametrize("of", WINNERS)
def test_a_picture_is_one_small_svg_that_takes_the_room_it_gets(of, request):
    for svg in pictures(request.getfixturevalue(of)):
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert len(root.attrib["viewBox"].split()) == 4
        assert not {"width", "height"} & set(root.attrib)
        assert root.attrib["aria-label"]
        assert len(svg.encode()) < figures.MOST_BYTES


@pytest.mark.parametrize("of", WINNERS)
def test_a_picture_runs_nothing_and_asks_for_nothing(of, request):
    for svg in pictures(request.getfixturevalue(of)):
        elements = list(ElementTree.fromstring(svg).iter())
        names = {element.tag.removeprefix(SVG) for element in elements}
        assert names <= {"svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect", "pattern"}
        for element in elements:
            assert not [name for name in element.attrib if name.startswith("on") or name == "style"]
            assert element.attrib.get(LINK, "#").startswith("#")
        assert not re.search(r"url\((?!#)", svg)
        assert "<!DOCTYPE" not in svg


@pytest.mark.parametrize("of", WINNERS)
def test_what_a_picture_refers_to_is_in_it(of, request):
    for svg in pictures(request.getfixturevalue(of)):
        meant = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
        assert set(meant) == set(re.findall(r'<(?!g)[^>]* id="([^"]+)"', svg))


def test_the_same_winner_gives_the_same_pictures(wine_winner):
    again = {each.kind: each for each in wine_winner.draw()}
    for kind in kinds(Classification, 3):
        assert again[kind].svg == wine_winner[kind].svg
        assert again[kind].data == wine_winner[kind].data


def words(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_long_names_are_cut_so_that_they_differ(twelve_classes):
    names = {
        word for word in words(twelve_classes[DiagnosticKind.CONFUSION_MATRIX].svg) if not word.isdecimal()
    }
    assert len(names - {"actual", "predicted"}) == 12
    assert max(map(len, names)) <= figures.LONGEST
    assert figures.short(["short", "shorter"]) == ["short", "shorter"]


def test_of_many_numbers_those_that_hang_together_are_ranked(twelve_classes):
    ranks = twelve_classes[DiagnosticKind.RANK2D]
    assert len(ranks.data.rows) == 30
    assert "Of 35 numbers, the 30 that hang together most are shown." in ranks.text
    assert len(twelve_classes[DiagnosticKind.FEATURE_IMPORTANCES].data.names) == 35


def test_names_that_look_like_markup_are_only_names(twelve_classes):
    shown = words(twelve_classes[DiagnosticKind.CLASSIFICATION_REPORT].svg)
    assert set(figures.short(twelve_classes.context.dataset.classes)) <= set(shown)
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
    assert {"<a> & $b$", "<c>"} <= set(words(plain[DiagnosticKind.CONFUSION_MATRIX].svg))


def test_drawing_leaves_the_style_and_the_figures_of_others_alone(wine_winner):
    before = dict(matplotlib.rcParams)
    assert next(wine_winner.draw()).svg
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_what_serves_does_not_import_what_draws():
    code = (
        "import sys, learning.diagnostics; print({'matplotlib', 'yellowbrick', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


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
def test_data_goes_to_json_and_comes_back(data):
    stored = json.loads(json.dumps(data.as_json(), allow_nan=False))
    assert stored == data.as_json()
    assert data_from_json(type(data).__name__, stored) == data


@pytest.mark.parametrize("of", WINNERS)
def test_what_was_drawn_comes_back_from_json_too(of, request):
    of = request.getfixturevalue(of)
    for kind in kinds(of.context.problem_type, len(of.context.dataset.classes)):
        stored = json.loads(json.dumps(of[kind].data.as_json(), allow_nan=False))
        assert data_from_json(shape(kind).__name__, stored) == of[kind].data


def test_a_number_that_is_not_finite_is_no_data():
    with pytest.raises(NotFinite):
        Points(x_title="x", y_title="y", x=(float("nan"),), y=(1.0,))
    with pytest.raises(NotFinite):
        Bars(names=("a",), values=(float("inf"),))
    with pytest.raises(NotFinite):
        Curve(name="a", x=(1.0,), y=(1.0,), low=(float("-inf"),), high=(1.0,))


def test_data_whose_parts_do_not_fit_together_cannot_be_made():
    with pytest.raises(ValueError, match="differs in length"):
        Curve(name="a", x=(1.0, 2.0), y=(1.0,))
    with pytest.raises(ValueError, match="differs in length"):
        Matrix(rows=("a",), columns=("b", "c"), values=((1.0,),))
