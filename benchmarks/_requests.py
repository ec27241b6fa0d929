"""What is asked of a product: a row of its table, as our API and as others take it, each time another number in it."""

import json
from collections.abc import Mapping
from typing import Any

from schema.core import names
from store.entities import entities
from store.products.product import DataProduct

Features = Mapping[str, Any]

#: A number of each product that has no upper limit.
VARIED = {"tumor": "mean_area", "mixed": "minutes"}
ANSWER = "id label confidence probabilities { label probability } timesAsked model { number family }"


def features(product: DataProduct) -> Features:
    """Of the first row that lacks none."""
    rows = entities.page(product, 100, None).nodes
    return next(row.features for row in rows if None not in row.features.values())


def text(product: DataProduct) -> str:
    """A request of our API for one prediction."""
    kind = f"{names.prefix(product.name)}Features"
    query = f"query Ask($features: {kind}!) {{ {product.name} {{ predict(features: $features) {{ {ANSWER} }} }} }}"
    return json.dumps({"query": query, "variables": {"features": spelled(product, features(product))}})


def batch(product: DataProduct, size: int, first: int) -> bytes:
    """A request of our API for many; no other has the same rows where `first` is another multiple of `size`."""
    kind = f"{names.prefix(product.name)}PredictInput"
    query = f"query Ask($rows: [{kind}!]!) {{ {product.name} {{ predictMany(rows: $rows) {{ {ANSWER} }} }} }}"
    one, varied = spelled(product, features(product)), names.field(VARIED[product.name])
    rows = [{"features": {**one, varied: first + number}} for number in range(size)]
    return json.dumps({"query": query, "variables": {"rows": rows}}).encode()


def spelled(product: DataProduct, found: Features) -> Features:
    """Features as our API has them: camel case, enums by their members' names."""
    enums = {
        column.name: {choice.value: name for name, choice in names.members(column.choices).items()}
        for column in product.columns
        if column.choices
    }
    return {names.field(name): enums.get(name, {}).get(value, value) for name, value in found.items()}
