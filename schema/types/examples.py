"""Examples: whole feature sets to fill a form with."""

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from store.snapshots.typical import DEFAULT_EXAMPLES, MOST_EXAMPLES

FirstExamples = Annotated[
    int | None,
    strawberry.argument(
        description=f"The number of examples: 1 to {MOST_EXAMPLES}, by default {DEFAULT_EXAMPLES}. There may be fewer."
    ),
]


@strawberry.interface(
    description="The features of a typical row that the champion has learned from, to fill a form with. It does not "
    "say whose they are."
)
class Example:
    inputs: JSON = strawberry.field(
        description="The inputs as a client sends them in `features`: an object by the fields of the product's input."
    )
