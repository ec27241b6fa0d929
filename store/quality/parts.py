"""Parts of histories in memory: what was counted and measured of packed days that have not changed since."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..db.sized_cache import SizedCache
from ..products.product import DataProduct
from .counted import CountedPredictions

if TYPE_CHECKING:
    from learning.evaluation.live_measures import LiveMeasure

#: Predictions of the parts that a process has in memory, at most; each part counts as some more.
MOST_COUNTED, EACH = 500_000, 100


@dataclass(frozen=True, eq=False)
class Part:
    """The predictions that count of a time, and how good they are."""

    counted: CountedPredictions
    #: By the metrics that were asked for; None: the usual ones.
    measured: "dict[tuple[str, ...] | None, list[LiveMeasure]]" = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The predictions in memory, and what the part itself takes."""
        return EACH + len(self.counted)


class PartCache(SizedCache[Any, tuple[DataProduct, Part]]):
    """Parts by what they were counted of; those that were used longest ago go."""

    def __init__(self, most: int):
        super().__init__(most, lambda stored: stored[1].size)

    def find(self, product: DataProduct, key: Any, count: Callable[[], CountedPredictions]) -> Part:
        """Find a part of a product as it is declared now; counts it where it is not in memory."""
        if (part := self._find_declared(product, key)) is not None:
            return part
        part = Part(count())
        if (other := self._find_declared(product, key)) is not None:
            return other  # that another thread has counted meanwhile
        self.put(key, (product, part))
        return part

    def _find_declared(self, product: DataProduct, key: Any) -> Part | None:
        declared, part = self.get(key) or (None, None)
        return part if declared is product else None
