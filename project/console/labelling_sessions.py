"""The cases that a person has labelled in this session of the browser: counts, and the way back."""

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from django.http import HttpRequest

#: Subjects that are not shown again, and steps that can be undone, at most: the newest.
MOST_SEEN, MOST_STEPS = 500, 50


@dataclass
class Step:
    """One case that was labelled or skipped."""

    subject: str
    #: Where the case is shown again.
    parameters: dict[str, str | None]
    #: The id of the word; empty for a case that was skipped.
    feedback: str = ""
    #: What was said, as people read it.
    text: str = ""
    #: Whether the model had said the same; null where it said nothing that could be compared.
    agreed: bool | None = None


@dataclass
class LabellingSession:
    """The session of one person at one product."""

    product: str
    labelled: int = 0
    skipped: int = 0
    agreed: int = 0
    compared: int = 0
    seen: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    #: A sentence about what was done last, with its level.
    notice: tuple[str, str] | None = None
    #: Tells the browsers of one person apart.
    screen: str = field(default_factory=lambda: secrets.token_urlsafe(9))

    @classmethod
    def load(cls, request: HttpRequest, product: str) -> "LabellingSession":
        """Load the session at a product; a new one where there is none."""
        stored: dict[str, Any] = request.session.get(key(product), {})
        steps = [Step(**step) for step in stored.get("steps", ())]
        return cls(**{"product": product, **stored, "steps": steps})

    def store(self, request: HttpRequest) -> None:
        """Store it in the session of the browser."""
        self.seen, self.steps = self.seen[-MOST_SEEN:], self.steps[-MOST_STEPS:]
        request.session[key(self.product)] = asdict(self)

    def add(self, step: Step) -> None:
        """Add a case that was labelled or skipped."""
        self.steps.append(step)
        self.seen.append(step.subject)
        self._count(step, 1)

    def undo(self) -> Step | None:
        """Remove the last case, and return it; None where there is none."""
        if not self.steps:
            return None
        step = self.steps.pop()
        if step.subject in self.seen:
            self.seen.remove(step.subject)
        self._count(step, -1)
        return step

    def _count(self, step: Step, change: int) -> None:
        if step.feedback:
            self.labelled += change
        else:
            self.skipped += change
        if step.agreed is not None:
            self.compared += change
            self.agreed += change * step.agreed

    def take_notice(self) -> tuple[str, str] | None:
        """Return the sentence about what was done last, once."""
        notice, self.notice = self.notice, None
        return notice and (notice[0], notice[1])


def key(product: str) -> str:
    """The name under which the browser's session has it."""
    return f"labelling {product}"
