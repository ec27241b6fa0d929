"""Objects by their ids: found, and shown to whom they may be shown to."""

from typing import TypeAlias, TypeVar

from learning.exceptions import ExemplarError
from store import models
from store.access.actors import ANONYMOUS, Actor
from store.access.models import Token as TokenRow
from store.access.permissions import Permission
from store.entities import entities
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct

from .core import ids, names
from .core.ids import NodeRoot
from .core.permissions import ANY, BUILD, FEEDBACK, VIEW, Rule, check, product_of, rule
from .types.access import Token
from .types.columns import Feature
from .types.viewer import Viewer

#: Rows with a number that are nodes.
NumberedRow: TypeAlias = (
    models.Build
    | models.Candidate
    | models.Comparison
    | models.Import
    | models.ModelVersion
    | models.Promotion
    | models.RetrainDecision
    | models.Scoring
    | models.Snapshot
    | models.Trial
)
#: Models of such rows by the names of their types.
TABLES: dict[str, type[NumberedRow]] = {
    model.__name__: model
    for model in (
        models.Build,
        models.Candidate,
        models.Comparison,
        models.Import,
        models.ModelVersion,
        models.Promotion,
        models.RetrainDecision,
        models.Scoring,
        models.Snapshot,
        models.Trial,
    )
}

#: Models of rows that only who administers reads, by the names of their types.
ADMINISTERED: dict[str, type[models.AuditEntry] | type[models.Receiver] | type[models.Delivery]] = {
    model.__name__: model for model in (models.AuditEntry, models.Receiver, models.Delivery)
}


def find_row(kind: str, id: str) -> NumberedRow | None:
    """Find a row by its id; None if there is none. Raises WrongKindOfId."""
    parts = ids.split(id)
    return _find_numbered(kind, ids.key(id, kind)) if parts else None


def _find_numbered(kind: str, key: str) -> NumberedRow | None:
    return TABLES[kind]._default_manager.filter(pk=key).first() if ids.is_number(key) else None


def find_job(id: str) -> NumberedRow | None:
    """Find a job by its id; None if there is none. Raises WrongKindOfId."""
    kind = (ids.split(id) or ("",))[0]
    return find_row(kind if kind in ids.JOBS else "Job", id)


#: A row of a product.
Row = TypeVar("Row", bound=NumberedRow | models.BuildEvent)
#: An object that may be read, or may not.
Visible = TypeVar("Visible", bound=NodeRoot | NumberedRow | Feature)
#: Whatever `node` may return.
AnyNode: TypeAlias = NodeRoot | Feature | Token | Viewer


def visible(node: Visible | None, actor: Actor) -> Visible | None:
    """Check that the actor may read an object. Raises Unauthenticated, Forbidden."""
    if node is not None and not is_own(node, actor):
        # Events of one product may be sent to a receiver of all of them.
        owner = node.receiver if isinstance(node, models.Delivery) else node
        check(rule_of(node), actor, product_of(owner))
    return node


def is_own(node: object, actor: Actor) -> bool:
    """Return True for feedback that the actor gave, and a prediction that it asked for."""
    if actor.author == ANONYMOUS:
        return False
    if isinstance(node, models.Feedback):
        return node.author == actor.author
    return (
        isinstance(node, models.Prediction)
        and models.Prediction.objects.asked_by(actor.author).filter(pk=node.pk).exists()
    )


def rule_of(node: object) -> Rule:
    """The rule of reading an object by its id."""
    if isinstance(node, DeclaredProduct | Feature):
        return ANY
    if isinstance(node, tuple(ADMINISTERED.values())):
        return rule(Permission.ADMINISTER)
    if isinstance(node, models.Import):
        return rule(VIEW, FEEDBACK)
    return (
        rule(VIEW, BUILD)
        if isinstance(node, models.Build | models.BuildEvent | models.Comparison | models.Scoring)
        else rule(VIEW)
    )


def find_visible_node(id: str, actor: Actor) -> AnyNode | None:
    """Find an object that the actor may read. Raises Unauthenticated, Forbidden."""
    kind, key = ids.split(id) or ("", "")
    match kind:
        case "Viewer":
            return Viewer.from_actor(actor) if key == actor.author else None
        case "Token":
            return find_token(key, actor)
    return visible(find_node(kind, key), actor)


def find_token(prefix: str, actor: Actor) -> Token | None:
    """Find a token of the actor's own, or any for who administers all products. Raises Unauthenticated, Forbidden."""
    row = TokenRow.objects.select_related("user").filter(prefix=prefix).first()
    if row is None:
        return None
    if actor.anonymous or row.user.username != actor.name:
        actor.require(Permission.ADMINISTER, None)
    return Token.from_row(row)


def find_node_or_refuse(id: str, actor: Actor) -> object:
    """Find an object, or the error that GraphQL reports in its place."""
    try:
        return find_visible_node(id, actor)
    except ExemplarError as refusal:
        return refusal


def find_node(kind: str, key: str) -> NodeRoot | Feature | None:
    """Find the object of a kind and a key; None if there is none or its product is no longer declared."""
    if kind in ADMINISTERED and ids.is_number(key):
        return ADMINISTERED[kind]._default_manager.filter(pk=key).first()
    if kind in TABLES:
        return declared(_find_numbered(kind, key))
    if kind == "Feature":
        name, _, column = key.partition(".")
        product = catalogue.find(name)
        return Feature.find(product, column) if product else None
    if kind == "BuildEvent":
        return declared(models.BuildEvent.objects.find(key))
    nodes = (find_product_node(product, kind, key) for product in catalogue.products())
    return next((node for node in nodes if node), None)


def declared(row: "Row | None") -> "Row | None":
    """The row; None if its product is no longer declared."""
    product = product_of(row)
    return row if product and catalogue.find(product) else None


def find_product_node(product: DeclaredProduct, kind: str, key: str) -> NodeRoot | None:
    """Find a node of one product by the kind and the key of its id."""
    match kind.removeprefix(names.prefix(product.name)):
        case "Product":
            return product if key == product.name else None
        case "Entity":
            return entities.find(product, [key]).get(key)
        case "Feedback" if ids.is_number(key):
            return models.Feedback.objects.find(product, int(key))
        case "Prediction" if ids.is_digest(key):
            return models.Prediction.objects.filter(product=product.name, pk=key).first()
    return None
