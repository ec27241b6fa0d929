"""A client of the example product `diabetes`: it predicts, corrects, pages through predictions and watches a build.

It needs gql: `pip install "gql[httpx,websockets]"`. Usage: `python examples/client.py http://127.0.0.1:8000 [TOKEN]`.
"""

import sys
from typing import Any

from gql import Client, GraphQLRequest, gql
from gql.client import SyncClientSession
from gql.transport.httpx import HTTPXTransport
from gql.transport.websockets import WebsocketsTransport

EXAMPLE = gql("{ diabetes { examples(first: 1) { inputs } } }")
PREDICT = gql("query($asked: DiabetesFeatures!) { diabetes { predict(features: $asked) { id value } } }")
CORRECT = gql("mutation($said: DiabetesFeedbackInput!) { diabetesFeedback(input: $said) { created } }")
LIST = gql("""query($after: String) { diabetes { predictions(first: 50, after: $after) {
  pageInfo { hasNextPage endCursor } edges { node { createdAt value truth } } } } }""")
BUILD = gql('mutation { requestBuild(input: { product: "diabetes" }) { build { id } } }')
WATCH = gql("subscription($build: ID!) { buildProgress(build: $build) { percent message } }")


def ask(session: SyncClientSession, document: GraphQLRequest, **values: Any) -> Any:
    """Ask with these values of the document's variables. Raises TransportQueryError with the API's errors."""
    return session.execute(GraphQLRequest(document, variable_values=values))


def main(server: str, token: str = "") -> None:
    """Use the server as the owner of the token; without one, as a stranger."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    http = HTTPXTransport(f"{server}/graphql/", headers=headers)
    # With the schema at hand, gql refuses a wrong document before it is sent.
    with Client(transport=http, fetch_schema_from_transport=True) as session:
        [example] = ask(session, EXAMPLE)["diabetes"]["examples"]
        prediction = ask(session, PREDICT, asked=example["inputs"])["diabetes"]["predict"]
        print(f"Predicted {prediction['value']:.0f}.")
        ask(session, CORRECT, said={"about": {"prediction": prediction["id"]}, "value": 150})
        page = {"hasNextPage": True, "endCursor": None}
        while page["hasNextPage"]:
            listed = ask(session, LIST, after=page["endCursor"])["diabetes"]["predictions"]
            page = listed["pageInfo"]
            for edge in listed["edges"]:
                print("{createdAt}: predicted {value:.0f}, in truth {truth}".format(**edge["node"]))
        build = ask(session, BUILD)["requestBuild"]["build"]["id"]
    socket = WebsocketsTransport(f"{server}/graphql/".replace("http", "ws", 1), init_payload=headers)
    watch = GraphQLRequest(WATCH, variable_values={"build": build})
    for event in Client(transport=socket).subscribe(watch):
        print("{percent:3.0f} % {message}".format(**event["buildProgress"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
