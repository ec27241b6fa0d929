"""The API as pages use it: operations are executed in this process, for the person who opened the page."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from graphql import GraphQLError
from starlette.requests import HTTPConnection

from schema.core.errors import translate_all
from schema.transport.http import GraphQLApp
from store.access.actors import Actor
from store.access.middleware import actor_of

from .operations import Operation, load

#: JSON objects, as operations take variables and answers have data.
JSONObject: TypeAlias = dict[str, Any]
#: The attribute of a request that holds what its page has asked.
ATTRIBUTE = "console_answers"


@dataclass
class Problem:
    """A fault of an operation, or of one argument of it."""

    code: str
    message: str
    #: The path of the argument in the input, as `("input", "features", "age")`; empty if it is about none.
    argument: tuple[str, ...] = ()
    #: Under which the log has an unexpected error; empty for others.
    id: str = ""
    #: Seconds after which the same may be asked again; None where that would not help.
    retry_after: float | None = None

    @classmethod
    def of(cls, error: GraphQLError) -> "Problem":
        """Get the problem of an error that is translated."""
        extensions = error.extensions or {}
        argument = tuple(map(str, extensions.get("argument", ())))
        return cls(
            code=str(extensions.get("code")),
            message=error.message,
            argument=argument,
            id=str(extensions.get("id", "")),
            retry_after=extensions.get("retryAfter"),
        )


@dataclass
class Answer:
    """An operation that a page has executed, with what came back."""

    operation: Operation
    variables: JSONObject
    data: JSONObject | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def variables_text(self) -> str:
        """The variables as JSON for people."""
        return json.dumps(self.variables, indent=2, ensure_ascii=False)

    @property
    def fragment(self) -> str:
        """The fragment of an address by which GraphiQL opens the operation: browsers send it to no server."""
        parts = {"query": self.operation.text, "variables": self.variables_text}
        return urlencode(parts, quote_via=quote)

    def curl(self, url: str) -> str:
        """Render the command by which a shell asks the same."""
        body = json.dumps({"query": self.operation.text, "variables": self.variables}, ensure_ascii=False)
        quoted = shlex.quote(body)
        return f"curl {shlex.quote(url)} -H 'Content-Type: application/json' --data {quoted}"


class Refused(Exception):
    """An operation has no answer, or not all of it."""

    def __init__(self, problems: list[Problem]):
        super().__init__(problems[0].message)
        self.problems = problems

    @property
    def code(self) -> str:
        """The code of the first problem."""
        return self.problems[0].code


class Api:
    """The application of the API in this process, from its start."""

    app: GraphQLApp | None = None

    def serve(self, app: GraphQLApp) -> None:
        """Execute the operations of pages by this application from now on."""
        self.app = app

    async def execute(self, answer: Answer, actor: Actor, connection: HTTPConnection) -> None:
        """Execute an operation, and note its data and its problems."""
        assert self.app is not None, "Pages are served by the ASGI application."
        try:
            result = await self.app.execute(answer.operation.text, answer.variables, actor, connection)
            answer.data, errors = result.data, list(result.errors or ())
        except Exception as error:
            errors = [GraphQLError(str(error), original_error=error)]
        translate_all(errors)
        answer.problems = [Problem.of(error) for error in errors]


api = Api()


def ask(request: HttpRequest, name: str | Operation, variables: Mapping[str, object] | None = None) -> Answer:
    """Execute an operation for the person of a page, by its name or as it is composed; the answer may have problems.

    The page shows it with its other operations. Variables whose value is None are left out.
    """
    answer = _note(request, load(name) if isinstance(name, str) else name, variables)
    assert isinstance(request, ASGIRequest)
    async_to_sync(api.execute)(answer, actor_of(request), HTTPConnection(dict(request.scope)))
    return answer


def announce(request: HttpRequest, name: str, variables: Mapping[str, object] | None = None) -> None:
    """List an operation with those of a page that a part of it asks once it is loaded."""
    _note(request, load(name), variables)


def _note(request: HttpRequest, operation: Operation, variables: Mapping[str, object] | None) -> Answer:
    """Add an operation to those that a page shows, without the variables that have no value."""
    values = {key: value for key, value in (variables or {}).items() if value is not None}
    answers_of(request).append(answer := Answer(operation, values))
    return answer


def fetch(
    request: HttpRequest, name: str | Operation, variables: Mapping[str, object] | None = None
) -> JSONObject:
    """Execute an operation of which all is needed, and return its data. Raises Refused."""
    answer = ask(request, name, variables)
    if answer.problems or answer.data is None:
        raise Refused(answer.problems)
    return answer.data


def answers_of(request: HttpRequest) -> list[Answer]:
    """List what the page of a request has asked so far."""
    answers: list[Answer] | None = getattr(request, ATTRIBUTE, None)
    if answers is None:
        setattr(request, ATTRIBUTE, answers := [])
    return answers
