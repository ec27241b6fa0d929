"""The cost of an operation is one number, told before anything is executed."""

import pytest
from graphql import get_introspection_query, parse

from schema.compiled import costs
from schema.schema import schema as served


def cost(document: str, operation: str | None = None, **variables: object) -> int:
    return costs.evaluated(
        costs.compile_costs(served._schema, parse(document)).by_operation[operation], variables
    )


def test_each_field_costs_one():
    assert cost("{ tumor { name description } }") == 3


def test_an_alias_costs_as_much_as_a_field():
    assert cost("{ tumor { a: name b: name c: name } }") == 4


def test_a_page_costs_its_nodes():
    page = "{ predictions(first: %s) { edges { node { id product { name } } } } }"
    assert cost(page % 50) - cost(page % 49) == 4
    assert cost(page % "null") == cost("{ predictions { edges { node { id product { name } } } } }")
    assert cost(page % 20) == cost(page % "null")


def test_pages_in_pages_multiply():
    inner = "models(first: %d) { edges { node { id } } }"
    one = cost("{ products { %s } }" % (inner % 1))
    assert cost("{ products { %s } }" % (inner % 100)) - one == 10 * 99 * 2


def test_a_variable_gives_the_size_of_a_page():
    document = "query($first: Int = 7) { predictions(first: $first) { edges { node { id } } } }"
    assert cost(document, first=100) == cost("{ predictions(first: 100) { edges { node { id } } } }")
    assert cost(document) == cost("{ predictions(first: 7) { edges { node { id } } } }")


def test_a_page_that_is_counted_from_its_end_costs_as_much():
    page = "{ predictions(%s) { edges { node { id } } nodes { id } } }"
    assert cost(page % "last: 50") == cost(page % "first: 50") == 2 + 50 * 2 + 1 + 50
    document = "query($first: Int, $last: Int) { predictions(first: $first, last: $last) { nodes { id } } }"
    assert cost(document, first=None, last=50) == cost(document, first=50) == cost(document, last=50)
    assert cost(document) == cost(document, first=20)


@pytest.mark.parametrize("wrong", [-5, 10**9, "many", None, 2.5, [1], True])
def test_a_size_that_is_refused_later_costs_no_more_than_the_largest(wrong):
    document = "query($first: Int) { predictions(first: $first) { edges { node { id } } } }"
    assert 0 < cost(document, first=wrong) <= cost(document, first=1_000)


def test_rows_that_are_predicted_cost_what_is_selected_of_each():
    document = "query($rows: [TumorPredictInput!]!) { tumor { predictMany(rows: $rows) { id label } } }"
    assert cost(document, rows=[{}] * 1_000) == 1 + 1_000 * 3
    assert cost(document, rows=[]) == 1
    assert cost(document, rows={}) == 1 + 3  # a single item stands for a list of it


def test_the_lists_of_a_payload_are_as_long_as_the_rows_of_the_input():
    payload = "{ predictions { id label } predictionEdges { cursor } product { name } }"
    document = "mutation($input: TumorPredictManyInput!) { tumorPredictMany(input: $input) " + payload + " }"
    expected = 1 + 1_000 + (1 + 1_000 * 2) + (1 + 1_000) + 2
    assert cost(document, input={"rows": [{}] * 1_000}) == expected
    inner = document.replace("$input: TumorPredictManyInput!", "$rows: [TumorPredictInput!]!")
    inner = inner.replace("input: $input", "input: {rows: $rows}")
    assert cost(inner, rows=[{}] * 1_000) == expected
    assert cost(document) == cost(document, input={"rows": []}) == cost(document, input=[5]) == 1 + 1 + 1 + 2
    keys = 'mutation { tumorPredictForMany(input: {entities: ["1", "2"]}) { predictions { id } } }'
    assert cost(keys) == 1 + 2 + (1 + 2)


def test_rows_that_stand_in_the_document_count():
    assert cost('{ tumor { predictForMany(entities: ["1", "2", "3"]) { id } } }') == 1 + 3 * 2
    assert cost('{ nodes(ids: ["1", "2"]) { id } }') == 2 * 2


def test_rows_that_are_written_cost_one_each_and_their_results():
    each = (
        "results { created predictions { id } }"  # 12 each: itself, `created`, and ten predictions with an id
    )
    document = (
        f"mutation($input: TumorFeedbackManyInput!) {{ tumorFeedbackMany(input: $input) {{ {each} }} }}"
    )
    assert cost(document, input={"inputs": [{}] * 1_000}) == 1 + 1_000 + 1 + 1_000 * 12
    assert cost("mutation { tumorUpsertMany(input: {rows: [{}, {}, {}]}) { inserted } }") == 1 + 3 + 1


def test_a_fragment_costs_where_it_is_spread():
    document = "{ tumor { ...F } wine { ...F } } fragment F on DataProduct { name title: name }"
    assert cost(document) == 6


def test_each_operation_of_a_document_has_its_cost():
    document = "query A { tumor { name } } query B { tumor { name description } }"
    assert cost(document, "A") == 2
    assert cost(document, "B") == 3


def test_introspection_costs_little_and_its_bombs_much():
    assert cost(get_introspection_query(input_value_deprecation=True), "IntrospectionQuery") < 100_000
    bomb = "name"
    for _ in range(5):
        bomb = f"fields {{ type {{ {bomb} }} }}"
    assert cost(f"{{ __schema {{ types {{ {bomb} }} }} }}") > 100_000


def test_fragments_that_multiply_are_walked_once():
    steps = " ".join(
        f"fragment F{n} on DataProduct {{ ...F{n + 1} "
        f"models {{ edges {{ node {{ product {{ ...F{n + 1} }} }} }} }} }}"
        for n in range(60)
    )
    assert cost(f"{{ tumor {{ ...F0 }} }} {steps} fragment F60 on DataProduct {{ name }}") > 20**50
