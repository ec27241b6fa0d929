"""Scalars of our own: those of column kinds that GraphQL's and Strawberry's cannot hold."""

from typing import Any

import strawberry

from learning import kinds

#: The value of `StrawberryConfig.scalar_map`, whose own type is this loose.
SCALARS: dict[object, Any] = {
    kind.python: strawberry.scalar(
        name=kind.scalar,
        description=kind.scalar_description,
        specified_by_url=kind.scalar_url,
        serialize=kind.serialize,
        parse_value=kind.parse,
    )
    for kind in kinds.registered()
    if kind.scalar_description and kind.fields
}
