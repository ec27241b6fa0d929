"""Names of choices: valid in GraphQL and in Python, from values alone, and never given to another value."""

import re
from collections.abc import Sequence
from enum import Enum
from random import Random
from typing import Any

import pytest
from django.db import models
from graphql import GraphQLEnumType, assert_enum_value_name
from hypothesis import example, given
from hypothesis import strategies as st

from store.products import choice_names
from store.products.choice_names import name_values, spell
from store.products.choices import Choice, list_choices, name_choices
from store.scaffold import fields

NAMES = {
    "<=50K": "LE_50K",
    ">50K": "GT_50K",
    "≥ 10": "GE_10",
    "<>": "NE",
    "C": "C",
    "C#": "C_SHARP",
    "C++": "C_PLUS_PLUS",
    "-1": "MINUS_1",
    "−1.5": "MINUS_1_5",
    "+1": "PLUS_1",
    "1": "VALUE_1",
    "#1": "NUMBER_1",
    "10th": "VALUE_10TH",
    "18-25": "VALUE_18_25",
    "65+": "VALUE_65_PLUS",
    "AB-": "AB_MINUS",
    "0+": "VALUE_0_PLUS",
    "100 %": "VALUE_100_PERCENT",
    "1e-05": "VALUE_1E_05",
    "benign": "BENIGN",
    "not known": "NOT_KNOWN",
    "Never-married": "NEVER_MARRIED",
    "fullTime": "FULL_TIME",
    "it's": "ITS",
    "{Trailers}": "TRAILERS",
    "(none)": "NONE",
    "<unk>": "UNK",
    "_x_": "X",
    "__typename": "TYPENAME",
    "mro": "MRO",
    "class": "CLASS",
    "true": "VALUE_TRUE",
    "null": "VALUE_NULL",
    "I": "VALUE_I",
    "?": "QUESTION_MARK",
    " ": "SPACE",
    "\0": "U0000",
    "": "BLANK",
    "Größe": "GROSSE",
    "年齢": "NIAN_LING",
    "Москва": "MOSKVA",
    "😀": "GRINNING",
}


@pytest.mark.parametrize(("value", "name"), NAMES.items())
def test_a_name_follows_from_its_value(value: str, name: str) -> None:
    assert spell(value) == name


#: Values that look alike, and any others.
LOOKALIKES = st.sampled_from(
    ["yes", "Yes", "YES", "yes ", "y es", "<1", ">1", "1", "1.", "", " ", "true", "True", "I"]
)
VALUES = (
    st.text(max_size=12) | LOOKALIKES | st.sampled_from(sorted(NAMES)) | st.text("-+#<>=_ 1aA", max_size=5)
)
LISTS = st.lists(VALUES, unique=True, max_size=12)


def check_names(names: Sequence[str]) -> None:
    """Check that the names are different and valid for GraphQL, an enum and a choices class."""
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch("[A-Z][A-Z0-9_]*", name) and len(name) <= 100
        assert assert_enum_value_name(name) == name and name not in ("TRUE", "FALSE", "NULL")
    GraphQLEnumType("Names", dict.fromkeys(names, 1))
    assert [member.name for member in Enum("Names", {name: place for place, name in enumerate(names)})] == [
        *names
    ]  # type: ignore[misc]


@given(LISTS)
@example(["x" * 10_000, "x" * 10_001, "\ud800", "\udfff", "a\ud800"])
@example(
    ["name", "value", "label", "names", "mro", "_generate_next_value_", "__class__", "None", "true", "null"]
)
def test_names_are_valid_and_different(values: list[str]) -> None:
    names = name_values(values)
    assert list(names) == values
    check_names(list(names.values()))


#: Names that a choices class or an earlier release may have given.
GIVEN = st.sampled_from(
    [
        "_x_",
        "_TRAILERS_",
        "__class__",
        "mro",
        "true",
        "TRUE",
        "null",
        "1",
        "",
        "name",
        "value",
        "É",
        "a b",
        "A",
    ]
) | st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True)


@given(st.dictionaries(VALUES, GIVEN, max_size=8), st.dictionaries(VALUES, GIVEN, max_size=8), LISTS)
@example({"": "A", "0": "A"}, {}, [])
def test_names_that_were_given_stay_only_where_an_enum_can_serve_them(
    members: dict[str, str], recorded: dict[str, str], more: list[str]
) -> None:
    names = name_values([*members, *recorded, *more], members, recorded)
    assert len(set(names.values())) == len(names)
    for name in names.values():
        assert assert_enum_value_name(name) == name
    GraphQLEnumType("Names", dict.fromkeys(names.values(), 1))
    served = Enum("Names", {name: value for value, name in names.items()})  # type: ignore[misc]
    assert {member.value: member.name for member in served} == names
    taken = list(recorded.values())
    for value, name in recorded.items():
        if re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) and name not in ("mro", "true", "null"):
            assert names[value] == name or taken.count(name) > 1


@given(LISTS, st.randoms(use_true_random=False))
def test_the_order_of_choices_changes_no_name(values: list[str], random: Random) -> None:
    shuffled = random.sample(values, len(values))
    assert name_values(shuffled) == name_values(values)


@given(LISTS, LISTS, st.randoms(use_true_random=False))
def test_added_removed_and_moved_choices_change_no_recorded_name(
    before: list[str], added: list[str], random: Random
) -> None:
    recorded = name_values(before)
    kept = random.sample(before, random.randint(0, len(before)))
    after = random.sample(values := list(dict.fromkeys([*kept, *added])), len(values))
    names = name_values(after, recorded=recorded)
    assert {value: names[value] for value in after if value in recorded} == {
        value: name for value, name in recorded.items() if value in after
    }
    # Nor is the name of a choice that is gone given to another.
    check_names([*names.values(), *(name for value, name in recorded.items() if value not in names)])


@given(LISTS, VALUES)
def test_without_a_record_only_equal_names_get_a_suffix(values: list[str], added: str) -> None:
    before, after = name_values(values), name_values([*values, added])
    assert {v for v in values if before[v] != after[v]} <= {v for v in values if spell(v) == spell(added)}


def test_equal_names_get_a_suffix_from_the_value() -> None:
    names = name_values(["yes", "Yes", "no"])
    assert names["no"] == "NO"
    assert re.fullmatch("YES_[0-9A-F]{6}", names["yes"]) and re.fullmatch("YES_[0-9A-F]{6}", names["Yes"])
    assert name_values(["Yes"], recorded={"yes": "YES"})["Yes"] == names["Yes"]


def test_a_value_that_was_made_to_collide_is_told_apart_too() -> None:
    yes = name_values(["yes", "Yes"])["yes"]
    check_names(list(name_values(["yes", "Yes", yes]).values()))


def test_a_members_name_stays_and_another_value_does_not_get_it() -> None:
    members = {"h": "high", "g": "GRÜN", "t": "true"}
    names = name_values(["h", "g", "t", "HIGH", "grun"], members)
    assert names["h"] == "high" and names["HIGH"] == "HIGH" and names["t"] == "VALUE_TRUE"
    assert names["g"].startswith("GRUN_") and names["grun"].startswith("GRUN_")


class Column:
    """What the scaffold knows of a column with these values."""

    def __init__(self, values: Sequence[str], is_integer: bool):
        self.values, self.type = values, type("Type", (), {"is_integer": is_integer})


def declared(column: Any) -> Any:
    """The class that the scaffold writes, executed."""
    scope: dict[str, Any] = {"models": models}
    exec("class Row:\n" + "\n".join(fields.render_choices("Words", column)), scope)
    return scope["Row"].Words


def agree(column: Any, field: models.Field) -> None:
    """Check that GraphQL's names of a scaffolded column are those in `models.py`, and titles the values."""
    class_ = declared(column)
    field.choices = class_.choices
    field.model = type("Row", (), {"Words": class_})
    choices = list_choices(field)
    assert {choice.text: name for name, choice in name_choices(choices).items()} == {
        str(member.value): member.name for member in class_
    }
    assert name_choices([Choice(value=choice.value, title="") for choice in choices]).keys() == set(
        class_.names
    )
    assert [choice.text for choice in choices] == list(column.values)


#: What a file's cells can be.
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@given(st.lists(CELLS.filter(str.strip) | LOOKALIKES.filter(bool), unique=True, min_size=1, max_size=8))
def test_models_py_and_graphql_name_texts_alike(values: list[str]) -> None:
    agree(Column(values, is_integer=False), models.CharField(max_length=9))


@given(st.lists(st.integers(-(2**40), 2**40), unique=True, min_size=1, max_size=8))
def test_models_py_and_graphql_name_numbers_alike(values: list[int]) -> None:
    agree(Column(list(map(str, values)), is_integer=True), models.BigIntegerField())


def test_transliteration_of_ascii_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "anyascii", None)
    assert choice_names.transliterate("plain") == "plain"
