"""Requests drawn at random: documents that predict in every way there is to write that, inputs that are good or bad."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from learning.dataset import Kind
from schema.core import names
from store.products.choices import name_choices
from store.products.columns import TypedColumn
from store.products.product import DataProduct

#: What no field takes, or only some do.
BAD: list[Any] = [
    None, True, 0, -1, 7, 2**31, 2**53 + 1, 10**400, -0.0, 1e308, math.inf, math.nan, "", "x", "5", "NaN", "a\0b",
    "\ud800", "cafe\u0301", [], [1.5], {}, {"x": 1}, "planned", "PLANNED", "1st", "x" * 300,
]  # fmt: skip
WORDS = ["", "note", "cafe\u0301", "CAFÉ", "100 % \"so\" \\ 'that'", "日本語 \n\t", "x" * 40]


@dataclass
class Request:
    """A document, and the variables that it takes."""

    query: str
    variables: dict[str, Any]
    operation: str | None = None

    def body(self) -> bytes:
        given = {"query": self.query, "variables": self.variables, "operationName": self.operation}
        return json.dumps({name: value for name, value in given.items() if value is not None}).encode()


@dataclass
class Drawing:
    """Draws one request about `product`."""

    random: Random
    product: DataProduct
    #: Of entities that exist.
    keys: Sequence[str]
    #: How often an input is bad.
    badness: float = 0.05
    variables: dict[str, tuple[str, Any]] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return names.prefix(self.product.name)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # -- Documents --

    def request(self) -> Request:
        kind = "mutation" if self.chance(0.3) else "query"
        draw = self.mutation if kind == "mutation" else self.product_field
        fields = [draw() for _ in range(1 + self.chance(0.1))]
        if self.chance(0.2):
            fields.append("__typename")
        selection = " ".join(fields)
        declared = " ".join(f"${name}: {type_}" for name, (type_, _) in self.variables.items())
        name = "Ask" if declared or self.chance(0.5) else ""
        is_short = kind == "query" and not name
        head = f"{kind} {name}({declared})" if declared else "" if is_short else f"{kind} {name}"
        variables = {name: value for name, (_, value) in self.variables.items() if value is not ...}
        if self.chance(0.05):
            variables["stranger"] = 5
        other = " query Other { __typename }" if name and self.chance(0.1) else ""
        operation = name if other or self.chance(0.3) else None
        query = f"{head} {{ {selection} }} {' '.join(self.fragments)}{other}"
        return Request(query, variables, operation or None)

    def product_field(self) -> str:
        alias = f"p{self.random.randrange(9)}: " if self.chance(0.2) else ""
        asks = [self.asking() for _ in range(self.random.choice([1, 1, 1, 1, 2, 3]))]
        constants = ["__typename", "id", "name", "title", "description", "metric", "typePrefix", "writable"]
        asks += self.random.sample(constants, self.random.choice([0, 0, 0, 1, 3]))
        self.random.shuffle(asks)
        return f"{alias}{names.field(self.product.name)} {{ {' '.join(asks)} }}"

    def mutation(self) -> str:
        alias = f"m{self.random.randrange(99)}: " if self.chance(0.5) else ""
        if self.chance(0.3):
            return f"{alias}{self.generic()}"
        kind = self.random.choice(ASKING)
        field = f"{names.field(self.product.name)}P{kind[1:]}"
        type_ = f"{self.prefix}P{kind[1:]}Input!"
        value = {name: value for name, _, value in self.values(kind)}
        if self.chance(self.badness):
            value = self.random.choice([None, {}, {**value, "nothing": 1}, BAD])
        payload = f"{self.prefix}P{kind[1:]}Payload"
        selection = self.spread(payload, self.payload_leaves("Many" in kind), [payload])
        return f"{alias}{field}(input: {self.written(type_, value)}){self.condition(0.1)} {selection}"

    def generic(self) -> str:
        value = {"product": self.spoiled(self.product.name)}
        value |= {name: value for name, _, value in self.values("predict")}
        written = self.written("PredictInput!", value)
        interface = [
            *GENERIC_LEAVES,
            "... on Prediction { answer }",
            f"... on {self.prefix}Prediction {{ id }}",
        ]
        node = " ".join(self.random.sample(interface, 4))
        selection = [f"prediction {{ {node} }}", f"predictionEdge {{ cursor node {{ {node} }} }}"]
        selection += ["__typename", "product { id title }", "product { __typename typePrefix }"]
        chosen = self.random.sample(selection, 2)
        return f"predict(input: {written}){self.condition(0.1)} {{ {' '.join(chosen)} }}"

    def payload_leaves(self, many: bool) -> list[str]:
        one, edge = ("predictions", "predictionEdges") if many else ("prediction", "predictionEdge")
        constants = ["id", "name", "title", "__typename"]
        return [
            *[f"p{self.random.randrange(9999)}: {one} {self.selection()}" for _ in range(2)],
            f"e{self.random.randrange(9999)}: {edge} {{ cursor node {self.selection()} }}",
            f"{edge} {{ cursor }}",
            f"product {{ {' '.join(self.random.sample(constants, 2))} }}",
            "__typename",
        ]

    def asking(self) -> str:
        alias = f"a{self.random.randrange(99)}: " if self.chance(0.5) else ""
        kind = self.random.choice(ASKING)
        text = f"{alias}{kind}({self.arguments(kind)}){self.condition(0.1)} {self.selection()}"
        if self.chance(0.1):
            return f"... on {self.prefix}Product {{ {text} }}"
        return text

    def arguments(self, kind: str) -> str:
        return ", ".join(f"{name}: {self.written(type_, value)}" for name, type_, value in self.values(kind))

    def values(self, kind: str) -> list[tuple[str, str, Any]]:
        match kind:
            case "predict":
                about = [each for each in self.about() if self.chance(0.5)]
                return [("features", f"{self.prefix}Features!", self.features()), *about]
            case "predictMany":
                return [("rows", f"[{self.prefix}PredictInput!]!", self.rows())]
            case "predictFor":
                return [("entity", "ID!", self.key())]
        return [("entities", "[ID!]!", [self.key() for _ in range(self.random.randrange(4))])]

    def about(self) -> list[tuple[str, str, Any]]:
        return [
            ("entity", "ID", self.key()),
            ("reference", "String", self.spoiled(self.random.choice(["form", "ä", None]))),
        ]

    def written(self, type_: str, value: Any, depth: int = 0) -> str:
        """A value as a variable, or as a literal with variables in it."""
        if self.chance(0.5 if depth == 0 else 0.1) or not writable(value):
            return self.variable(type_, value)
        if isinstance(value, list):
            item = type_.strip("[]!") + "!"
            return f"[{', '.join(self.written(item, item_, depth + 1) for item_ in value)}]"
        if isinstance(value, dict):
            types = self.types(type_)
            inner = (
                f"{name}: {self.written(types[name], v, depth + 1) if name in types else literal(v)}"
                for name, v in value.items()
            )
            return f"{{{', '.join(inner)}}}"
        if isinstance(value, str) and type_.rstrip("!") not in PLAIN:
            return value or '""'
        return literal(value)

    def types(self, type_: str) -> dict[str, str]:
        if type_ == "JSON!":
            return {}
        match type_.removeprefix(self.prefix).rstrip("!"):
            case "PredictInput" if not type_.startswith(self.prefix):
                return {"product": "String!", "features": "JSON!", "entity": "ID", "reference": "String"}
            case "PredictInput":
                return {"features": f"{self.prefix}Features!", "entity": "ID", "reference": "String"}
            case "PredictForInput":
                return {"entity": "ID!"}
            case "PredictManyInput":
                return {"rows": f"[{self.prefix}PredictInput!]!"}
            case "PredictForManyInput":
                return {"entities": "[ID!]!"}
        columns = (*self.product.inputs, *self.product.retired_inputs)
        return {names.field(c.name): self.type_of(c) for c in columns}

    def type_of(self, column: TypedColumn) -> str:
        assert column.kind is not None
        named = column.kind.scalar or self.prefix + names.prefix(column.name)
        return named if column.nullable else f"{named}!"

    def variable(self, type_: str, value: Any) -> str:
        name = f"v{len(self.variables)}"
        if not type_.endswith("!") and self.chance(0.1):
            type_ += "!"
        if (
            self.chance(0.05)
            and writable(value)
            and not isinstance(value, dict | list)
            and type_.rstrip("!") in PLAIN
        ):
            self.variables[name] = (f"{type_.rstrip('!')} = {literal(value)}", ...)
        else:
            self.variables[name] = (type_, value)
        return f"${name}"

    def condition(self, probability: float) -> str:
        if not self.chance(probability):
            return ""
        which = self.random.choice(["skip", "include"])
        if self.chance(0.4):
            return f" @{which}(if: {self.random.choice(['true', 'false'])})"
        value = self.spoiled(self.chance(0.5))
        return f" @{which}(if: {self.variable('Boolean!', value)})"

    # -- Selections --

    def selection(self) -> str:
        return self.spread(
            f"{self.prefix}Prediction", self.leaves(), ["Prediction", "Node", f"{self.prefix}Prediction"]
        )

    def spread(self, type_: str, leaves: list[str], types: list[str]) -> str:
        chosen = [self.random.choice(leaves) for _ in range(self.random.randint(1, 7))]
        parts = []
        for leaf in chosen:
            roll = self.random.random()
            if roll < 0.1:
                parts.append(f"... on {type_}{self.condition(0.2)} {{ {leaf} }}")
            elif roll < 0.15:
                parts.append(f"...{self.condition(0.3)} {{ {leaf} __typename }}")
            elif roll < 0.22:
                name = f"F{len(self.fragments)}"
                self.fragments.append(f"fragment {name} on {type_} {{ {leaf} }}")
                parts.append(f"...{name}{self.condition(0.2)}")
            elif roll < 0.27:
                parts.append(
                    f"... on {self.random.choice(types)} {{ id }}" if "Prediction" in type_ else leaf
                )
            elif roll < 0.35 and ":" not in leaf:
                parts.append(f"x{self.random.randrange(99)}: {leaf}{self.condition(0.2)}")
            else:
                parts.append(leaf)
        return f"{{ {' '.join(parts)} }}"

    def leaves(self) -> list[str]:
        found = [
            "id",
            "answer",
            "confidence",
            "reference",
            "createdAt",
            "updatedAt",
            "timesAsked",
            "__typename",
        ]
        found += [
            self.nested(
                "features", [names.field(c.name) for c in (*self.product.columns, *self.product.retired)]
            )
        ]
        found += [self.nested("model", MODEL)]
        match self.product.task:
            case "CLASSIFICATION":
                found += ["label", "label", self.nested("probabilities", ["label", "probability"])]
            case "REGRESSION":
                found += ["value"]
                if self.chance(0.1):
                    found += [
                        f"i{level[2:]}: interval(level: {level}) {{ low high level coverage }}"
                        for level in LEVELS
                    ]
            case _:
                found += ["cluster", self.nested("distances", ["cluster", "distance"])]
        if self.chance(0.05):
            found += ["product { id }", "entity { key }", "disputed", "nothing"]
        return found

    def nested(self, name: str, leaves: list[str]) -> str:
        chosen = self.random.sample([*leaves, "__typename"], self.random.randint(1, min(4, len(leaves))))
        return f"{name} {{ {' '.join(chosen)} }}"

    # -- Inputs --

    def spoiled(self, value: Any) -> Any:
        return self.random.choice(BAD) if self.chance(self.badness) else value

    def key(self) -> Any:
        return self.spoiled(
            self.random.choice([*self.keys, *self.keys, "999999", "x"] if self.keys else ["B-1", "7"])
        )

    def rows(self) -> Any:
        rows = [self.row() for _ in range(self.random.randrange(4))]
        return self.spoiled(rows) if self.chance(0.3) else rows

    def row(self) -> dict[str, Any]:
        about = {name: value for name, _, value in self.about() if self.chance(0.4)}
        return {"features": self.features(), **about}

    def features(self) -> Any:
        given = {names.field(c.name): self.value(c) for c in self.product.inputs}
        given |= {names.field(c.name): self.value(c) for c in self.product.retired_inputs if self.chance(0.3)}
        if self.chance(self.badness):
            for _ in range(self.random.choice([1, 1, 2, 4])):
                self.spoil(given)
        return given

    def spoil(self, given: dict[str, Any]) -> None:
        name = self.random.choice(list(given))
        if self.chance(0.2) and len(given) > 1:
            del given[name]
        elif self.chance(0.1):
            given["nothing"] = 1
        else:
            given[name] = self.random.choice(BAD)

    def value(self, column: TypedColumn) -> Any:
        if column.nullable and self.chance(0.2):
            return None
        match column.kind:
            case Kind.CATEGORY:
                return self.random.choice(list(name_choices(column.choices)))
            case Kind.BOOLEAN:
                return self.chance(0.5)
            case Kind.DATE:
                return self.random.choice(["1970-01-01", "2024-02-29"])
            case Kind.DATETIME:
                return self.random.choice(["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5+05:30"])
            case "TIME":
                return self.random.choice(["06:30", "23:59:59.5"])
            case Kind.TEXT:
                return self.random.choice(WORDS)
        low, high = column.limits
        least, most = float(low if low is not None else -10), float(high if high is not None else 1000)
        if (column.kind and column.kind.is_integer) or self.chance(0.2):
            return self.random.randint(math.ceil(max(least, -1000)), math.floor(min(most, 1000)))
        return self.random.choice(
            [self.random.uniform(max(least, -1e6), min(most, 1e6)), least, min(most, 1e300)]
        )


GENERIC_LEAVES = [
    "id", "answer", "answerText", "answerValue", "confidence", "reference", "__typename", "model { number }",
    "featureValues { name value text }",
]  # fmt: skip
ASKING = ["predict", "predict", "predictMany", "predictFor", "predictForMany"]
#: Of types whose literals in a document are those of JSON.
PLAIN = {"Float", "Int", "Boolean", "String", "ID", "Date", "DateTime", "Time", "Decimal", "BigInt"}
LEVELS = ("0.5", "0.77", "0.9", "1.5")
MODEL = [
    "id", "number", "status", "family", "builtAt", "metric", "score", "size", "digest", "labels", "runtime",
    "microsecondsPerRow", "parity",
]  # fmt: skip


def writable(value: Any) -> bool:
    """Whether a document can hold it."""
    if isinstance(value, dict):
        return all(map(writable, value.values()))
    if isinstance(value, list):
        return all(map(writable, value))
    if isinstance(value, str):
        return value.isprintable() and "\ud800" not in value
    return not isinstance(value, float) or math.isfinite(value)


def literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {literal(v)}" for name, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)
