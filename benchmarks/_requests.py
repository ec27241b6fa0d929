"""Requests for predictions of a product, made of a row of its table; one number differs from request to request."""

import json
from collections.abc import Mapping
from typing import Any

from schema.core import names
from store.db.pagination import PageRequest
from store.entities import entities
from store.products.choices import name_choices
from store.products.product import DataProduct

Features = Mapping[str, Any]

#: The feature of each product that varies; it has no upper limit.
VARIED = {"tumor": "mean_area", "mixed": "minutes"}
ANSWER = "id label confidence probabilities { label probability } timesAsked model { number family }"


def get_features(product: DataProduct) -> Features:
    """Get the features of the first row without a missing value."""
    rows = entities.page(product, PageRequest(first=100)).nodes
    return next(row.features for row in rows if None not in row.features.values())


def render_request(product: DataProduct) -> str:
    """Render a request of the API for one prediction."""
    kind = f"{names.prefix(product.name)}Features"
    query = f"query Ask($features: {kind}!) {{ {product.name} {{ predict(features: $features) {{ {ANSWER} }} }} }}"
    return json.dumps(
        {"query": query, "variables": {"features": encode_features(product, get_features(product))}}
    )


def render_batch_request(product: DataProduct, size: int, first: int) -> bytes:
    """Render a request of the API for `size` predictions; the varied feature counts from `first`."""
    kind = f"{names.prefix(product.name)}PredictInput"
    query = f"query Ask($rows: [{kind}!]!) {{ {product.name} {{ predictMany(rows: $rows) {{ {ANSWER} }} }} }}"
    features, varied = encode_features(product, get_features(product)), names.field(VARIED[product.name])
    rows = [{"features": {**features, varied: first + number}} for number in range(size)]
    return json.dumps({"query": query, "variables": {"rows": rows}}).encode()


def encode_features(product: DataProduct, features: Features) -> Features:
    """Encode features for the API: names in camel case, enums by their members' names."""
    enums = {
        column.name: {choice.value: name for name, choice in name_choices(column.choices).items()}
        for column in product.inputs
        if column.choices
    }
    return {
        names.field(name): enums.get(name, {}).get(value, value)
        for name, value in features.items()
        if name in product.input_names
    }
