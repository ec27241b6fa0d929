"""The schema that is served: of all products that can be served when it is first imported."""

from store.products import catalogue
from store.registry import served_choices

from .composition import compose_served
from .execution.execution import Schema

schema = compose_served()


def recorded() -> Schema:
    """Read and complete the record of served choices; the schema, composed again where the record says otherwise.

    The first composition needs no database: it is the schema unless a choice was removed since it was served.
    """
    global schema
    if served_choices.record(catalogue.products()):
        schema = compose_served()
    return schema
