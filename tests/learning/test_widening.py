"""A model under a declaration wider than what it learned: old rows are answered as before, new values as unseen."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.columns import Column, Kind, frame
from learning.estimators.families import Candidate
from learning.inference.native import native_output
from learning.model import Model, Signature, loads
from learning.problem import Classification, Clustering, Regression
from tests.drawing import draws

from .compiler.compiling import FAST, compiled, few_timings, fit_model, mixed_data

RECIPES = [
    (Classification(), Candidate("linear", {"C": 1.0})),
    (Classification(), Candidate("neighbours", {"n_neighbors": 7})),
    (Regression(), Candidate("boosting", FAST["boosting"])),
    (Classification(), Candidate("forest", FAST["forest"])),
    (Clustering(), Candidate("kmeans", {"clusters": 3})),
]
EXTRA = (
    Column(name="new_number", kind=Kind.NUMBER, nullable=True),
    Column(name="new_choice", kind=Kind.CATEGORY, choices=("x", "y")),
)
NEW = "ultraviolet"


@pytest.fixture(scope="module", params=RECIPES, ids=lambda recipe: f"{recipe[0].task}-{recipe[1].family}")
def served(request):
    """Return a model as it is loaded to serve, the same with its pipeline, and rows that it knows."""
    problem, candidate = request.param
    data, rows = mixed_data(problem)
    with few_timings():
        model = compiled(fit_model(problem, candidate, data), data)
    return loads(model.dumps(), with_estimator=False), replace(model, compiled=None), rows[:20]


@st.composite
def other_declarations(draw, signature: Signature) -> Signature:
    """Draw a declaration with new features and choices, nulls everywhere, and another order of everything."""
    columns = [*signature.columns, *draw(st.sets(st.sampled_from(EXTRA)))]
    return replace(
        signature,
        columns=tuple(_widened(draw, column) for column in draw(st.permutations(columns))),
        classes=tuple(draw(st.permutations([*signature.classes, "rare"]))) if signature.classes else (),
    )


def _widened(draw, column: Column) -> Column:
    choices = draw(st.permutations([*column.choices, NEW])) if column.kind.is_category else ()
    return replace(column, nullable=True, choices=tuple(choices))


def in_order(declared: Signature, signature: Signature, row, extra=None):
    """Arrange a row of the signature's columns as the declaration has them."""
    cells = dict(zip((column.name for column in signature.columns), row, strict=True))
    return [cells.get(column.name, extra) for column in declared.columns]


def changes(row, signature: Signature):
    """Return the strategy of rows in which any cells are missing or new choices."""
    choices = ([NEW] if column.kind.is_category else [] for column in signature.columns)
    return st.tuples(*(st.sampled_from([cell, None, *new]) for cell, new in zip(row, choices, strict=True)))


def numbers(output):
    return np.concatenate([np.ravel(part) for part in output]) if isinstance(output, tuple) else output


@settings(max_examples=draws(10))
@given(data=st.data())
def test_old_rows_are_answered_as_before_whatever_was_added(served, data):
    model, _, rows = served
    declared = data.draw(other_declarations(model.signature))
    assert list(model.signature.obstacles(declared)) == []
    wide = model.for_columns([column.name for column in declared.columns])
    extra = data.draw(st.sampled_from([None, 7.5, "x"]))
    asked = [in_order(declared, model.signature, row, extra) for row in rows]
    assert wide.predict(asked) == model.predict(rows)


@settings(max_examples=draws(8))
@given(data=st.data())
def test_new_choices_are_unseen_and_new_nulls_are_missing_as_the_pipeline_has_it(served, data):
    model, pipeline, rows = served
    changed = data.draw(st.tuples(*(changes(row, model.signature) for row in rows[:8])))
    X = frame(model.signature.columns, changed)
    expected = native_output(pipeline.estimator, X, model.signature.task)
    for _ in range(2):  # the pipeline is the same under all declarations
        declared = data.draw(other_declarations(model.signature))
        wide = model.for_columns([column.name for column in declared.columns])
        output = wide.arrays([in_order(declared, model.signature, row) for row in changed])
        np.testing.assert_allclose(numbers(output), numbers(expected), rtol=1e-6, atol=1e-5)


def test_an_unseen_choice_is_answered_as_no_choice(served):
    model, _, rows = served
    position = [column.name for column in model.signature.columns].index("colour")
    unseen, missing = (
        [[*row[:position], value, *row[position + 1 :]] for row in rows] for value in (NEW, None)
    )
    assert model.predict(unseen) == model.predict(missing)


SIGNATURE = Signature(
    task="CLASSIFICATION",
    columns=(
        Column(name="age", kind=Kind.INTEGER, nullable=True),
        Column(name="colour", kind=Kind.CATEGORY, choices=("red", "green")),
        Column(name="born", kind=Kind.DATE),
        Column(name="smokes", kind=Kind.BOOLEAN),
    ),
    classes=("no", "yes"),
)


def declared(**kinds: Kind | None) -> Signature:
    """Return SIGNATURE with other kinds of columns; None removes one."""
    columns = [
        replace(c, kind=kinds.get(c.name, c.kind)) for c in SIGNATURE.columns if kinds.get(c.name, c.kind)
    ]
    return replace(SIGNATURE, columns=tuple(columns))


@pytest.mark.parametrize(
    "declaration",
    [
        SIGNATURE,
        replace(
            SIGNATURE, columns=tuple(dataclasses.replace(c, choices=c.choices[:1]) for c in SIGNATURE.columns)
        ),
        replace(SIGNATURE, columns=tuple(replace(c, nullable=False) for c in SIGNATURE.columns)),
        declared(age=Kind.NUMBER),
        declared(born=Kind.DATETIME),
    ],
    ids=["the same", "fewer choices", "no nulls", "fractions", "moments"],
)
def test_a_declaration_of_known_values_is_served_and_has_nothing_new(declaration):
    assert list(SIGNATURE.obstacles(declaration)) == []
    assert list(SIGNATURE.novelties(declaration)) == []


@pytest.mark.parametrize(
    ("declaration", "obstacle"),
    [
        (declared(age=None), "its feature age is no longer declared"),
        (declared(age=Kind.DATE), "its feature age is INTEGER, and DATE is declared"),
        (declared(smokes=Kind.INTEGER), "its feature smokes is BOOLEAN, and INTEGER is declared"),
        (declared(colour=Kind.TEXT), "its feature colour is CATEGORY, and TEXT is declared"),
        (replace(SIGNATURE, classes=("yes",)), "its class 'no' is no longer declared"),
        (
            replace(SIGNATURE, task="REGRESSION", classes=("no", "yes")),
            "it solves a classification, and a regression is declared",
        ),
    ],
)
def test_what_a_model_needs_and_answers_must_still_be_declared(declaration, obstacle):
    assert list(SIGNATURE.obstacles(declaration)) == [obstacle]


def test_what_a_model_never_saw_is_named():
    columns = (
        *(
            replace(c, nullable=True, choices=(*c.choices, "blue") if c.choices else ())
            for c in SIGNATURE.columns
        ),
        Column(name="weight", kind=Kind.NUMBER),
    )
    assert list(SIGNATURE.novelties(replace(SIGNATURE, columns=columns))) == [
        "blue of colour is an unseen value",
        "null of colour is a missing value",
        "null of born is a missing value",
        "null of smokes is a missing value",
        "the feature weight is ignored",
    ]


def test_a_model_of_a_release_without_positions_serves():
    model = Model(SIGNATURE, "baseline", {}, estimator=None)
    del model.__dict__["positions"]
    assert model.for_columns(["age", "colour", "born", "smokes"]) is model
