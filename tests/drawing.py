"""How many examples a property is tried with: few at each change, as each run draws others; more on request."""

import os

#: By how much more than usual: `DRAWS=10 ./dev test PATH`.
FACTOR = float(os.environ.get("DRAWS", "1"))


def draws(usual: int) -> int:
    """Return how many examples to draw where `usual` are usual."""
    return max(1, round(usual * FACTOR))
