"""Diagnostics as clients read them: one type for each shape of data."""

from typing import Any

import pytest

from learning.diagnostics import Bars, Curve, Curves, DiagnosticKind, Matrix, Points
from learning.diagnostics import Diagnostic as Drawn
from schema.core import ids
from schema.core.context import Context
from schema.schema import schema
from store.access.actors import Actor
from store.models import Diagnostic, ModelVersion
from store.products import catalogue
from tests.store.conftest import version

pytestmark = pytest.mark.django_db

QUERY = """query ($id: ID!, $kinds: [DiagnosticKind!]) { modelVersion(id: $id) { diagnostics(kinds: $kinds) {
  __typename kind title text svg problem { code message }
  ... on CurveDiagnostic { xTitle yTitle curves { name x y low high } }
  ... on BarsDiagnostic { names bars: values low high }
  ... on PointsDiagnostic { xTitle x y groups }
  ... on MatrixDiagnostic { rows columns values } } } }"""

DATA = {
    DiagnosticKind.ROC: Curves(
        x_title="x", y_title="y", curves=(Curve(name="a", x=(0.0, 1.0), y=(0.0, 1.0)),)
    ),
    DiagnosticKind.FEATURE_IMPORTANCES: Bars(names=("age",), values=(None,), low=(0.0,), high=(1.0,)),
    DiagnosticKind.RESIDUALS: Points(x_title="x", y_title="y", x=(1.0,), y=(2.0,)),
    DiagnosticKind.CONFUSION_MATRIX: Matrix(rows=("a", "b"), columns=("c",), values=((1.0,), (None,))),
}


@pytest.fixture
def model() -> ModelVersion:
    registered = version(catalogue.get("stay"))
    for kind, data in DATA.items():
        keep(registered, kind=kind, svg="<svg/>", data=data, problem=None)
    keep(
        registered,
        kind=DiagnosticKind.CALIBRATION,
        svg=None,
        data=None,
        problem=("TIMED_OUT", "There was no time."),
    )
    return registered


def keep(model: ModelVersion, **drawn: Any) -> None:
    Diagnostic.objects.store(model, Drawn(title="A title.", text="A sentence.", seconds=0.1, **drawn))


def ask(model: ModelVersion, kinds: list[str] | None = None) -> list[dict[str, Any]]:
    context = Context(Actor(author="ann", superuser=True), None)
    answer = schema.execute_sync(QUERY, {"id": ids.node_id(model), "kinds": kinds}, context_value=context)
    assert answer.errors is None
    assert answer.data is not None
    return answer.data["modelVersion"]["diagnostics"]


def test_each_shape_of_data_has_its_type(model):
    roc, bars, residuals, confusion, failed = ask(model)
    assert (roc["__typename"], roc["kind"], roc["svg"], roc["problem"]) == (
        "CurveDiagnostic",
        "ROC",
        "<svg/>",
        None,
    )
    assert roc["curves"] == [{"name": "a", "x": [0.0, 1.0], "y": [0.0, 1.0], "low": None, "high": None}]
    assert (bars["names"], bars["bars"], bars["low"]) == (["age"], [None], [0.0])
    assert (residuals["__typename"], residuals["x"], residuals["groups"]) == ("PointsDiagnostic", [1.0], None)
    assert confusion["values"] == [[1.0], [None]]
    assert failed["__typename"] == "CurveDiagnostic"
    assert (failed["svg"], failed["curves"]) == (None, [])
    assert failed["problem"] == {"code": "TIMED_OUT", "message": "There was no time."}


def test_diagnostics_are_filtered_by_kind(model):
    assert [diagnostic["kind"] for diagnostic in ask(model, ["RESIDUALS", "ROC"])] == ["ROC", "RESIDUALS"]


def test_a_failed_diagnostic_is_replaced_by_that_of_a_later_attempt(model):
    keep(model, kind=DiagnosticKind.CALIBRATION, svg="<svg/>", data=DATA[DiagnosticKind.ROC], problem=None)
    assert ask(model, ["CALIBRATION"])[0]["problem"] is None
