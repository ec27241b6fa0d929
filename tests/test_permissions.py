"""The permission matrix: every kind of caller asks a running server for every field, on every transport."""

import json
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from docs import permissions
from docs.permissions import ALLOWED, FORBIDDEN, GRANTEES, UNAUTHENTICATED, Field, Grantee
from schema.core import ids
from tests.system import ROOT, System
from tests.waiting import PATIENCE

#: By field, what is asked about the example product. Whoever is let in changes nothing, or is refused all the same.
DOCUMENTS = {
    "Query.node": "{ node(id: $product) { __typename } }",
    "Query.nodes": "{ nodes(ids: [$product]) { __typename } }",
    "Query.viewer": "{ viewer { name } }",
    "Query.products": "{ products { name } }",
    "Query.product": '{ product(name: "tumor") { name } }',
    "Query.build": "{ build(id: $build) { number } }",
    "Query.modelVersion": "{ modelVersion(id: $champion) { number } }",
    "Query.predictions": '{ predictions(first: 1, filter: {product: "tumor"}) { edges { node { id } } } }',
    "Query.job": "{ job(id: $build) { status } }",
    "Query.models": "{ models(first: 1) { nodes { number } } }",
    "Query.builds": "{ builds(first: 1) { nodes { number } } }",
    "Query.jobs": "{ jobs(first: 1) { nodes { status } } }",
    "Query.feedback": "{ feedback(first: 1) { nodes { author } } }",
    "Query.tokens": "{ tokens { nodes { prefix } } }",
    "Query.auditLog": '{ auditLog(first: 1, filter: {product: "tumor"}) { edges { cursor } } }',
    "Query.receivers": '{ receivers(first: 1, filter: {product: "tumor"}) { nodes { id } } }',
    "Query.refusedProducts": "{ refusedProducts { name reason } }",
    "Query.tumor": "{ tumor { name viewerPermissions } }",
    "TumorProduct.predict": "{ tumor { predict(features: $features) { id } } }",
    "TumorProduct.predictMany": "{ tumor { predictMany(rows: [{features: $features}]) { id } } }",
    "TumorProduct.predictFor": "{ tumor { predictFor(entity: $key) { id } } }",
    "TumorProduct.predictForMany": "{ tumor { predictForMany(entities: [$key]) { id } } }",
    "TumorProduct.champion": "{ tumor { champion { number } } }",
    "TumorProduct.model": "{ tumor { model(number: 1) { number } } }",
    "TumorProduct.models": "{ tumor { models(first: 1) { edges { node { number } } } } }",
    "TumorProduct.build": "{ tumor { build(number: 1) { number } } }",
    "TumorProduct.builds": "{ tumor { builds(first: 1) { edges { node { number } } } } }",
    "TumorProduct.jobs": "{ tumor { jobs(first: 1) { nodes { status } } } }",
    "TumorProduct.feedback": "{ tumor { feedback(first: 1) { nodes { author } } } }",
    "TumorProduct.promotions": "{ tumor { promotions(first: 1) { edges { cursor } } } }",
    "TumorProduct.trial": "{ tumor { trial { kind } } }",
    "TumorProduct.trials": "{ tumor { trials(first: 1) { nodes { kind } } } }",
    "TumorProduct.pendingPromotion": "{ tumor { pendingPromotion { message } } }",
    "TumorProduct.retraining": "{ tumor { retraining { __typename } } }",
    "TumorProduct.settings": "{ tumor { settings { promotion } } }",
    "TumorProduct.predictions": "{ tumor { predictions(first: 1) { edges { node { id } } } } }",
    "TumorProduct.genericPredictions": '{ product(name: "tumor") { genericPredictions(first: 1) { nodes { id } } } }',
    "TumorProduct.genericFeedback": '{ product(name: "tumor") { genericFeedback(first: 1) { nodes { id } } } }',
    "TumorProduct.nextToLabel": "{ tumor { nextToLabel(first: 1) { nodes { position reason } } } }",
    "TumorProduct.genericNextToLabel": '{ product(name: "tumor") { genericNextToLabel(first: 1) { totalCount } } }',
    "TumorProduct.genericEntities": '{ product(name: "tumor") { genericEntities(first: 1) { nodes { key } } } }',
    "TumorProduct.entity": "{ tumor { entity(key: $key) { key } } }",
    "TumorProduct.predictionCounts": "{ tumor { predictionCounts(by: [DAY]) { count } } }",
    "TumorProduct.genericPredictionCounts": "{ tumor { genericPredictionCounts(by: [LABEL]) { count } } }",
    "TumorProduct.feedbackCounts": "{ tumor { feedbackCounts(by: [DAY]) { count } } }",
    "TumorProduct.featureHistogram": """{ tumor { featureHistogram(feature: "meanRadius", of: [ENTITIES])
        { bins { entities } } } }""",
    "TumorProduct.buildCounts": "{ tumor { buildCounts(by: [DAY]) { count } } }",
    "TumorProduct.quality": "{ tumor { quality { predictions } } }",
    "TumorProduct.examples": "{ tumor { examples(first: 1) { inputs } } }",
    "TumorProduct.entities": "{ tumor { entities(first: 1) { edges { node { key } } } } }",
    "Mutation.createToken": """mutation { createToken(input: {name: "made", permissions: [VIEW], products: ["tumor"],
        days: 1}) { __typename } }""",
    "Mutation.rotateToken": "mutation { rotateToken(input: {prefix: $token}) { __typename } }",
    "Mutation.revokeToken": "mutation { revokeToken(input: {prefix: $token}) { __typename } }",
    "Mutation.grant": """mutation { grant(input: {grantee: "nobody-in-particular", permissions: [VIEW],
        product: "tumor"}) { __typename } }""",
    "Mutation.revoke": """mutation { revoke(input: {grantee: "nobody-in-particular", permissions: [VIEW],
        product: "tumor"}) { __typename } }""",
    "Mutation.createWebhook": """mutation { createWebhook(input: {product: "tumor", url: "ftp://nowhere",
        events: [BUILD_ENDED]}) { secret } }""",
    "Mutation.createEmailAlert": """mutation { createEmailAlert(input: {product: "tumor", address: "nobody",
        events: [BUILD_ENDED]}) { __typename } }""",
    "Mutation.changeReceiver": "mutation { changeReceiver(input: {receiver: $receiver}) { __typename } }",
    "Mutation.rotateReceiverSecret": "mutation { rotateReceiverSecret(input: {receiver: $receiver}) { secret } }",
    "Mutation.deleteReceiver": "mutation { deleteReceiver(input: {receiver: $receiver}) { deletedId } }",
    "Mutation.testReceiver": "mutation { testReceiver(input: {receiver: $receiver}) { __typename } }",
    "Mutation.resendDelivery": "mutation { resendDelivery(input: {delivery: $delivery}) { __typename } }",
    "Mutation.requestBuild": """mutation { requestBuild(input: {product: "tumor", options: {candidates: 0}}) {
        started } }""",
    "Mutation.cancelJob": "mutation { cancelJob(input: {job: $build}) { __typename } }",
    "Mutation.scoreTable": 'mutation { scoreTable(input: {product: "tumor"}) { __typename } }',
    "Mutation.compareModels": """mutation { compareModels(input: {product: "tumor", models: [$champion]}) {
        __typename } }""",
    "Mutation.promote": 'mutation { promote(input: {model: $champion, reason: " "}) { __typename } }',
    "Mutation.rollback": """mutation { rollback(input: {product: "tumor", champion: $champion, reason: " "}) {
        __typename } }""",
    "Mutation.startShadow": 'mutation { startShadow(input: {model: $champion, reason: " "}) { __typename } }',
    "Mutation.startSplit": """mutation { startSplit(input: {product: "tumor", model: $champion, share: 2,
        reason: " "}) {
        __typename } }""",
    "Mutation.endTrial": 'mutation { endTrial(input: {product: "tumor", reason: " "}) { __typename } }',
    "Mutation.deletePredictions": """mutation { deletePredictions(input: {
        filter: {product: "tumor", createdAt: {lt: "2000-01-01T00:00:00Z"}}, dryRun: true}) { __typename } }""",
    "Mutation.erase": """mutation { erase(input: {product: "tumor", entity: "nobody", dryRun: true})
        { __typename } }""",
    "Mutation.predict": """mutation { predict(input: {product: "tumor", features: $features})
        { prediction { id } } }""",
    "Mutation.feedback": """mutation { feedback(
        input: {product: "tumor", about: {reference: "unheard of"}, answer: "BENIGN"}) { created } }""",
    "Mutation.claimCase": 'mutation { claimCase(input: {product: "tumor", cases: []}) { position } }',
    "Mutation.feedbackRetract": """mutation { feedbackRetract(input: {product: "tumor", feedback: $build})
        { created } }""",
    "Mutation.tumorPredict": "mutation { tumorPredict(input: {features: $features}) { prediction { id } } }",
    "Mutation.tumorPredictMany": """mutation { tumorPredictMany(input: {rows: [{features: $features}]})
        { predictions { id } } }""",
    "Mutation.tumorPredictFor": "mutation { tumorPredictFor(input: {entity: $key}) { prediction { id } } }",
    "Mutation.tumorPredictForMany": """mutation { tumorPredictForMany(input: {entities: [$key]})
        { predictions { id } } }""",
    "Mutation.tumorCreate": """mutation { tumorCreate(input: {key: $key, features: $features,
        at: "2024-01-01T00:00:00Z"}) { created } }""",
    "Mutation.tumorReplace": """mutation { tumorReplace(input: {key: $key, features: $features,
        at: "2024-01-01T00:00:00Z", version: "stale"}) { created } }""",
    "Mutation.tumorPatch": 'mutation { tumorPatch(input: {entity: $key, version: "stale"}) { created } }',
    "Mutation.tumorUpsertMany": "mutation { tumorUpsertMany(input: {rows: []}) { inserted } }",
    "Mutation.tumorDelete": "mutation { tumorDelete(input: {entity: $key, dryRun: true}) { deletedId } }",
    "Mutation.tumorFeedback": """mutation { tumorFeedback(input: {about: {reference: "unheard of"}, label: BENIGN})
        { created } }""",
    "Mutation.tumorFeedbackMany": "mutation { tumorFeedbackMany(input: {inputs: []}) { results { created } } }",
    "Mutation.tumorFeedbackRetract": "mutation { tumorFeedbackRetract(input: {feedback: $build}) { created } }",
    "Subscription.buildProgress": "subscription { buildProgress(build: $build) { percent } }",
    "Subscription.jobProgress": "subscription { jobProgress(job: $build) { status } }",
    "Subscription.builds": 'subscription { builds(product: "tumor") { number } }',
    "Subscription.promotions": 'subscription { promotions(product: "tumor") { __typename } }',
    # Whoever is let in is told that the cursor is none, instead of waiting for an event.
    "Subscription.predictionStored": 'subscription { predictionStored(product: "tumor", after: "x") { cursor } }',
    "Subscription.feedbackGiven": 'subscription { feedbackGiven(product: "tumor", after: "x") { cursor } }',
    "Subscription.qualityChanged": 'subscription { qualityChanged(product: "tumor") { name } }',
    "Subscription.productChanged": 'subscription { productChanged(product: "tumor", after: "x") { cursor } }',
}
#: The streams that never end by themselves, and have events only while something happens.
ENDLESS = {"Subscription.builds", "Subscription.promotions", "Subscription.qualityChanged"}
FIELDS = permissions.list_fields()

#: Run in the system, behind `GRANTEES`, whose module would load the schema: makes the callers, and prints their
#: credentials.
MAKE = """
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from store.access import programs
from store.access.models import User
from store.access.permissions import Permission
from store.models import Delivery, Receiver
made = {}
for title, kind, group, superuser, grants in GRANTEES:
    if kind == "person":
        user = User.objects.create_user(f"the-{title}", is_staff=True, is_superuser=superuser)
        if group:
            user.groups.add(Group.objects.get(name=group))
        session = import_module(settings.SESSION_ENGINE).SessionStore()
        session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session.save()
        made[title] = session.session_key
    elif kind == "program":
        [(product, allowed)] = grants.items()
        made[title] = programs.make_token(
            f"the-{title}", created_by="a test", permissions=[*map(Permission, allowed)], products=[product]
        ).secret
User.objects.create_user("nobody-in-particular")
token = programs.make_token(
    "the-owner", created_by="a test", permissions=[Permission.PREDICT], products=["tumor"]
).token
# Of e-mail, which has no secret to rotate, and no server here.
receiver = Receiver.objects.create(
    product="tumor", email="nobody@example.org", kinds=["build.ended"], created_by="a test"
)
delivery = Delivery.objects.record_test(receiver)
rows = {"receiver": receiver.pk, "delivery": delivery.pk}
print(json.dumps({"callers": made, "token": token.prefix, **rows}))
"""
ABOUT = """{ tumor { id champion { id } builds(first: 1, filter: {status: {eq: SUCCEEDED}}) { edges { node { id } } }
    models(first: 9) { edges { node { id status } } } features { name minimum }
    entities(first: 1) { edges { node { key } } } } }"""


def list_traits(grantee: Grantee) -> tuple[Any, ...]:
    """The title, kind, group, `superuser` and the grants by product, of plain values."""
    grants = {product: sorted(map(str, allowed)) for product, allowed in grantee.grants.by_product.items()}
    return grantee.title, grantee.kind, grantee.group, grantee.superuser, grants


class Callers:
    """The callers of the matrix, and what they ask for."""

    def __init__(self, system: System):
        self.url = system.url
        grantees = [list_traits(grantee) for grantee in GRANTEES]
        made = json.loads(system.call("shell", "-c", f"GRANTEES = {grantees}\n{MAKE}").splitlines()[-1])
        self.credentials: Mapping[str, str] = made["callers"]
        self.client = httpx.Client(base_url=system.url, trust_env=False, timeout=PATIENCE)
        self.csrf = secrets.token_hex(16)
        [superuser] = [grantee for grantee in GRANTEES if grantee.superuser]
        self.superuser = superuser
        tumor = self.post(superuser, ABOUT)["data"]["tumor"]
        self.models = [edge["node"]["id"] for edge in tumor["models"]["edges"]]
        features = {feature["name"]: feature["minimum"] or 1.0 for feature in tumor["features"]}
        self.values = {
            "$product": json.dumps(tumor["id"]),
            "$champion": json.dumps(tumor["champion"]["id"]),
            "$build": json.dumps(tumor["builds"]["edges"][0]["node"]["id"]),
            "$key": json.dumps(tumor["entities"]["edges"][0]["node"]["key"]),
            "$token": json.dumps(made["token"]),
            "$receiver": json.dumps(ids.encode("Receiver", str(made["receiver"]))),
            "$delivery": json.dumps(ids.encode("Delivery", str(made["delivery"]))),
            "$features": f"{{{', '.join(f'{name}: {value}' for name, value in features.items())}}}",
        }

    def document(self, field: Field) -> str:
        text = DOCUMENTS[field.name]
        for name, value in self.values.items():
            text = text.replace(name, value)
        return text

    def headers(self, grantee: Grantee) -> dict[str, str]:
        credential = self.credentials.get(grantee.title)
        match grantee.kind:
            case "program":
                return {"Authorization": f"Bearer {credential}"}
            case "person":
                cookies = f"sessionid={credential}; csrftoken={self.csrf}"
                return {"Cookie": cookies, "X-CSRFToken": self.csrf}
        return {}

    def post(self, grantee: Grantee, query: str) -> Any:
        return self.client.post("/graphql/", json={"query": query}, headers=self.headers(grantee)).json()

    @contextmanager
    def stream(self, grantee: Grantee, field: Field) -> Iterator[Iterator[Any]]:
        """What server-sent events hold, or the response where there are none."""
        headers = self.headers(grantee) | {"Accept": "text/event-stream"}
        body = {"query": self.document(field)}
        with self.client.stream("POST", "/graphql/", json=body, headers=headers) as response:
            if response.headers["content-type"].startswith("text/event-stream"):
                lines = (
                    line.removeprefix("data: ")
                    for line in response.iter_lines()
                    if line.startswith("data: {")
                )
                yield map(json.loads, lines)
            else:
                response.read()
                yield iter([response.json()])

    @contextmanager
    def socket(self, grantee: Grantee) -> Iterator[ClientConnection]:
        """An open socket. Raises ConnectionClosed, InvalidStatus for a caller who may do nothing."""
        url = f"{self.url.replace('http', 'ws')}/graphql/"
        protocols: Any = ["graphql-transport-ws"]
        headers = self.headers(grantee)
        with connect(url, subprotocols=protocols, additional_headers=headers, proxy=None) as socket:
            socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(socket.recv(PATIENCE))["type"] == "connection_ack"
            yield socket

    def subscribe(self, socket: ClientConnection, field: Field) -> None:
        payload = {"query": self.document(field)}
        socket.send(json.dumps({"type": "subscribe", "id": field.name, "payload": payload}))


@pytest.fixture(scope="session")
def callers(closed_exemplar: System) -> Iterator[Callers]:
    callers = Callers(closed_exemplar)
    yield callers
    callers.client.close()


def outcome_of(body: Mapping[str, Any]) -> str:
    """The cell of a response; an error with another code comes from whoever was let in."""
    codes = {error["extensions"]["code"] for error in body.get("errors") or ()}
    assert "INTERNAL" not in codes, body
    return next((code for code in (UNAUTHENTICATED, FORBIDDEN) if code in codes), ALLOWED)


def message_outcome(message: Mapping[str, Any]) -> str:
    """The cell of a message of a socket: of the errors before execution, of a result, or of the end without one."""
    payload = message.get("payload")
    return outcome_of({"errors": payload} if isinstance(payload, list) else payload or {})


def wrong_cells(ask: Callable[[Grantee, Field], str], fields: list[Field]) -> list[str]:
    """The cells whose outcome is not the one of the matrix."""
    return [
        f"{grantee.title} × {field.name}: {outcome}, not {wanted}"
        for grantee in GRANTEES
        for field in fields
        if (outcome := ask(grantee, field)) != (wanted := permissions.compute_outcome(field, grantee))
    ]


def test_every_field_of_a_root_type_has_a_rule_and_a_document() -> None:
    assert permissions.list_undeclared() == []
    assert [field.name for field in FIELDS if field.name not in DOCUMENTS] == []


def test_the_page_is_current() -> None:
    # After a change that is meant: .venv/bin/python -m docs.generate
    assert (ROOT / "docs" / "reference" / "permissions.md").read_text() == permissions.render()


def test_every_cell_over_http(callers: Callers) -> None:
    def ask(grantee: Grantee, field: Field) -> str:
        return outcome_of(callers.post(grantee, callers.document(field)))

    assert wrong_cells(ask, [field for field in FIELDS if not field.is_stream]) == []


def test_a_stream_is_refused_to_everybody_over_plain_http(callers: Callers) -> None:
    for grantee in GRANTEES:
        for field in FIELDS:
            if field.is_stream:
                body = callers.post(grantee, callers.document(field))
                assert "data" not in body and body["errors"], (grantee.title, field.name)


def one_of_each_rule(fields: Iterable[Field]) -> list[Field]:
    """One field for each rule of each root type."""
    return list({(field.name.partition(".")[0], field.needs): field for field in fields}.values())


#: The rules do not know the transport: beside plain HTTP, fields with the same rule are slow.
CHOICES = [
    pytest.param(one_of_each_rule, id="a field of each rule"),
    pytest.param(list, id="every field", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("choose", CHOICES)
def test_every_cell_over_server_sent_events(
    callers: Callers, choose: Callable[[Iterable[Field]], list[Field]]
) -> None:
    def ask(grantee: Grantee, field: Field) -> str:
        with callers.stream(grantee, field) as results:
            return next(filter(ALLOWED.__ne__, map(outcome_of, results)), ALLOWED)

    assert wrong_cells(ask, choose(field for field in FIELDS if field.name not in ENDLESS)) == []


@pytest.mark.parametrize("choose", CHOICES)
def test_every_cell_over_a_websocket(
    callers: Callers, choose: Callable[[Iterable[Field]], list[Field]]
) -> None:
    fields = choose(field for field in FIELDS if field.name not in ENDLESS)

    def ask(grantee: Grantee, field: Field) -> str:
        try:
            with callers.socket(grantee) as socket:
                callers.subscribe(socket, field)
                return message_outcome(json.loads(socket.recv(PATIENCE)))
        except (ConnectionClosed, InvalidStatus):
            return grantee.refusal

    admitted = [grantee for grantee in GRANTEES if not grantee.grants.is_empty]
    outcomes = {
        (grantee.title, field.name): ask(grantee, field)
        for grantee in GRANTEES
        if grantee not in admitted
        for field in fields
    }
    for grantee in admitted:
        with callers.socket(grantee) as socket:
            for field in fields:
                callers.subscribe(socket, field)
                message = json.loads(socket.recv(PATIENCE))
                outcomes[grantee.title, field.name] = message_outcome(message)
                while message["type"] == "next":
                    message = json.loads(socket.recv(PATIENCE))
                assert message["id"] == field.name and message["type"] in ("complete", "error")
    assert wrong_cells(lambda grantee, field: outcomes[grantee.title, field.name], fields) == []


@contextmanager
def happening(callers: Callers) -> Iterator[None]:
    """Promotions and builds, one after the other, so that endless streams have events."""
    ended = threading.Event()
    request = """mutation { requestBuild(input: {product: "tumor", options: {candidates: 1, families: ["baseline"]}})
        { build { id } } }"""

    def happen() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            model = callers.models[number % len(callers.models)]
            callers.post(
                callers.superuser,
                f'mutation {{ promote(input: {{model: "{model}", reason: "A test."}}) {{ __typename }} }}',
            )
            build = callers.post(callers.superuser, request)["data"]["requestBuild"]["build"]["id"]
            callers.post(
                callers.superuser, f'mutation {{ cancelJob(input: {{job: "{build}"}}) {{ __typename }} }}'
            )

    thread = threading.Thread(target=happen)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(PATIENCE)


def test_every_cell_of_an_endless_stream(callers: Callers) -> None:
    fields = [field for field in FIELDS if field.name in ENDLESS]

    def ask_stream(grantee: Grantee, field: Field) -> str:
        with callers.stream(grantee, field) as results:
            return outcome_of(next(results))

    def ask_socket(grantee: Grantee, field: Field) -> str:
        try:
            with callers.socket(grantee) as socket:
                callers.subscribe(socket, field)
                return message_outcome(json.loads(socket.recv(PATIENCE)))
        except (ConnectionClosed, InvalidStatus):
            return grantee.refusal

    with happening(callers):
        assert wrong_cells(ask_stream, fields) == []
        assert wrong_cells(ask_socket, fields) == []


def test_every_cell_of_the_admin(callers: Callers) -> None:
    outcomes = {200: ALLOWED, 302: UNAUTHENTICATED, 403: FORBIDDEN}
    wrong = [
        f"{grantee.title} × {page.path}: {status}"
        for grantee in GRANTEES
        for page in permissions.list_pages()
        if outcomes[status := callers.client.get(page.path, headers=callers.headers(grantee)).status_code]
        != permissions.compute_page(page, grantee)
    ]
    assert wrong == []
