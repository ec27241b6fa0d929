"""Retired features: when clients last used what is no feature any more, so that it can be said when nobody does."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import ProgrammingError, models, transaction
from django.db.models.functions import Now

from ..db.base import BaseModel
from ..products.product import DataProduct

#: Days without a use after which a retired feature may be removed from its product.
UNUSED_DAYS = 30
#: Seconds between two writes of a feature's last use.
USE_SECONDS = 60

#: What was used since the last write: pairs of a product and a feature.
_used: set[tuple[str, str]] = set()
_lock = threading.Lock()


class RetiredFeatureManager(models.Manager["RetiredFeature"]):
    """Records which features are retired, and their last use."""

    def record(self, products: Sequence[DataProduct]) -> None:
        """Record the retired features of these products; one that is a feature again starts anew when it is retired."""
        retired = [
            RetiredFeature(product=product.name, name=column.name)
            for product in products
            for column in product.retired
        ]
        self.bulk_create(retired, ignore_conflicts=True)
        for product in products:
            self.filter(product=product.name, name__in=product.feature_names).delete()

    def write_uses(self) -> None:
        """Write the uses that this process has noted, each at most once in USE_SECONDS."""
        with _lock:
            used = list(_used)
            _used.clear()
        for product, name in used:
            is_written = models.Q(last_used_at__gt=Now() - timedelta(seconds=USE_SECONDS))
            self.filter(product=product, name=name).exclude(is_written).update(last_used_at=Now())

    def list_known(self) -> Sequence["RetiredFeature"]:
        """List all that were ever retired, with the database's time; empty before the migration."""
        try:
            with transaction.atomic():
                rows = list(self.annotate(clock=Now()).order_by("product", "name"))
        except ProgrammingError:
            return []
        for row in rows:
            row.now = row.clock
        return rows


class RetiredFeature(BaseModel):
    """A feature that its product has retired."""

    product = models.CharField(max_length=40)
    name = models.CharField(max_length=40)
    #: When a web process first served it as retired.
    retired_at = models.DateTimeField(db_default=Now())
    #: When a client last gave or selected it; null: never since it was retired.
    last_used_at = models.DateTimeField(null=True)

    #: The database's time, of what `list_known` returns.
    now: datetime

    objects = RetiredFeatureManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "name"], name="a_feature_is_retired_once_per_product")
        ]

    def __str__(self) -> str:
        return f"{self.product}.{self.name}"

    @property
    def unused_days(self) -> int:
        """Whole days since the last use, or since it was retired."""
        return (self.now - (self.last_used_at or self.retired_at)).days

    @property
    def may_be_removed(self) -> bool:
        """True where no client has used it for UNUSED_DAYS."""
        return self.unused_days >= UNUSED_DAYS

    @property
    def use(self) -> str:
        """Say when a client last used it, as a clause."""
        if self.last_used_at is None:
            return f"no client has used it since it was retired on {self.retired_at:%Y-%m-%d}"
        return f"a client last used it on {self.last_used_at:%Y-%m-%d at %H:%M} UTC"

    @property
    def advice(self) -> str:
        """Say whether it may be removed, in a sentence."""
        if self.may_be_removed:
            return f"{self} is retired, and {self.use}: remove it from retired_features."
        return (
            f"{self} is retired, and {self.use}: keep it in retired_features until no client has used it for "
            f"{UNUSED_DAYS} days."
        )


def note_use(product: str, name: str) -> None:
    """Note that a client has given or selected a retired feature; maintenance writes it."""
    if (product, name) not in _used:
        with _lock:
            _used.add((product, name))
