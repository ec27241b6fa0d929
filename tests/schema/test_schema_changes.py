"""What a change of a product's declaration does to clients, and what `./dev schema --check` says of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product as pairs
from random import Random
from typing import Any

import pytest
from django.db import models
from django.db.models.functions import Lower
from graphql import (
    GraphQLInputObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_enum_type,
    is_non_null_type,
    parse,
)
from graphql.execution.values import get_variable_values

from schema.composition import compose
from schema.schema_changes import FEATURE_TYPES, compare, find_changes
from store.registry import served_choices
from store.registry.retired_features import UNUSED_DAYS, RetiredFeature
from tests.clinic.models import Anamnesis, Operation

from ..store.conftest import declared

BASE = {"age": "anamnesis__age", "smokes": "anamnesis__smokes", "urgency": "urgency"}
AGE, URGENCY = Anamnesis._meta.get_field("age"), Operation._meta.get_field("urgency")


CHOICES = [("planned", "Planned"), ("urgent", "At once")]


def sdl(features: dict[str, Any] = BASE, name: str = "stay", **more: Any) -> str:
    """The schema of one product with these features."""
    return compose([declared(features, name=name, **more)]).as_str()


@pytest.fixture(autouse=True)
def unrecorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No choice was ever served."""
    monkeypatch.setattr(served_choices, "_record", {})


@cache
def base() -> str:
    return sdl()


def without(name: str) -> dict[str, Any]:
    return {feature: path for feature, path in BASE.items() if feature != name}


def said(old: str, new: str, **retired: RetiredFeature) -> tuple[list[str], list[str]]:
    """What breaks clients, and what does not."""
    changes = find_changes(old, new, retired)
    return [c.text for c in changes if c.breaks], [c.text for c in changes if not c.breaks]


REFUSED = "Requests that use it will be refused."
KEEP = f"{REFUSED} Name it in retired_features, and it is accepted and ignored."
HARMLESS = "No request is refused; generate typed clients again."

#: By the change: the declaration after it, and the sentences that break clients and those that do not.
CHANGES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "nothing": ({}, [], []),
    "the order of the features": ({"features": dict(reversed(BASE.items()))}, [], []),
    "a required feature was added": (
        {"features": BASE | {"cost": "cost"}},
        [
            "A required field StayFeatures.cost was added. Requests without it will be refused: let it be null at "
            "first."
        ],
        [
            f"An optional field Stay{type_}.cost was added. {HARMLESS}"
            for type_ in ("FeatureFilter", "FeaturesPatch")
        ],
    ),
    "an optional feature was added": (
        {"features": BASE | {"born": "anamnesis__born"}},
        [],
        [
            f"An optional field Stay{type_}.born was added. {HARMLESS}"
            for type_ in ("FeatureFilter", "Features", "FeaturesPatch")
        ],
    ),
    "a feature was added that may be null and must be said": (
        {"features": BASE | {"word": Lower("anamnesis__note")}},
        [
            "An optional field StayFeatures.word was added. Requests without it will be refused: it may be null, and "
            "must be said."
        ],
        [
            f"An optional field Stay{type_}.word was added. {HARMLESS}"
            for type_ in ("FeatureFilter", "FeaturesPatch")
        ],
    ),
    "a feature was removed": (
        {"features": without("smokes")},
        [
            f"Field StayFeatureFilter.smokes was removed. {REFUSED}",
            f"Field StayFeatures.smokes was removed. {KEEP}",
            f"Field StayFeaturesPatch.smokes was removed. {KEEP}",
            f"Field StayInstance.smokes was removed. {REFUSED}",
        ],
        [],
    ),
    "a category was removed": (
        {"features": without("urgency")},
        [
            "StayUrgency was removed. Documents that name it will be refused.",
            f"Field StayFeatureFilter.urgency was removed. {REFUSED}",
            f"Field StayFeatures.urgency was removed. {KEEP}",
            f"Field StayFeaturesPatch.urgency was removed. {KEEP}",
            f"Field StayInstance.urgency was removed. {REFUSED}",
        ],
        [],
    ),
    "an optional feature was retired": (
        {"features": without("smokes"), "retired_features": {"smokes": BASE["smokes"]}},
        [],
        [],
    ),
    "a required feature was retired": (
        {"features": without("age"), "retired_features": {"age": BASE["age"]}},
        [],
        [],
    ),
    "a category was retired": (
        {"features": without("urgency"), "retired_features": {"urgency": "urgency"}},
        [],
        [],
    ),
    "a feature was retired and its column is gone": (
        {"features": without("age"), "retired_features": {"age": models.PositiveSmallIntegerField()}},
        [],
        [],
    ),
    "the kind of a feature changed": (
        {"features": BASE | {"age": "anamnesis__born"}},
        [
            f"Field Stay{type_}.age changed type from Int{mark} to Date{mark.strip('!')}. Requests with a value of the "
            "former type, and clients that read one, fail."
            for type_, mark in (
                ("FeatureFilter", "Condition"),
                ("Features", "!"),
                ("FeaturesPatch", ""),
                ("Instance", ""),
            )
        ],
        [],
    ),
    "a retired feature has another kind": (
        {"features": without("smokes"), "retired_features": {"smokes": models.DateField()}},
        [
            f"Field Stay{type_}.smokes changed type from Boolean{end} to Date{end}. Requests with a value of the "
            "former type, and clients that read one, fail."
            for type_, end in (
                ("FeatureFilter", "Condition"),
                ("Features", ""),
                ("FeaturesPatch", ""),
                ("Instance", ""),
            )
        ],
        [],
    ),
    "the product was renamed": (
        {"name": "sojourn"},
        [
            "The product stay was removed, with its types and mutations; one that is renamed is a new one. "
            f"{REFUSED}"
        ],
        [],
    ),
    "the product has another description": ({"description": "How long?", "title": "Days"}, [], []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_declaration_is_told_by_what_it_does_to_clients(change: str) -> None:
    after, breaking, notes = CHANGES[change]
    found = said(base(), sdl(**after))
    assert (sorted(found[0]), sorted(found[1])) == (sorted(breaking), sorted(notes))


WHOLE = """
interface Node { id: ID! }

type Query { stay(order: Order = UP, by: By = { x: 1 }): Found a: A }

type A implements Node { id: ID! x: Int }

type B { x: Int }

union Found = A | B

enum Order { UP DOWN }

input By { x: Int = 1 y: Order = UP }
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x: Int }\n\nunion", "x: Int y: Int! }\n\nunion"),
        ("Found = A | B", "Found = B"),
        ("Found = A | B", "Found = B | A"),
        ("UP DOWN }", "UP }"),
        ("UP DOWN }", "UP DOWN LEFT }"),
        ("y: Order = UP", "y: Order = DOWN"),
        ("order: Order = UP", "order: Order = DOWN"),
        ("by: By = { x: 1 }", "by: By = { x: 2 }"),
        ("x: Int = 1", "x: Int! = 1"),
        ("input By { x", "input By @oneOf { x"),
        ("implements Node ", ""),
        ("id: ID! }\n\ntype Query", "id: ID }\n\ntype Query"),
        ("enum Order { UP DOWN }", "scalar Order"),
        ("type B { x: Int }", 'type B { x: Int }\n\n"""\ntype C { x: Int }\n\nunion\n"""\nscalar D'),
        ("a: A }", "a: B }"),
        ("a: A }", "a: A! }"),
    ],
)
def test_stubs_of_what_two_schemas_have_alike_change_no_difference(old: str, new: str) -> None:
    assert old in WHOLE
    after = WHOLE.replace(old, new)
    for pair in ((WHOLE, after), (after, WHOLE)):
        assert find_changes(*pair) == compare(*map(build_schema, pair), {})


def test_a_choice_that_was_added_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(URGENCY, "choices", CHOICES)
    before = sdl(dict(BASE))
    monkeypatch.setattr(URGENCY, "choices", [*CHOICES, ("asap", "now")])
    breaking, notes = said(before, sdl(dict(BASE)))
    assert breaking == []
    assert notes == [
        "Enum value StayUrgency.ASAP was added. No request is refused; clients need a branch for values that they do "
        "not know."
    ]


def test_a_choice_that_was_removed_breaks_whoever_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(URGENCY, "choices", CHOICES)
    before = sdl(dict(BASE))
    record = {("stay", "urgency"): {"urgent": served_choices.Served("URGENT", "at once")}}
    monkeypatch.setattr(URGENCY, "choices", CHOICES[:1])
    assert said(before, sdl(dict(BASE))) == ([f"Enum value StayUrgency.URGENT was removed. {REFUSED}"], [])
    monkeypatch.setattr(served_choices, "_record", record)
    served_choices.list_named.cache_clear()
    # It stays in the enum for older rows, which alone graphql-core does not call a change.
    sentence = "Enum value StayUrgency.URGENT is no choice any more. Requests that give it will be refused."
    assert said(before, sdl(dict(BASE))) == ([sentence], [])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("input A { x: Int }", "input A { x: Int y: Int! }", "A required field A.y was added."),
        ("input A { x: Int }", "input A @oneOf { x: Int }", "A takes exactly one of its fields."),
        (
            "union A = B | C",
            "union A = B",
            "C was removed from union type A. Fragments on it will be refused.",
        ),
        ("type A { x: Int! }", "type A { x: Int }", "Field A.x changed type from Int! to Int."),
        ("type A { x: Int }", "type A { x(y: Int!): Int }", "A required argument A.x(y:) was added."),
        (
            "interface A { x: Int }",
            "type A { x: Int }",
            "A changed from an Interface type to an Object type.",
        ),
    ],
)
def test_changes_of_the_schema_itself_are_told_likewise(old: str, new: str, sentence: str) -> None:
    more = "type B { x: Int } type C { x: Int } type Query { b: B c: C } "
    breaking, _ = said(more + old, more + new)
    assert any(sentence in text for text in breaking), breaking


@cache
def schemas_of_a_retirement() -> tuple[str, str]:
    """The schemas of a product with a retired feature, and without it."""
    smokes = {"smokes": BASE["smokes"]}
    return sdl(without("smokes"), retired_features=smokes), sdl(without("smokes"))


def retired(days: int, used: bool) -> RetiredFeature:
    now = datetime(2026, 5, 17, 12, tzinfo=UTC)
    then = now - timedelta(days=days)
    feature = RetiredFeature(
        product="stay",
        name="smokes",
        retired_at=now - timedelta(days=90),
        last_used_at=then if used else None,
    )
    feature.now = now
    return feature


@pytest.mark.parametrize(
    ("feature", "breaks", "clause"),
    [
        (retired(2, used=True), True, "a client last used it on 2026-05-15 at 12:00 UTC"),
        (retired(UNUSED_DAYS, used=True), False, "a client last used it on 2026-04-17 at 12:00 UTC"),
        (retired(0, used=False), False, "no client has used it since it was retired on 2026-02-16"),
    ],
)
def test_a_retired_feature_may_be_removed_once_nobody_uses_it(
    feature: RetiredFeature, breaks: bool, clause: str
) -> None:
    parts = {f"Stay{type_}.smokes": feature for type_ in FEATURE_TYPES}
    changes = find_changes(*schemas_of_a_retirement(), parts)
    assert len(changes) == len(FEATURE_TYPES) and {change.breaks for change in changes} == {breaks}
    assert all(clause in change.text for change in changes)
    assert ("keep it" if breaks else "remove it from retired_features") in feature.advice


#: Declarations of one product, each feature as one of what it may be.
WAYS: dict[str, list[Any]] = {
    "age": [BASE["age"], None, models.IntegerField(), "cost"],
    "smokes": [BASE["smokes"], None, models.BooleanField(), models.BooleanField(choices=[(True, "Yes")])],
    "urgency": ["urgency", None, models.CharField(choices=Operation.Urgency.choices), "anamnesis__note"],
}


def declarations() -> list[str]:
    """Schemas of some of the declarations that are possible."""
    draw, schemas = Random(5), []
    for chosen in draw.sample(list(pairs(*WAYS.values())), 7):
        features = {"born": "anamnesis__born"}
        former = {}
        for name, way in zip(WAYS, chosen, strict=True):
            (former if isinstance(way, models.Field) else features)[name] = way
        features = {name: path for name, path in features.items() if path}
        schemas.append(sdl(features, retired_features={n: f for n, f in former.items() if n not in features}))
    return schemas


def inputs(schema: GraphQLSchema) -> Iterator[dict[str, Any]]:
    """Features that the schema accepts: all, and those alone that must be given."""
    type_ = schema.type_map["StayFeatures"]
    assert isinstance(type_, GraphQLInputObjectType)
    values = {name: value_of(field.type) for name, field in type_.fields.items()}
    yield values
    yield {name: value for name, value in values.items() if is_non_null_type(type_.fields[name].type)}


def value_of(type_: Any) -> Any:
    named = get_named_type(type_)
    if is_enum_type(named):
        return next(iter(named.values))
    return {"Int": 1, "Boolean": True, "String": "x", "Date": "2024-02-29", "Decimal": "1.5"}[named.name]


def is_accepted(schema: GraphQLSchema, features: dict[str, Any]) -> bool:
    [operation] = parse("query($features: StayFeatures!) { __typename }").definitions
    values = get_variable_values(schema, operation.variable_definitions, {"features": features})  # type: ignore[attr-defined]
    return not isinstance(values, list)


def test_where_nothing_is_said_to_break_every_former_request_is_accepted() -> None:
    schemas = {sdl: build_schema(sdl) for sdl in declarations()}
    broken = kept = 0
    for old, new in pairs(schemas, schemas):
        breaks = any(change.breaks for change in compare(schemas[old], schemas[new], {}))
        refused = [each for each in inputs(schemas[old]) if not is_accepted(schemas[new], each)]
        assert breaks or not refused, refused
        broken, kept = broken + breaks, kept + (not breaks)
    assert broken > 10 and kept > 7
