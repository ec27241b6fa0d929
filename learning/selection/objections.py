"""Objections: reasons why a person must decide whether the winner of a build serves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Objection:
    """A reason, in a sentence that says what to do about it."""

    sentence: str
    #: Whether the model waits even if there has never been a champion, because nothing shows that it is of any use.
    holds_first: bool = False
