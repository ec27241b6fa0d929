"""Settings of a product: what its declaration says, and what the server's settings say about its rows."""

import dataclasses
import datetime
from collections.abc import Iterator
from typing import Any

import strawberry
from django.conf import settings
from strawberry.scalars import JSON

import store.models
from learning.problem import Problem
from learning.retrain import Rule
from store.access.actors import Actor
from store.access.permissions import Permission
from store.builds import retraining
from store.products import catalogue, declarations
from store.products.product import DataProduct as DeclaredProduct

from ..core.context import Info
from .builds import RetrainDecision


@strawberry.type(description="A rule that requests builds, with the newest of its decisions.")
class DeclaredRule:
    product: strawberry.Private[DeclaredProduct]
    declared: strawberry.Private[Rule]

    @strawberry.field(description="The rule as it is declared, as in `RetrainDecision.rule`.")
    def rule(self) -> str:
        return str(self.declared)

    @strawberry.field(description="When it requests a build, as a sentence.")
    def description(self) -> str:
        return self.declared.describe()

    @strawberry.field(description="The next moment at which it is due; null without a schedule.")
    def due_at(self) -> datetime.datetime | None:
        return retraining.due_at([self.declared])

    @strawberry.field(
        graphql_type=RetrainDecision | None, description="Its newest decision; null before the first one."
    )
    def latest(self) -> store.models.RetrainDecision | None:
        decisions = store.models.RetrainDecision.objects.with_builds(self.product.name)
        return decisions.filter(rule=str(self.declared)).order_by("-pk").first()


@strawberry.type(description="An option of the problem that a product declares.")
class DeclaredOption:
    name: str = strawberry.field(description="The option's name in the declaration, as `candidates`.")
    value: JSON | None = strawberry.field(  # type: ignore[valid-type]
        description="Its value; a time in seconds, a mapping as an object; null where Exemplar decides."
    )
    declared: bool = strawberry.field(
        description="True if the product declares it, false if it has its default."
    )


@strawberry.type(
    description="What a product's declaration says about how it learns and serves, and for how long its rows are "
    "stored. It is changed in the declaration, or in the settings of the server."
)
class ProductSettings:
    product: strawberry.Private[DeclaredProduct]
    location: strawberry.Private[declarations.Location | None]

    @classmethod
    def of(cls, product: DeclaredProduct, actor: Actor) -> "ProductSettings":
        """The settings of a product for a caller."""
        administers = actor.may(Permission.ADMINISTER, product.name)
        return cls(product=product, location=declarations.locate(product) if administers else None)

    @strawberry.field(
        description="The file in which the product is declared; null unless the caller may ADMINISTER the product."
    )
    def file(self) -> str | None:
        return self.location.file if self.location else None

    @strawberry.field(
        description="The line at which the declaration begins; null where `file` is, or unknown."
    )
    def line(self) -> int | None:
        return self.location.line if self.location else None

    @strawberry.field(description="The rules that request builds, in declared order.")
    def rules(self) -> list[DeclaredRule]:
        return [DeclaredRule(product=self.product, declared=rule) for rule in self.product.retrain]

    @strawberry.field(
        description="The bound of the builds that rules may start, as it is declared; null without one."
    )
    def retrain_budget(self) -> str | None:
        return str(self.product.retrain_budget) if self.product.retrain_budget else None

    @strawberry.field(description="When the winner of a build serves, as a sentence.")
    def promotion(self) -> str:
        if not self.product.problem.auto_promote:
            return "The winner of a build waits until somebody promotes it."
        if self.product.promote:
            return self.product.promote.describe()
        return "The winner of a build serves at once, unless it is held for a person."

    @strawberry.field(description="Why winners of builds wait for a person at present; null if they do not.")
    def hold(self) -> str | None:
        states = store.models.ProductState.objects.filter(product=self.product.name)
        return states.values_list("hold", flat=True).first() or None

    @strawberry.field(description="Whose word counts where people disagree, as it is declared.")
    def truth(self) -> str:
        return str(self.product.truth)

    @strawberry.field(description="The same as a sentence.")
    def truth_description(self) -> str:
        return self.product.truth.describe()

    @strawberry.field(description="The options of the problem, in the order of the reference.")
    def options(self) -> list[DeclaredOption]:
        return list(list_options(self.product.problem))

    @strawberry.field(
        description="The number of newest builds whose snapshots and unserved artifacts are kept."
    )
    def kept_builds(self) -> int:
        return int(settings.EXEMPLAR_KEEP_BUILDS)

    @strawberry.field(
        description="The days after which predictions are deleted that were neither repeated nor given feedback; null "
        "if they are not deleted."
    )
    def kept_prediction_days(self) -> int | None:
        return settings.EXEMPLAR_KEEP_PREDICTIONS or None


@strawberry.type(description="What is declared as a product and not served.")
class RefusedProduct:
    name: str = strawberry.field(description="The product's name, or the module that could not be read.")
    reason: str = strawberry.field(description="Why it is not served, in sentences. `./dev check` says more.")

    @classmethod
    def of(cls, refusal: catalogue.Refusal) -> "RefusedProduct":
        """The refusal for GraphQL."""
        return cls(name=refusal.name, reason=refusal.reason)


def settings_of(product: DeclaredProduct, info: Info) -> ProductSettings:
    """The settings of a product for the caller of a request."""
    return ProductSettings.of(product, info.context.actor)


def list_options(problem: Problem) -> Iterator[DeclaredOption]:
    """List the options of a problem, with what is declared."""
    defaults = type(problem)()
    for field in dataclasses.fields(problem):
        value: Any = getattr(problem, field.name)
        declared = value != getattr(defaults, field.name)
        yield DeclaredOption(name=field.name, value=encode_option(value), declared=declared)


def encode_option(value: object) -> Any:
    """Encode the value of an option as JSON."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime.timedelta():
            return value.total_seconds()
        case dict():
            return {str(key): encode_option(each) for key, each in value.items()}
        case tuple() | list():
            return [encode_option(each) for each in value]
    return str(value)
