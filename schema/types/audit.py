"""The audit log: its entries, and what to filter them by."""

import datetime
import json

import strawberry

from store import models
from store.access import audit

from ..core import ids, names
from ..core.enums import AuditAct, AuditKind
from .nodes import UNSET, Node, row_type, unset_to_none


@strawberry.type(description="One detail of an act.")
class AuditDetail:
    name: str = strawberry.field(description="The detail's name.")
    value: str = strawberry.field(description="Its value: text, or JSON where it is something else.")


@row_type(
    models.AuditEntry,
    description="One act in the audit log: who did what, from where and why. Entries never change.",
)
class AuditEntry(Node):
    at: datetime.datetime = strawberry.field(description="The time of the act.")
    author: str = strawberry.field(
        description="Who did it: a user, a program, a rule, a command or a worker."
    )
    credential: str = strawberry.field(
        description="What identified the caller: `session`, or the beginning of a token. Empty if nobody called."
    )
    address: str = strawberry.field(
        description="The caller's network address; empty if the act did not come over the network."
    )
    request_id: str = strawberry.field(description="The request's id, under which the log has its lines.")
    operation: str = strawberry.field(
        description="The name of the GraphQL operation, the path of the page, or the kind of process; may be empty."
    )
    reason: str = strawberry.field(description="The reason that was given; may be empty.")

    @strawberry.field(description="What was done.")
    def act(self: models.AuditEntry) -> AuditAct:
        return AuditAct(self.act)

    @strawberry.field(description="The kind of its author.")
    def kind(self: models.AuditEntry) -> AuditKind:
        return AuditKind(self.kind)

    @strawberry.field(
        name="productName",
        description="The name of the product that it is about; null if it is about none or all.",
    )
    def product_name(self: models.AuditEntry) -> str | None:
        return self.product or None

    @strawberry.field(
        description="The ids of what it is about, 1,000 at most; those of objects of this API can be passed to `node`."
    )
    def subjects(self: models.AuditEntry) -> list[strawberry.ID]:
        return [subject_id(self.product, name) for name in self.ids]

    @strawberry.field(description="More about it, by name.")
    def details(self: models.AuditEntry) -> list[AuditDetail]:
        return [
            AuditDetail(name=name, value=value if isinstance(value, str) else json.dumps(value))
            for name, value in sorted(self.details.items())
        ]


def subject_id(product: str, name: str) -> strawberry.ID:
    """The id of what an entry names by model and key, as `Build:12`."""
    kind, _, key = name.rpartition(":")
    return ids.encode(names.prefix(product) + kind if kind in ("Prediction", "Feedback") else kind, key)


@strawberry.input(description="Conditions on entries of the audit log; all that are given must hold.")
class AuditFilter:
    acts: list[AuditAct] | None = strawberry.field(default=UNSET, description="Only these acts.")
    authors: list[str] | None = strawberry.field(default=UNSET, description="Only acts of these authors.")
    product: str | None = strawberry.field(
        default=UNSET,
        description="Only acts about the product of this name. Who may administer this product alone must give it.",
    )
    since: datetime.datetime | None = strawberry.field(
        default=UNSET, description="Only acts from this moment on."
    )
    until: datetime.datetime | None = strawberry.field(
        default=UNSET, description="Only acts before this moment."
    )

    def conditions(self) -> audit.Conditions:
        """The conditions as the store takes them."""
        acts = unset_to_none(self.acts)
        return audit.Conditions(
            acts=None if acts is None else [audit.Act(act.value) for act in acts],
            authors=unset_to_none(self.authors),
            product=unset_to_none(self.product),
            since=unset_to_none(self.since),
            until=unset_to_none(self.until),
        )
