"""Forms of features: what stands in a field, what is read from it, and what a filter of an address means."""

from typing import Any

import pytest

from project.console.answers import Shown, round_for
from project.console.api import Problem
from project.console.feature_forms import FeatureForm
from project.console.form_values import read_row, round_step, to_text
from project.console.prediction_filters import PredictionFilter
from project.console.what_if import WhatIf, list_values

PLAIN: dict[str, Any] = dict.fromkeys(
    (
        *("description", "unit", "computedFrom", "minimum", "maximum", "earliest", "latest", "choices"),
        *("step", "default", "example", "typicalRange"),
    )
) | {"required": True, "group": "Body"}
HEIGHT = PLAIN | {
    "name": "bodyHeight",
    "column": "body_height",
    "title": "Body height",
    "kind": "NUMBER",
    "unit": "cm",
    "minimum": 0.0,
    "step": 0.5,
    "typicalRange": {"low": 150.0, "median": 170.0, "high": 190.0},
}
SEX = PLAIN | {
    "name": "sex",
    "column": "sex",
    "title": "Sex",
    "kind": "CATEGORY",
    "choices": [{"name": "F", "title": "female"}, {"name": "M", "title": "male"}],
}
SMOKES = PLAIN | {
    "name": "smokes",
    "column": "smokes",
    "title": "Smokes",
    "kind": "BOOLEAN",
    "required": False,
    "group": "Habits",
}
BORN = PLAIN | {"name": "born", "column": "born", "title": "Born", "kind": "DATE"}
SEEN = PLAIN | {"name": "seenAt", "column": "seen_at", "title": "Seen", "kind": "DATETIME"}
INDEX = PLAIN | {
    "name": "index",
    "column": "index",
    "title": "Index",
    "kind": "NUMBER",
    "computedFrom": ["bodyHeight"],
}
FEATURES = [HEIGHT, SEX, SMOKES, SEEN, INDEX]


def test_a_form_has_a_field_for_each_input_by_groups() -> None:
    form = FeatureForm.of(FEATURES)
    assert [(group.title, [each.widget for each in group.fields]) for group in form.groups] == [
        ("Body", ["number", "radios", "datetime-local"]),
        ("Habits", ["radios"]),
    ]
    height, sex, smokes, _ = form.fields
    assert height.hint == "At least 0. Mostly 150 to 190."
    assert height.slider is not None
    assert (height.slider.low, height.slider.high, height.slider.step) == (140.0, 200.0, 0.5)
    assert [option.title for option in sex.options] == ["female", "male"]
    assert [option.title for option in smokes.options] == ["Unknown", "Yes", "No"]


@pytest.mark.parametrize(
    ("texts", "features"),
    [
        ({"bodyHeight": "171.5"}, {"bodyHeight": 171.5}),
        ({"body_height": "170"}, {"bodyHeight": 170}),
        ({"Body height": "tall"}, {"bodyHeight": "tall"}),
        ({"bodyHeight": "nan"}, {"bodyHeight": "nan"}),
        ({"Sex": "female", "smokes": "Yes"}, {"sex": "F", "smokes": True}),
        ({"seenAt": "2026-01-31T12:00"}, {"seenAt": "2026-01-31T12:00:00+00:00"}),
        ({"bodyHeight": " ", "unknown": "1"}, {}),
    ],
)
def test_what_is_typed_is_read_as_the_api_takes_it(texts: dict[str, str], features: dict[str, Any]) -> None:
    form = FeatureForm.of(FEATURES)
    form.type(texts)
    assert form.features == features


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12,5", 12.5),
        ("-0,25", -0.25),
        ("1.273,94", 1273.94),
        ("1.234.567,8", 1234567.8),
        ("1,234", "1,234"),
        ("1.273", 1.273),
    ],
)
def test_a_decimal_comma_is_read_where_it_can_be_nothing_else(text: str, value: object) -> None:
    form = FeatureForm.of([HEIGHT])
    form.type({"Body height (cm)": text})
    assert form.features == {"bodyHeight": value}


@pytest.mark.parametrize(
    ("texts", "widgets"),
    [
        ({"Body height": "1.273,94", "Born": "3.12.2025", "seenAt": "2026-01-31T12:00"}, None),
        ({"Body height": "1,234"}, ["text", "date", "datetime-local"]),
        ({"Born": "03/04/2025"}, ["number", "text", "datetime-local"]),
        ({"Born": "31.02.2025"}, ["number", "text", "datetime-local"]),
        ({"seenAt": "3.4.2025 12:00"}, ["number", "date", "text"]),
    ],
)
def test_what_a_browser_would_drop_stands_in_a_text_field(
    texts: dict[str, str], widgets: list[str] | None
) -> None:
    form = FeatureForm.of([HEIGHT, BORN, SEEN])
    assert form.type(texts) == len(texts)
    assert [each.widget for each in form.fields] == (widgets or ["number", "date", "datetime-local"])


def test_a_text_that_is_no_choice_stays_to_be_refused() -> None:
    form = FeatureForm.of([SEX, SMOKES])
    form.type({"sex": "x", "smokes": "nein"})
    chosen = [[option.value for option in each.options if option.is_chosen] for each in form.fields]
    assert chosen == [["x"], ["nein"]] and form.features == {"sex": "x", "smokes": "nein"}


def test_values_of_the_api_are_shown_and_read_again() -> None:
    form = FeatureForm.of(FEATURES)
    values = {"bodyHeight": 171.25, "sex": "M", "smokes": False, "seenAt": "2026-01-31T13:00:00+01:00"}
    form.fill(values)
    assert form.features == values | {"seenAt": "2026-01-31T12:00:00+00:00"}
    assert [to_text(value) for value in (None, 1.0, 1e21, True, ["a", "b"])] == [
        "",
        "1",
        "1e+21",
        "true",
        "a, b",
    ]


def test_problems_stand_at_their_fields() -> None:
    form = FeatureForm.of(FEATURES)
    elsewhere = form.blame(
        [
            Problem("BAD_INPUT", "Sex is required.", ("input", "features", "sex")),
            Problem("UNKNOWN_ENTITY", "No patient has the key '9'.", ("input", "entity")),
            Problem("NO_CHAMPION", "Nothing serves yet."),
        ],
        ("entity", "reference"),
    )
    assert form.fields[1].faults == ["Sex is required."]
    assert (elsewhere, form.faults, form.count_faults) == (
        {"entity": ["No patient has the key '9'."]},
        ["Nothing serves yet."],
        1,
    )


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("a,b\n1,2\n", {"a": "1", "b": "2"}),
        ("a\tb\n1,5\t2", {"a": "1,5", "b": "2"}),
        ('a;b\n"x;y";2\n3;4', {"a": "x;y", "b": "2"}),
        ('{"a": 1.5, "b": null, "c": true}', {"a": "1.5", "b": "", "c": "true"}),
        ('[{"features": {"a": 1}}]', {"a": "1"}),
    ],
)
def test_a_pasted_row_is_read(text: str, row: dict[str, str]) -> None:
    assert read_row(text) == row


@pytest.mark.parametrize("text", ["", "a,b", "a,b\n1", "{a: 1}", "[1]", "[]"])
def test_what_is_no_row_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$"):
        read_row(text)


def test_values_to_try_span_the_slider_and_have_the_present_one() -> None:
    form = FeatureForm.of(FEATURES)
    height, sex, smokes, seen = form.fields
    height.text = "171.3"
    values = [value for value, _ in list_values(height)]
    assert (values[0], values[-1], 171.3 in values) == (140.0, 200.0, True)
    assert list_values(sex) == [("F", "female"), ("M", "male")]
    assert list_values(smokes) == [(True, "Yes"), (False, "No")]
    assert list_values(seen) == []
    answers = [{"value": float(value), "answerText": f"{value} kg"} for value in values]
    moved = WhatIf(height, list_values(height), answers, {})
    assert (moved.rows[moved.place].text, moved.moves) == ("171.3", True)
    assert "<polyline" in moved.chart and "Now: 171.3" in moved.chart


def test_a_number_is_shown_with_the_digits_that_its_interval_leaves() -> None:
    interval = {"low": 60.714, "high": 274.53, "level": 0.9}
    shown = Shown({"answerText": "165.692542 mg", "answerValue": 165.692542, "answerInterval": interval})
    assert (shown.text, shown.interval_text, shown.unit) == ("166 mg", "61 to 275", "mg")
    assert "<circle" in shown.chart
    assert [round_for(0.123456, width) for width in (0.5, 0.01)] == ["0.12", "0.1235"]
    assert [round_step(value) for value in (0.3, 7, 0.0123)] == [0.2, 5, 0.01]


ABOUT = {
    "task": "CLASSIFICATION",
    "features": [HEIGHT, SEX],
    "models": {"nodes": [{"id": "abc", "number": 2}]},
}


def test_an_address_is_a_filter_of_the_api_and_of_the_export() -> None:
    parameters = {
        "q": " B-0 ",
        "answer": "YES",
        "wrong": "yes",
        "version": "2",
        "confidence_from": "50",
        "until": "2026-01-31",
        "feature1": "bodyHeight",
        "compare1": "gte",
        "than1": "170",
        "feature2": "sex",
        "compare2": "eq",
        "than2": "female",
        "after": "cursor",
    }
    filter = PredictionFilter(ABOUT, parameters)
    shared = {
        "search": "B-0",
        "wrong": True,
        "model": {"eq": "abc"},
        "confidence": {"gte": 0.5},
        "createdAt": {"lt": "2026-02-01T00:00:00Z"},
    }
    features = [{"feature": "bodyHeight", "gte": 170}, {"feature": "sex", "eq": "F"}]
    assert filter.input == shared | {"answer": {"eq": "YES"}, "features": features}
    typed = {"bodyHeight": {"gte": 170}, "sex": {"eq": "F"}}
    assert filter.typed == shared | {"label": {"eq": "YES"}, "features": typed}
    assert (filter.faults, "after" in filter.texts, len(filter.conditions)) == ({}, False, 3)


@pytest.mark.parametrize(
    "parameters",
    [
        {"confidence_from": "high"},
        {"since": "yesterday"},
        {"version": "3"},
        {"feature1": "bodyHeight", "than1": "tall"},
    ],
)
def test_a_condition_that_cannot_be_read_is_said_and_not_dropped(parameters: dict[str, str]) -> None:
    filter = PredictionFilter(ABOUT, parameters)
    assert filter.input == {} and len(filter.faults) == 1
