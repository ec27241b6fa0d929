"""Occupancy: the sockets and streams that each caller holds open in this process."""

from collections import Counter

from store.exceptions import Overloaded


class Occupancy:
    """The number of one kind that each caller holds open."""

    def __init__(self, noun: str):
        #: What they are called, in the plural.
        self.noun = noun
        self.open: Counter[str] = Counter()

    def slot(self) -> "Slot":
        """Make a slot for one more, which is nobody's yet."""
        return Slot(self)


class Slot:
    """One open socket or stream, and the caller for whom it counts."""

    def __init__(self, occupancy: Occupancy):
        self.occupancy = occupancy
        #: The caller; None: nobody.
        self.key: str | None = None

    def move(self, key: str, most: int) -> None:
        """Count it for a caller, and no longer for another one. Raises Overloaded if the caller has too many."""
        if key == self.key:
            return
        counts = self.occupancy.open
        if counts[key] >= most:
            raise Overloaded(
                f"A caller may hold {most} {self.occupancy.noun} open: close some first.", maximum=most
            )
        self.leave()
        self.key = key
        counts[key] += 1

    def leave(self) -> None:
        """Count it for nobody."""
        if self.key is not None:
            counts = self.occupancy.open
            counts[self.key] -= 1
            if not counts[self.key]:
                del counts[self.key]
            self.key = None
