"""Parts of sentences."""

from collections.abc import Sequence

#: Upper bound of the names that a sentence lists.
NAMED = 5


def list_names(names: Sequence[str], others: str = "features") -> str:
    """List names in a sentence; of many only the first, and the number of the others."""
    if len(names) > NAMED:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED:,} other {others}"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def list_labels(labels: Sequence[str]) -> str:
    """List labels in a sentence as `list_names` does, in quotes."""
    return list_names([repr(label) for label in labels], "labels")
