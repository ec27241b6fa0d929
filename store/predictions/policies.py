"""Stored truth policies: the rows of new products, and those of products that are declared otherwise now."""

from collections.abc import Iterable

from learning.truth import DEFAULT, Policy

from ..access.actors import TABLE
from ..products.product import DataProduct
from .feedback import Feedback
from .truth import TruthPolicy


def insert_missing(products: Iterable[DataProduct]) -> None:
    """Insert the declared policy of each product that has none; of several processes, one does it.

    A product that has feedback has had the majority until now: `settle` applies another one.
    """
    stored = set(TruthPolicy.objects.values_list("product", flat=True))
    missing = [product for product in products if product.learns_from_labels and product.name not in stored]
    TruthPolicy.objects.bulk_create((make(product) for product in missing), ignore_conflicts=True)


def make(product: DataProduct) -> TruthPolicy:
    """Make the row of a product that has none."""
    has_feedback = Feedback.objects.filter(product=product.name).exclude(author=TABLE).exists()
    return TruthPolicy(product=product.name, **describe(DEFAULT if has_feedback else product.truth))


def describe(policy: Policy) -> dict[str, object]:
    """Describe a policy as its row does."""
    return {"kind": policy.kind, "groups": list(policy.groups), "quorum": policy.quorum}


def find_stored(product: DataProduct) -> TruthPolicy:
    """Find the row of a product; one that is not stored where there is none."""
    row = TruthPolicy.objects.filter(product=product.name).first()
    return row or TruthPolicy(product=product.name, **describe(DEFAULT))
