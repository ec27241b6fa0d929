"""Cases: what is tried again and again with other random numbers, and checked once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from zlib import crc32

import numpy as np

from .promises import Promise

#: Checks a case with these seeds, one per repeat.
Check = Callable[[Sequence[int]], Iterable[Promise]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case, which yields at least one promise."""

    name: str
    check: Check
    #: Repeats of the whole bench, and of its small form; None: it has no part in that.
    repeats: int
    small: int | None = None

    def run(self, seed: int, repeats: int) -> list[Promise]:
        """Check the case; every case has random numbers of its own."""
        seeds = np.random.SeedSequence([seed, crc32(self.name.encode())]).generate_state(repeats)
        return list(self.check([int(each) for each in seeds]))


def auc_error(auc: float, positive: float, negative: float) -> float:
    """Compute the standard error of a ROC AUC.

    Hanley and McNeil, The meaning and use of the area under a receiver operating characteristic curve, 1982.
    """
    one, other = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = (positive - 1) * (one - auc * auc) + (negative - 1) * (other - auc * auc)
    return sqrt((auc * (1 - auc) + spread) / (positive * negative))
