"""Queries drawn at random from a schema: what can be selected, however deep, under whatever response keys."""

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
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
)

#: By the name of a scalar, what is given for it: mostly what is there.
GIVEN: dict[str, list[str]] = {
    "Int": ["1", "2", "3", "5", "0", "1001"],
    "Float": ["0.5", "0.9", "2.0"],
    "Boolean": ["true", "false"],
    "String": ['"tumor"', '"tumor"', '"roc_auc"', '"nobody"'],
    "DateTime": ['"2024-01-01T00:00:00Z"'],
}
#: They write, so no query is drawn with them.
PREDICTING = {"predict", "predictMany", "predictFor", "predictForMany"}
CONDITIONS = ("", "", "", "", "", "", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: true)")


@dataclass
class Selecting:
    """Draws one query."""

    schema: GraphQLSchema
    random: Random
    #: Of what is there.
    ids: Sequence[str]
    fragments: list[str] = field(default_factory=list)

    def query(self) -> str:
        selected = self.selection(self.schema.query_type, 7)
        return "\n".join([f"query($yes: Boolean!) {{ first: __typename {selected} }}", *self.fragments])

    def selection(self, type_: Any, depth: int) -> str:
        if is_abstract_type(type_) and self.random.random() < 0.7:
            among = sorted(self.schema.get_possible_types(type_), key=str)
            parts = [self.fragment(each, depth) for each in self.random.sample(among, min(3, len(among)))]
        else:
            parts = []
        able = {name: each for name, each in type_.fields.items() if depth > 1 or self.ends(each)}
        named = sorted(able.keys() - PREDICTING)
        named = self.random.sample(named, min(len(named), self.random.randint(1, 5)))
        parts += [self.field(name, type_.fields[name], depth) for name in named]
        if not parts or self.random.random() < 0.2:
            parts.append("__typename")
        return " ".join(parts)

    def fragment(self, type_: Any, depth: int) -> str:
        selected = self.selection(type_, depth)
        if self.random.random() < 0.5:
            return f"... on {type_} {{ {selected} }}"
        self.fragments.append(f"fragment F{len(self.fragments)} on {type_} {{ {selected} }}")
        return f"...F{len(self.fragments) - 1}"

    def field(self, name: str, definition: GraphQLField, depth: int) -> str:
        # Each key its own, so that what is selected twice never conflicts.
        key = f"k{self.random.randrange(10**9)}: " if self.random.random() < 0.5 or definition.args else ""
        selected = (
            "" if self.ends(definition) else f" {{ {self.selection(self.named(definition), depth - 1)} }}"
        )
        condition = self.random.choice(CONDITIONS)
        return f"{key}{name}{self.arguments(definition)}{condition}{selected}"

    def arguments(self, definition: GraphQLField) -> str:
        wanted = [
            f"{name}: {self.given(argument.type, argument)}"
            for name, argument in definition.args.items()
            if is_required_argument(argument)
            or (name not in ("after", "before") and self.random.random() < 0.2)
        ]
        return f"({', '.join(wanted)})" if wanted else ""

    def given(self, type_: Any, argument: GraphQLArgument) -> str:
        if is_non_null_type(type_):
            return self.given(type_.of_type, argument)
        if is_list_type(type_):
            return f"[{', '.join(self.given(type_.of_type, argument) for _ in range(2))}]"
        if is_enum_type(type_):
            return self.random.choice(sorted(type_.values))
        if not is_leaf_type(type_):
            required = {n: each for n, each in type_.fields.items() if is_non_null_type(each.type)}
            return (
                "{"
                + ", ".join(f"{n}: {self.given(each.type, argument)}" for n, each in required.items())
                + "}"
            )
        return self.random.choice(GIVEN.get(type_.name) or [f'"{id}"' for id in self.ids])

    def named(self, definition: GraphQLField) -> Any:
        return get_named_type(definition.type)

    def ends(self, definition: GraphQLField) -> bool:
        return is_leaf_type(self.named(definition))
