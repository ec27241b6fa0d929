"""Mutations for screens on which people label cases."""

from typing import Annotated

import strawberry

from store.access.actors import ANONYMOUS
from store.exceptions import OutOfRange
from store.predictions import case_claims
from store.products import catalogue
from store.products.product import DataProduct as DeclaredProduct

from .core import names
from .core.context import Info
from .core.mutation import mutation
from .products.feedback_mutations import about
from .products.inputs import FeedbackTarget, optional, required
from .types.nodes import unset_to_none
from .types.products import DataProduct


@strawberry.input(description="The cases of which to claim one.")
class ClaimCaseInput:
    product: str = required("The name of the product.")
    cases: list[FeedbackTarget] = required(
        f"The cases in the order in which they are to be labelled, at most {case_claims.MOST}."
    )
    screen: str | None = optional(
        "A name for the caller's screen, where one caller labels on several: each gets cases of its own."
    )


@strawberry.type(description="The case that was claimed.")
class ClaimCasePayload:
    position: int | None = strawberry.field(
        description="The place of the claimed case in `cases`, from 0; null if others have all of them."
    )
    seconds: int | None = strawberry.field(
        description="The seconds for which nobody else gets it; null if none was claimed, and while claims cannot be "
        "shared, so that others may get it too."
    )
    product: DeclaredProduct = strawberry.field(graphql_type=DataProduct, description="The product.")


@strawberry.type
class LabellingMutation:
    """Mutation fields of screens on which people label."""

    @mutation(
        "Claim one of these cases, so that nobody else gets it from this mutation for some minutes: the one that the "
        "caller has claimed already, else the first that nobody has. The caller's claim before it ends. Feedback is "
        "accepted with and without a claim."
    )
    def claim_case(
        self,
        info: Info,
        input: Annotated[ClaimCaseInput, strawberry.argument(description="The cases of which to claim one.")],
    ) -> ClaimCasePayload | None:
        product, screen = catalogue.get(input.product), unset_to_none(input.screen) or ""
        if len(screen) > case_claims.LONGEST:
            message = f"The name of a screen has at most {case_claims.LONGEST} characters."
            raise OutOfRange(message, argument=("screen",), maximum=case_claims.LONGEST)
        cases = [about(names.prefix(product.name), case) for case in input.cases]
        actor = info.context.actor
        # A stranger is another author once the browser has a session; the screen stays the same.
        author = ANONYMOUS if actor.anonymous and screen else actor.author
        position, shared = case_claims.claim(product, cases, author, screen)
        seconds = case_claims.SECONDS if shared and position is not None else None
        return ClaimCasePayload(position=position, seconds=seconds, product=product)
