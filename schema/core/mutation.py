"""The decorator of mutation fields, each of which is `name(input: NameInput!): NamePayload`."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import strawberry
from django.db import transaction

from learning.exceptions import ExemplarError
from store.db import deadlines
from store.exceptions import BadInput

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def mutation(description: str, graphql_type: object = None) -> Callable[[Resolver], Any]:
    """Decorate a resolver as a mutation field: one transaction, which an error rolls back, and the end of its time.

    Below it, the path of a fault begins within the input.
    """

    def decorate(resolver: Resolver) -> Any:
        @wraps(resolver)
        def resolve(*args: object, **kwargs: object) -> object:
            try:
                with transaction.atomic():
                    result = resolver(*args, **kwargs)
                    deadlines.check()  # rows that a list was stopped after must not be committed
                    return result
            except ExemplarError as refusal:
                locate_in_input(refusal)
                raise

        return strawberry.mutation(resolve, graphql_type=graphql_type, description=description)

    return decorate


def locate_in_input(refusal: ExemplarError) -> None:
    """Put `input` before the path of each fault of the input; others, as of the caller's permissions, have no path."""
    for fault in refusal.faults:
        if fault.argument or isinstance(fault, BadInput):
            fault.locate(("input",))
