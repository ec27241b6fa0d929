"""Requests drawn at random from a schema: any operation, with inputs that are good, bad or of another shape."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
)

#: What a client may send in the place of any value.
BAD: list[Any] = [
    None, True, 0, -1, 2**31, 2**63, 10**400, 1e308, float("inf"), float("nan"), "", "x", "a\0b", "\ud800", "x" * 3_000,
    "9" * 400, [], [[]], [None], {}, {"x": 1}, {"id": []}, "1e400", "0001-01-01T00:00:00+14:00", "2024-02-30", "-0",
]  # fmt: skip
#: By the name of a scalar, what may be right.
GOOD: dict[str, list[Any]] = {
    "Int": [0, 1, 2, 5, 100, -1],
    "Float": [0.0, 0.5, 1.0, -3.5, 1e300],
    "Boolean": [True, False],
    "DateTime": ["2024-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"],
    "Date": ["2024-02-29", "0001-01-01"],
    "Time": ["23:59:59"],
    "Decimal": ["1.5", 2],
    "BigInt": ["9223372036854775807", 5],
}
PRODUCTS = ["tumor", "wine", "diabetes", "manual"]
#: By the name of an argument or a field, texts that may be right.
TEXTS = {
    "product": PRODUCTS,
    "name": PRODUCTS,
    "metric": ["roc_auc", "accuracy", "r2"],
    "families": ["linear", "forest"],
    "label": ["benign"],
    "reference": ["form-1"],
    "reason": ["a reason"],
}
WORDS = [*PRODUCTS, "roc_auc", "linear", "benign", "form-1", "a reason", "WyJ4Il0"]


@dataclass
class Request:
    """A document with the rest of its request, whatever these are."""

    query: str
    variables: Any = None
    operation: Any = None
    #: "query", "mutation" or "subscription".
    kind: str = "query"

    def payload(self) -> dict[str, Any]:
        """Build the parameters, without those that are None."""
        parameters = {"query": self.query, "variables": self.variables, "operationName": self.operation}
        return {name: value for name, value in parameters.items() if value is not None}

    def body(self) -> bytes:
        return json.dumps(self.payload()).encode()


@dataclass
class Drawing:
    """Draws one request."""

    schema: GraphQLSchema
    random: Random
    #: Ids and keys of objects that exist.
    ids: Sequence[str]
    #: Probability that a value is bad; None: drawn, as most requests have no bad value.
    badness: float | None = None
    variables: dict[str, tuple[str, Any]] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.badness is None:
            self.badness = self.random.choice([0.0, 0.0, 0.02, 0.1])

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def request(self) -> Request:
        kind = self.random.choice(["query", "query", "query", "mutation", "mutation", "subscription"])
        root = getattr(self.schema, f"{kind}_type")
        depth = self.random.choice([3, 4, 5])
        selected = self.selection(root, depth, most=1 if kind == "subscription" else 2)
        declared = ", ".join(f"${name}: {type_}" for name, (type_, _) in self.variables.items())
        head = f"{kind} Asked({declared})" if declared else f"{kind} Asked"
        parts = [f"{head} {{ {selected} }}", *self.fragments]
        values = {name: value for name, (_, value) in self.variables.items() if not self.chance(0.02)}
        return self.spoiled(Request("\n".join(parts), values, self.random.choice(["Asked", None]), kind))

    def spoiled(self, request: Request) -> Request:
        """Spoil the shape of some requests."""
        match self.random.randrange(40):
            case 0:
                request.operation = self.random.choice(["Nobody", "", "asked", 5, ["Asked"]])
            case 1:
                request.query = "fragment Alone on Query { __typename }"
            case 2:
                request.query += " query Other { __typename }"
            case 3:
                cut = self.random.randrange(len(request.query))
                request.query = request.query[:cut] + self.random.choice(["", "}", "$", '"', "\0", "…"])
            case 4:
                request.variables = self.random.choice([[], "x", 5, {"Asked": 1}])
            case 5:
                request.query = self.random.choice(
                    ["", " ", "{", "type A { a: Int }", "{ __typename } { a }"]
                )
            case 6:
                request.query = request.query.replace(request.kind, "query", 1)
        return request

    # -- Selections --

    def selection(self, type_: Any, depth: int, most: int = 4) -> str:
        if is_abstract_type(type_) and self.chance(0.5):
            among = sorted(self.schema.get_possible_types(type_), key=str)
            return " ".join(
                self.fragment(each, depth) for each in self.random.sample(among, min(2, len(among)))
            )
        fields = {n: each for n, each in sorted(type_.fields.items()) if depth > 1 or self.ends(each)}
        names = self.random.sample(list(fields), min(len(fields), self.random.randint(1, most)))
        parts = [self.field(name, fields[name], depth) for name in names]
        return " ".join(parts) or "__typename"

    def fragment(self, type_: Any, depth: int) -> str:
        selected = self.selection(type_, depth)
        if self.chance(0.7):
            return f"... on {type_} {{ {selected} }}"
        self.fragments.append(f"fragment F{len(self.fragments)} on {type_} {{ {selected} }}")
        return f"...F{len(self.fragments) - 1}"

    def field(self, name: str, definition: GraphQLField, depth: int) -> str:
        alias = f"k{self.random.randrange(10**6)}: " if definition.args or self.chance(0.2) else ""
        named = get_named_type(definition.type)
        selected = "" if self.ends(definition) else f" {{ {self.selection(named, depth - 1)} }}"
        return f"{alias}{name}{self.arguments(definition.args)}{selected}"

    def ends(self, definition: GraphQLField) -> bool:
        return is_leaf_type(get_named_type(definition.type))

    # -- Inputs --

    def arguments(self, definitions: dict[str, GraphQLArgument]) -> str:
        wanted = {
            name: argument
            for name, argument in definitions.items()
            if self.chance(0.995 if is_required_argument(argument) else 0.3)
        }
        written = [f"{name}: {self.written(argument.type, name)}" for name, argument in wanted.items()]
        return f"({', '.join(written)})" if written else ""

    def written(self, type_: Any, name: str) -> str:
        """Write a value as a variable or as a literal."""
        value = self.value(type_, name)
        if self.chance(0.5) or not is_writable(value):
            variable = f"v{len(self.variables)}"
            self.variables[variable] = (str(type_), value)
            return f"${variable}"
        return literal(value, type_)

    def value(self, type_: Any, name: str = "") -> Any:
        """Draw a JSON value for an argument or a field of this type and name."""
        if self.chance(self.badness or 0.0):
            return self.random.choice(BAD)
        if is_non_null_type(type_):
            return self.value(type_.of_type, name)
        if self.chance(0.1):
            return None
        if is_list_type(type_):
            return [self.value(type_.of_type, name) for _ in range(self.random.choice([0, 1, 1, 2, 3]))]
        if is_enum_type(type_):
            return self.random.choice(sorted(type_.values))
        if is_input_object_type(type_):
            return self.object(type_)
        texts = TEXTS.get(name, []) if self.chance(0.8) else []
        return self.random.choice(GOOD.get(type_.name) or texts or [*self.ids, *WORDS])

    def object(self, type_: Any) -> dict[str, Any]:
        if type_.is_one_of or self.chance(0.1):
            name = self.random.choice(sorted(type_.fields))
            return {name: self.value(type_.fields[name].type, name)}
        return {
            name: self.value(each.type, name)
            for name, each in type_.fields.items()
            if is_required_input_field(each) or self.chance(0.6)
        }


def is_writable(value: Any) -> bool:
    """Return whether a document can hold the value."""
    if isinstance(value, dict):
        return all(map(is_writable, value.values()))
    if isinstance(value, list):
        return all(map(is_writable, value))
    if isinstance(value, str):
        return "\ud800" not in value
    return not isinstance(value, float) or abs(value) < float("inf")


def literal(value: Any, type_: Any) -> str:
    """Write a value as a literal; a text of an enum is a name."""
    if is_non_null_type(type_):
        return literal(value, type_.of_type)
    if isinstance(value, dict):
        types = type_.fields if is_input_object_type(type_) else {}
        inner = (f"{n}: {literal(v, types[n].type if n in types else None)}" for n, v in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        item = type_.of_type if is_list_type(type_) else type_
        return "[" + ", ".join(literal(each, item) for each in value) + "]"
    if isinstance(value, str) and is_enum_type(type_) and value in type_.values:
        return value
    return json.dumps(value)
