"""Schema changes: what a deploy breaks for clients of the schema that was served last."""

from collections.abc import Iterator

from graphql import GraphQLSchema, build_schema
from graphql.utilities import find_breaking_changes, find_dangerous_changes

from store.registry.deploy_checks import SCHEMA, DeployFinding

#: What follows from a change that breaks queries, and from one that does not.
REFUSED = "Requests that use it will be refused."
NOT_REFUSED = "No request is refused; generate typed clients again."


def check_schema(served: str | None, new: GraphQLSchema) -> Iterator[DeployFinding]:
    """Compare the schema that was served last, as SDL, with the one of this code.

    Args:
        served: None if no schema was recorded yet.
    """
    if served is None:
        text = (
            "No schema was recorded yet, so nothing can be compared: a web process records it when it starts."
        )
        yield DeployFinding(SCHEMA, text, breaks=False)
        return
    old = build_schema(served, assume_valid=True)
    for breaking in find_breaking_changes(old, new):
        text = f"{_sentence(breaking.description)} {REFUSED}"
        yield DeployFinding(SCHEMA, text, breaks=True)
    for dangerous in find_dangerous_changes(old, new):
        text = f"{_sentence(dangerous.description)} {NOT_REFUSED}"
        yield DeployFinding(SCHEMA, text, breaks=False)


def _sentence(description: str) -> str:
    return description if description.endswith(".") else f"{description}."
