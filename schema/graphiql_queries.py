"""Ready queries for every declared product, with variables from its own rows: each of them runs as it is."""

import json
from functools import cache
from typing import Any

from graphql import (
    REMOVE,
    FieldNode,
    GraphQLSchema,
    InlineFragmentNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_interface_type,
    is_object_type,
    parse,
    print_ast,
    visit,
)

from store.access.actors import Actor

from .core.context import Context
from .schema import schema

#: Everything that some product answers; what this one does not have is left out.
EXPLORE = """
query %(prefix)sExplore {
  %(field)s {
    title description task metric writable
    champion { number family hyperparameters { name value } metric score builtAt }
    builds(first: 3) { edges { node { number status decision model { number score } } } }
    predictions(first: 3) { totalCount edges { node { answer confidence createdAt } } }
    labels { name value title }
    features { name kind title unit required minimum maximum choices { name title } }
  }
}"""
PREDICT = """
query %(prefix)sPredict($features: %(features)s!, $entity: ID) {
  %(field)s {
    predict(features: $features, entity: $entity) {
      id label value cluster confidence
      probabilities { label probability }
      interval(level: 0.9) { low high }
      distances { cluster distance }
      truth
      model { number family score }
      timesAsked
    }
  }
}"""
FEEDBACK = """
mutation %(prefix)sFeedback($input: %(prefix)sFeedbackInput!) {
  %(field)sFeedback(input: $input) {
    created featureRowsChanged
    feedback { id answer author status createdAt }
    entity { key label value truth }
  }
}"""
BUILD = """
mutation %(prefix)sBuild {
  requestBuild(product: "%(name)s") { started build { id number status percent } }
}"""
PROGRESS = """
subscription %(prefix)sBuildProgress($build: ID!) {
  buildProgress(build: $build) {
    __typename sequence percent message final
    ... on CandidateScored { best candidate { family score hyperparameters { name value } } }
    ... on ModelRegistered { model { number family score } }
    ... on ModelPromoted { promotion { reason } }
    ... on ChampionKept { reason }
    ... on BuildSucceeded { promoted }
    ... on BuildFailed { problem { code message } }
  }
}"""
#: What variables are made of: an entity as it stands, and the newest build.
EXAMPLE = """
{ %(field)s {
  name
  entities(first: 1) { edges { node { key label value features { %(columns)s } } } }
  builds(first: 1) { edges { node { id } } }
} }"""

NOTES = {
    "Explore": "What can be asked, who answers it, and how well.",
    "Predict": "Stored before it is returned. The variables are a row of the tables.",
    "Feedback": "What the label really is: the next build learns from it.",
    "Build": "Learn again, now. The next tab watches.",
    "BuildProgress": "The newest build's events, as they happen.",
}


@cache
def products() -> dict[str, str]:
    """The field of the query that each product has, with the name of its type."""
    interface = core().get_type("DataProduct")
    fields = core().query_type.fields if core().query_type else {}  # type: ignore[union-attr]
    found = {name: get_named_type(field.type) for name, field in fields.items()}
    return {
        name: type_.name
        for name, type_ in found.items()
        if is_object_type(type_) and is_interface_type(interface) and interface in type_.interfaces
    }


def core() -> GraphQLSchema:
    return schema._schema


def tabs(field: str, actor: Actor) -> list[dict[str, str]]:
    """The tabs of the product behind `field`: each a query and its variables, as JSON."""
    names = names_of(field)
    example = example_of(names, actor)
    names["name"] = example.get("name") or field
    entity = node_of(example, "entities")
    build = {"build": node_of(example, "builds").get("id", "")}
    features = {name: value for name, value in entity.get("features", {}).items() if value is not None}
    made = [tab("Explore", EXPLORE, names, {})]
    if names["features"]:
        made.append(tab("Predict", PREDICT, names, {"features": features, "entity": entity.get("key")}))
    if f"{field}Feedback" in mutations():
        made.append(tab("Feedback", FEEDBACK, names, {"input": feedback_on(names, entity)}))
    return [*made, tab("Build", BUILD, names, {}), tab("BuildProgress", PROGRESS, names, build)]


def tab(kind: str, template: str, names: dict[str, str], variables: dict[str, Any]) -> dict[str, str]:
    query = f"# {NOTES[kind]}\n{known_part(template % names)}\n"
    return {"query": query, "variables": json.dumps(variables, indent=2) if variables else ""}


def names_of(field: str) -> dict[str, str]:
    """What the product's types are called: the templates' blanks."""
    product: Any = core().type_map[products()[field]]
    predict = product.fields.get("predict")
    features: Any = get_named_type(predict.args["features"].type) if predict else None
    return {
        "field": field,
        "prefix": products()[field].removesuffix("Product"),
        "features": features.name if features else "",
        "columns": " ".join(features.fields) if features else "__typename",
    }


def example_of(names: dict[str, str], actor: Actor) -> dict[str, Any]:
    """An entity and the newest build, asked of the schema itself; empty where it refuses."""
    context = Context(actor, None)  # type: ignore[arg-type]
    result = schema.execute_sync(known_part(EXAMPLE % names), context_value=context)
    return (result.data or {}).get(names["field"]) or {}


def node_of(example: dict[str, Any], connection: str) -> dict[str, Any]:
    """The first node of a connection; empty if there is none."""
    edges = (example.get(connection) or {}).get("edges") or [{}]
    return edges[0].get("node") or {}


def feedback_on(names: dict[str, str], entity: dict[str, Any]) -> dict[str, Any]:
    """Feedback that confirms what the table says of an entity."""
    fields: Any = core().type_map[f"{names['prefix']}FeedbackInput"].fields  # type: ignore[attr-defined]
    label = "label" if "label" in fields else "value"
    return {"about": {"entity": entity.get("key")}, label: entity.get(label)}


def mutations() -> set[str]:
    mutation = core().mutation_type
    return set(mutation.fields) if mutation else set()


def known_part(text: str) -> str:
    """A document without the fields and fragments that the schema does not know."""
    types = TypeInfo(core())

    class Known(Visitor):
        def enter_field(self, node: FieldNode, *_args: Any) -> Any:
            return None if types.get_field_def() else REMOVE

        def enter_inline_fragment(self, node: InlineFragmentNode, *_args: Any) -> Any:
            known = node.type_condition and node.type_condition.name.value in core().type_map
            return None if known else REMOVE

    return print_ast(visit(parse(text), TypeInfoVisitor(types, Known())))
