"""Example queries for GraphiQL: for every declared product, with variables from its own rows, ready to run."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from graphql import (
    REMOVE,
    FieldNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
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
from graphql.language.visitor import VisitorAction
from starlette.requests import HTTPConnection

from learning.lazy_imports import LazyModule
from store.access.actors import Actor
from store.products import catalogue

from .core import names
from .core.context import Context

if TYPE_CHECKING:
    from . import schema as served
else:
    # Every command that checks its addresses imports this module, and few need the schema, which takes a second.
    served = LazyModule("schema.schema")

#: JSON objects, as requests take variables and responses have data.
JSONObject: TypeAlias = dict[str, Any]

# The templates select the fields of all kinds of products; `prune` removes those that a product does not have.
EXPLORE = """
query %(prefix)sExplore {
  %(field)s {
    title description task metric writable
    champion { number family hyperparameters { name value } metric score builtAt }
    builds(first: 3) { edges { node { number status decision model { number score } } } }
    predictionCounts(by: [DAY]) { start count }
    predictions(first: 3) { totalCount edges { node { answer confidence createdAt } } }
    labels { name value title }
    features {
      name kind group title unit required computedFrom minimum maximum step default example
      typicalRange { low median high } choices { name title }
    }
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
NEXT_TO_LABEL = """
query %(prefix)sNextToLabel($first: Int, $after: String) {
  %(field)s {
    nextToLabel(first: $first, after: $after) {
      totalCount
      nodes {
        position reason uncertainty label value reference
        prediction { id createdAt }
        entity { key }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""
QUALITY = """
query %(prefix)sQuality($since: DateTime) {
  %(field)s {
    quality(since: $since) {
      predictions labelled counted disputed coverage medianDelaySeconds
      leftOut { reason n }
      promised { metric value low high n }
      measured { metric label value low high n method }
      estimated { metric value low high n method }
      clusters { cluster n share low high meanDistance }
      history(by: DAY) { start predictions labelled counted measured { metric label value n } }
    }
    champion { number quality(since: $since) { predictions counted measured { metric label value low high n } } }
  }
}"""
BUILD = """
mutation %(prefix)sBuild {
  requestBuild(input: { product: "%(name)s" }) { started build { id number status percent } }
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
COMPARISON = """
mutation %(prefix)sComparison($models: [ID!]!) {
  compareModels(input: { product: "%(name)s", models: $models }) {
    started
    job {
      id status percent message
      instances labelled counted flippedShare
      leftOut { reason n }
      measures { metric label first second difference low high n method }
      flips(first: 5) { nodes { answers { answerText confidence } truthText entity reference } }
    }
  }
}"""
#: The query whose answer fills the variables: one entity, and the newest build.
EXAMPLE = """
{ %(field)s {
  name
  entities(first: 1) { edges { node { key label value features { %(columns)s } } } }
  builds(first: 1) { edges { node { id } } }
  models(first: 2) { nodes { id } }
} }"""

NOTES = {
    "Explore": "The question, the champion with its score, builds, predictions and features.",
    "Predict": "Predict from features. The variables are a row of the tables; the prediction is stored.",
    "Feedback": "Give the right label of a row: the next build learns from it.",
    "NextToLabel": "What has no label yet, in the order in which labels would teach most. Give them in the tab before.",
    "Quality": "How good what was predicted has turned out to be, beside what was promised and what is estimated.",
    "Build": "Request a build, and follow it in the next tab.",
    "Comparison": "Compare the two newest versions on stored instances; `job(id:)` has the result.",
    "BuildProgress": "Follow the events of the newest build.",
}


@cache
def products() -> dict[str, str]:
    """The fields of products in the query, with the names of their types."""
    interface = graphql_schema().get_type("DataProduct")
    types = {name: get_named_type(field.type) for name, field in query_fields().items()}
    return {
        name: type_.name
        for name, type_ in types.items()
        if is_object_type(type_) and is_interface_type(interface) and interface in type_.interfaces
    }


def graphql_schema() -> GraphQLSchema:
    """The schema as graphql-core has it."""
    return served.schema._schema


def query_fields() -> dict[str, GraphQLField]:
    """The fields of the query by name."""
    query = graphql_schema().query_type
    return query.fields if query else {}


def tabs(field: str, actor: Actor) -> list[dict[str, str]]:
    """The tabs of the product behind `field`: each a query and its variables, as JSON."""
    texts = template_names(field)
    example = load_example(texts, actor)
    texts["name"] = example.get("name") or field
    entity = first_node(example, "entities")
    build = {"build": first_node(example, "builds").get("id", "")}
    features = inputs_to_send(texts["name"], entity.get("features", {}))
    rendered = [tab("Explore", EXPLORE, texts, {})]
    if texts["features"]:
        rendered.append(tab("Predict", PREDICT, texts, {"features": features, "entity": entity.get("key")}))
    if f"{field}Feedback" in mutations():
        rendered.append(tab("Feedback", FEEDBACK, texts, {"input": confirming_feedback(texts, entity)}))
        rendered.append(tab("NextToLabel", NEXT_TO_LABEL, texts, {"first": 20}))
    rendered.append(tab("Quality", QUALITY, texts, {"since": None}))
    versions = [node["id"] for node in (example.get("models") or {}).get("nodes", [])]
    return [
        *rendered,
        tab("Build", BUILD, texts, {}),
        tab("BuildProgress", PROGRESS, texts, build),
        tab("Comparison", COMPARISON, texts, {"models": versions[::-1]}),
    ]


def inputs_to_send(product: str, features: JSONObject) -> JSONObject:
    """The inputs of an entity that have a value, and those that may not be left out."""
    declared = catalogue.find(product)
    required = {names.field(column.name) for column in declared.inputs if column.required} if declared else ()
    return {name: value for name, value in features.items() if value is not None or name in required}


def tab(kind: str, template: str, names: dict[str, str], variables: JSONObject) -> dict[str, str]:
    """One tab: the query of a template, and its variables as JSON."""
    query = f"# {NOTES[kind]}\n{prune(template % names)}\n"
    return {"query": query, "variables": json.dumps(variables, indent=2) if variables else ""}


def template_names(field: str) -> dict[str, str]:
    """The names that fill the templates: of the product's field, types and columns."""
    product = cast(GraphQLObjectType, graphql_schema().type_map[products()[field]])
    predict = product.fields.get("predict")
    features = cast(GraphQLInputObjectType | None, predict and get_named_type(predict.args["features"].type))
    current = (
        [name for name, field in features.fields.items() if not field.deprecation_reason] if features else []
    )
    return {
        "field": field,
        "prefix": products()[field].removesuffix("Product"),
        "features": features.name if features else "",
        "columns": " ".join(current) or "__typename",
    }


def load_example(names: dict[str, str], actor: Actor) -> JSONObject:
    """Load an entity and the newest build through the schema itself; empty if it refuses."""
    context = Context(actor, HTTPConnection({"type": "http", "headers": []}))
    result = served.schema.execute_sync(prune(EXAMPLE % names), context_value=context)
    return (result.data or {}).get(names["field"]) or {}


def first_node(example: JSONObject, connection: str) -> JSONObject:
    """The first node of a connection; empty if there is none."""
    edges = (example.get(connection) or {}).get("edges") or [{}]
    return edges[0].get("node") or {}


def confirming_feedback(names: dict[str, str], entity: JSONObject) -> JSONObject:
    """A feedback that confirms the label of an entity."""
    input_type = cast(GraphQLInputObjectType, graphql_schema().type_map[f"{names['prefix']}FeedbackInput"])
    label = "label" if "label" in input_type.fields else "value"
    return {"about": {"entity": entity.get("key")}, label: entity.get(label)}


def mutations() -> set[str]:
    """The names of the mutations."""
    mutation = graphql_schema().mutation_type
    return set(mutation.fields) if mutation else set()


def prune(text: str) -> str:
    """A document without the fields and fragments that the schema does not have."""
    types = TypeInfo(graphql_schema())

    class Pruning(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> VisitorAction:
            return None if types.get_field_def() else REMOVE

        def enter_inline_fragment(self, node: InlineFragmentNode, *_: object) -> VisitorAction:
            condition = node.type_condition
            return None if condition and condition.name.value in graphql_schema().type_map else REMOVE

    return print_ast(visit(parse(text), TypeInfoVisitor(types, Pruning())))
