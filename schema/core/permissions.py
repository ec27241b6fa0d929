"""Permissions of the API: which one each root field needs, and which fields lead to what only a viewer may read.

This table is the only place that says so. It is enforced where a field is resolved; a document whose every need is met
is executed without further checks, on the fast path and by columns. The store checks every write once more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    is_abstract_type,
    is_object_type,
    visit,
)

from store.access.actors import Actor
from store.access.permissions import Permission
from store.db import threads
from store.products.product import DataProduct

from . import ids, names
from .context import Context

VIEW, PREDICT, FEEDBACK, BUILD = Permission.VIEW, Permission.PREDICT, Permission.FEEDBACK, Permission.BUILD


@dataclass(frozen=True)
class Rule:
    """Need of a field: one of these permissions on the product that it is about."""

    any_of: tuple[Permission, ...]
    #: And each of these.
    all_of: tuple[Permission, ...] = ()
    #: True where the resolver or the store finds out about which product it is, and checks it there.
    inside: bool = False


def rule(*any_of: Permission, inside: bool = False) -> Rule:
    """Make the rule of a field that needs one of these permissions."""
    return Rule(any_of, inside=inside)


#: Any permission on the product, or on one of them.
ANY = rule(*Permission)
ANY_INSIDE = rule(*Permission, inside=True)

QUERY: Mapping[str, Rule] = {
    "node": ANY_INSIDE,
    "nodes": ANY_INSIDE,
    "viewer": ANY_INSIDE,
    "products": ANY_INSIDE,
    "product": ANY_INSIDE,
    "build": rule(VIEW, BUILD, inside=True),
    "modelVersion": rule(VIEW, inside=True),
    "job": rule(VIEW, BUILD, inside=True),
    "predictions": rule(VIEW, PREDICT, inside=True),
    "models": rule(VIEW, inside=True),
    "builds": rule(VIEW, BUILD, inside=True),
    "jobs": rule(VIEW, BUILD, FEEDBACK, inside=True),
    "feedback": rule(VIEW, inside=True),
    "tokens": rule(Permission.ADMINISTER, inside=True),
    "auditLog": rule(Permission.ADMINISTER, inside=True),
    "receivers": rule(Permission.ADMINISTER, inside=True),
    "refusedProducts": rule(VIEW, inside=True),
}
MUTATION: Mapping[str, Rule] = {
    "requestBuild": rule(BUILD, inside=True),
    "cancelJob": rule(BUILD, inside=True),
    "scoreTable": rule(BUILD, inside=True),
    "compareModels": rule(BUILD, inside=True),
    "promote": rule(Permission.PROMOTE, inside=True),
    "rollback": rule(Permission.PROMOTE, inside=True),
    **dict.fromkeys(("startShadow", "startSplit", "endTrial"), rule(Permission.PROMOTE, inside=True)),
    "deletePredictions": rule(Permission.DELETE, inside=True),
    "erase": rule(Permission.ERASE, inside=True),
    "predict": rule(PREDICT, inside=True),
    **dict.fromkeys(("feedback", "feedbackRetract", "claimCase"), rule(FEEDBACK, inside=True)),
    **dict.fromkeys(("grant", "revoke"), rule(Permission.ADMINISTER, inside=True)),
    **dict.fromkeys(
        (
            "createWebhook",
            "createEmailAlert",
            "changeReceiver",
            "rotateReceiverSecret",
            "deleteReceiver",
            "testReceiver",
            "resendDelivery",
        ),
        rule(Permission.ADMINISTER, inside=True),
    ),
    # Whoever owns a token may change it, and people make their own.
    **dict.fromkeys(("createToken", "rotateToken", "revokeToken"), ANY_INSIDE),
}
SUBSCRIPTION: Mapping[str, Rule] = {
    "buildProgress": rule(VIEW, BUILD, inside=True),
    "jobProgress": rule(VIEW, BUILD, inside=True),
    "builds": rule(VIEW, inside=True),
    "promotions": rule(VIEW, inside=True),
    "predictionStored": rule(VIEW, PREDICT, inside=True),
    "feedbackGiven": rule(VIEW, inside=True),
    "productChanged": rule(VIEW, inside=True),
    "qualityChanged": rule(VIEW, inside=True),
}
#: The query's field of a product, and a product's mutations by the ends of their names.
PRODUCT_QUERY = ANY
PRODUCT_MUTATION: Mapping[str, Rule] = {
    **dict.fromkeys(("Predict", "PredictMany"), rule(PREDICT)),
    # They show a row of the team's tables.
    **dict.fromkeys(("PredictFor", "PredictForMany"), Rule((PREDICT,), (VIEW,))),
    **dict.fromkeys(
        ("Create", "Replace", "Patch", "UpsertMany", "Feedback", "FeedbackMany", "FeedbackRetract"),
        rule(FEEDBACK),
    ),
    "Delete": Rule((FEEDBACK,), (Permission.DELETE,)),
}

#: By type, without the product's prefix, the fields below the root that need a permission on the product.
FIELDS: Mapping[str, Mapping[str, Rule]] = {
    "Product": {
        **dict.fromkeys(("predict", "predictMany"), rule(PREDICT)),
        # They show a row of the team's tables.
        **dict.fromkeys(("predictFor", "predictForMany"), Rule((PREDICT,), (VIEW,))),
        **dict.fromkeys(
            (
                "champion",
                "model",
                "models",
                "promotions",
                "pendingPromotion",
                "trial",
                "trials",
                "retraining",
                "settings",
                "entity",
                "entities",
                "examples",
                "genericEntities",
                "genericFeedback",
                "feedback",
                # It shows predictions and rows; whoever may only give feedback knows what to label.
                "nextToLabel",
                "genericNextToLabel",
            ),
            rule(VIEW),
        ),
        **dict.fromkeys(("predictions", "genericPredictions"), rule(VIEW, PREDICT)),
        **dict.fromkeys(("predictionCounts", "genericPredictionCounts"), rule(VIEW)),
        **dict.fromkeys(("feedbackCounts", "featureHistogram", "quality"), rule(VIEW)),
        **dict.fromkeys(("build", "builds", "buildCounts"), rule(VIEW, BUILD)),
        "jobs": rule(VIEW, BUILD, FEEDBACK),
    },
    "Prediction": {
        **dict.fromkeys(("entity", "feedback", "truth", "truthText", "disputed"), rule(VIEW)),
        **dict.fromkeys(("others", "genericOthers", "wouldBe", "genericWouldBe"), rule(VIEW)),
        # It answers what a caller may ask in any case.
        "whatIf": rule(VIEW, PREDICT),
    },
    "Entity": dict.fromkeys(
        ("features", "featureValues", "label", "labelText", "truth", "truthText", "at", "predictions"),
        rule(VIEW),
    ),
    "Feedback": dict.fromkeys(("prediction", "entity"), rule(VIEW)),
    **dict.fromkeys(
        ("FeedbackPayload", "FeedbackRetractPayload"),
        dict.fromkeys(("prediction", "predictions", "entity"), rule(VIEW)),
    ),
    **dict.fromkeys(
        ("CreatePayload", "ReplacePayload", "PatchPayload"),
        dict.fromkeys(("entity", "entityEdge"), rule(VIEW)),
    ),
    "UpsertManyPayload": {"entityEdges": rule(VIEW)},
    "Promotion": {"comparison": rule(VIEW)},
    "ModelVersion": dict.fromkeys(
        ("build", "snapshot", "diagnostics", "intervals", "scores", "quality"), rule(VIEW)
    ),
    "Build": dict.fromkeys(("snapshot", "candidates"), rule(VIEW)),
    "Comparison": dict.fromkeys(("models", "flips"), rule(VIEW)),
    "SnapshotTaken": {"snapshot": rule(VIEW)},
    "DiagnosticDrawn": {"diagnostic": rule(VIEW)},
    "FeaturesAnalysed": {"findings": rule(VIEW)},
}

#: A need of a document: one of these permissions on a product; None: on whichever product it turns out to be about.
Need: TypeAlias = tuple[tuple[Permission, ...], str | None]


class FieldRule(NamedTuple):
    """The rule of a field, and the product that its type belongs to; None for types of all products."""

    rule: Rule
    product: str | None


class Rules:
    """The rules of one schema's fields."""

    def __init__(self, schema: GraphQLSchema, products: Collection[DataProduct]):
        self.schema = schema
        self.prefixes = {names.prefix(product.name): product.name for product in products}
        self.by_root_field = {names.field(product.name): product.name for product in products}

    def find(self, parent: str, field: str) -> FieldRule | None:
        """Find the rule of a field; None where its parent's rules suffice."""
        roots = {"Query": QUERY, "Mutation": MUTATION, "Subscription": SUBSCRIPTION}
        if parent in roots:
            return self._find_root(parent, field, roots[parent])
        kind, product = self._kind_of(parent)
        own = FIELDS.get(kind, {}).get(field)
        return FieldRule(own, product) if own else None

    def _find_root(self, parent: str, field: str, fixed: Mapping[str, Rule]) -> FieldRule | None:
        if field in fixed:
            return FieldRule(fixed[field], None)
        if parent == "Query" and field in self.by_root_field:
            return FieldRule(PRODUCT_QUERY, self.by_root_field[field])
        if parent == "Mutation":
            for name, product in self.by_root_field.items():
                if field.startswith(name) and (own := PRODUCT_MUTATION.get(field[len(name) :])):
                    return FieldRule(own, product)
        return None

    def _kind_of(self, type_: str) -> tuple[str, str | None]:
        """The type without its product's prefix, and the product."""
        if type_ in FIELDS:
            return type_, None
        if type_ == "DataProduct":
            return "Product", None
        for prefix, product in self.prefixes.items():
            if type_.startswith(prefix) and type_[len(prefix) :] in FIELDS:
                return type_[len(prefix) :], product
        return type_, None

    def guard(self) -> None:
        """Have every field with a rule check it before it is resolved."""
        for type_ in self.schema.type_map.values():
            if is_object_type(type_):
                for name, field in type_.fields.items():
                    if field_rule := self.find(type_.name, name):
                        guard_field(type_, field, field_rule, is_stream=type_.name == "Subscription")

    def needs_of(
        self, document: DocumentNode, operation: OperationDefinitionNode | None = None
    ) -> frozenset[Need]:
        """List what a valid document needs, with all of its fragments; of one operation, or of all."""
        types, needs = TypeInfo(self.schema), set[Need]()
        rules = self

        class Fields(Visitor):
            def enter_field(self, node: FieldNode, *_: object) -> None:
                needs.update(rules._needs_of_field(types.get_parent_type(), node))

        for definition in document.definitions:
            if (
                operation is None
                or definition is operation
                or not isinstance(definition, OperationDefinitionNode)
            ):
                visit(definition, TypeInfoVisitor(types, Fields()))
        return frozenset(needs)

    def _needs_of_field(self, parent: Any, node: FieldNode) -> Iterator[Need]:
        possible = self.schema.get_possible_types(parent) if is_abstract_type(parent) else [parent]
        for type_ in filter(None, possible):
            if field_rule := self.find(type_.name, node.name.value):
                yield field_rule.rule.any_of, field_rule.product
                for permission in field_rule.rule.all_of:
                    yield (permission,), field_rule.product


def are_met(needs: frozenset[Need], actor: Actor) -> bool:
    """Return True if the actor meets every need of a document, whichever rows it turns out to be about."""
    met = actor.met.get(needs)
    if met is None:
        grants = actor.effective
        met = all(
            any(grants.allow(permission, product) for permission in any_of) for any_of, product in needs
        )
        actor.met[needs] = met
    return met


def guard_field(
    parent: GraphQLObjectType, field: GraphQLField, field_rule: FieldRule, is_stream: bool
) -> None:
    """Check the rule before the field's resolver is called; of a stream, before each of its events, too."""
    if is_stream:
        field.subscribe = guarded_stream(field.subscribe, field_rule.rule)
    else:
        field.resolve = guarded(field.resolve, field_rule)


Resolver: TypeAlias = Callable[..., Any]


def guarded(resolve: Resolver | None, field_rule: FieldRule) -> Resolver:
    """The resolver, which checks the rule first."""
    assert resolve is not None  # Strawberry gives every field one
    rule, product = field_rule

    @wraps(resolve)
    def checked(source: Any, info: Any, **arguments: Any) -> Any:
        if isinstance(info.context, Context):
            actor = info.context.actor
            check(rule, actor, product or (None if rule.inside else product_of(source)))
        return resolve(source, info, **arguments)

    return checked


def check(rule: Rule, actor: Actor, product: str | None) -> None:
    """Check that the actor has one of the permissions; without a product, on any. Raises Unauthenticated, Forbidden."""
    grants = actor.effective
    for choices in (rule.any_of, *((permission,) for permission in rule.all_of)):
        if product is None:
            allowed = any(map(grants.allow_somewhere, choices))
        else:
            allowed = any(grants.allow(permission, product) for permission in choices)
        if not allowed:
            actor.refuse(choices[0], product)


def product_of(source: Any) -> str | None:
    """The name of the product that an object belongs to; None if it does not say."""
    if isinstance(source, DataProduct):
        return source.name
    product = getattr(source, "product", None)
    if product is None and (build := getattr(source, "build", None)) is not None:
        product = build.product
    return product.name if isinstance(product, DataProduct) else product


def guarded_stream(subscribe: Resolver | None, rule: Rule) -> Resolver:
    """The stream, which ends with an error once the caller may not have it any more."""
    assert subscribe is not None

    @wraps(subscribe)
    async def checked(source: Any, info: Any, **arguments: Any) -> Any:
        context = info.context
        if not isinstance(context, Context):
            return await _opened(subscribe, source, info, arguments)
        check(rule, context.actor, None)
        if product := await threads.run(_product_of_arguments, arguments):
            check(rule, context.actor, product)
        return watched(await _opened(subscribe, source, info, arguments), context, rule, product)

    return checked


async def _opened(subscribe: Resolver, source: Any, info: Any, arguments: Mapping[str, Any]) -> Any:
    stream = subscribe(source, info, **arguments)
    return await stream if asyncio.iscoroutine(stream) else stream


def _product_of_arguments(arguments: Mapping[str, Any]) -> str | None:
    """The product that a subscription's arguments name, by its name or by a job's id; None if there is none."""
    if job := arguments.get("build") or arguments.get("job"):
        kind, key = ids.split(job) or ("", "")
        row = (
            ids.JOBS[kind].objects.filter(pk=key).first() if kind in ids.JOBS and ids.is_number(key) else None
        )
        return row.product if row else None
    product = arguments.get("product")
    return product if isinstance(product, str) else None


async def watched(stream: Any, context: Context, rule: Rule, product: str | None) -> AsyncIterator[Any]:
    """Yield the events of a stream while the caller may have them; those of other products are left out."""
    upcoming: asyncio.Future[Any] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(anext(stream))
            changed = context.changed()
            try:
                await asyncio.wait({upcoming, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()  # also when the stream is closed: a future that waits keeps its whole request
            context.actor = await context.find_again()
            check(rule, context.actor, product)
            if not upcoming.done():
                continue
            try:
                event = upcoming.result()
            except StopAsyncIteration:
                return
            finally:
                upcoming = None
            # Of a live event the product is a query, which the event loop may not make.
            about = product or product_of(event)
            if about is None or any(context.actor.may(permission, about) for permission in rule.any_of):
                yield event
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.wait({upcoming})  # a generator that runs cannot be closed
        await stream.aclose()
