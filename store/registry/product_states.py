"""Product states: the champion of each product, and the hold on automatic promotion."""

from django.db import models

from ..access.permissions import CODENAMES
from ..db.base import BaseModel


class ProductStateManager(models.Manager["ProductState"]):
    """Locks the states of products."""

    def lock(self, product: str) -> "ProductState":
        """Get or create the product's row and lock it until the transaction ends, so that deciders take turns."""
        self.get_or_create(product=product)
        return self.select_for_update().get(product=product)


class ProductState(BaseModel):
    """The version that serves a product, and the reason for which automatic promotion is on hold."""

    product = models.CharField(max_length=40, primary_key=True)
    champion = models.ForeignKey("store.ModelVersion", models.PROTECT, null=True, related_name="+")
    #: Why the winner of a build waits for a person; empty where it is promoted automatically.
    hold = models.TextField(blank=True)

    objects = ProductStateManager()

    class Meta:
        verbose_name = "product"
        #: What grantees may be granted; django-guardian keeps the grants on one product by this table's rows.
        permissions = CODENAMES  # type: ignore[assignment]  # the stubs want lazy strings, too

    def __str__(self) -> str:
        return self.product
