"""The positive class of two: the one that is asked about, which is found with some probability.

The rule: of two numbers the greater; `yes`, `true`, `on`, `+` and their like in a few languages, or the other one of
`no`, `none`, `normal` and their like; what the other negates (`survived`, `not survived`); what is above (`>50K`,
`<=50K`); else the last one in the order of the alphabet.
"""

import re
from collections.abc import Callable, Sequence

WORD = re.compile(r"\S+")
POSITIVE = frozenset(
    WORD.findall("+ 1 on pos positive present t true y yes da hai ja oui si sim sí да так 是 はい")
)
NEGATIVE = frozenset(
    WORD.findall(
        "- 0 absent f false n neg negative no none off benign control genuine ham healthy legitimate normal "
        "nao não nee nein nej non нет ні 否 いいえ"
    )
)
NEGATION = re.compile(r"(without|kein|nicht|non|not|no|pas|sin|un)[\s_-]*(.+)")
ABOVE, BELOW = re.compile(r"[>≥]"), re.compile(r"[<≤]")

#: Says whether the first of two classes is the positive one; None: the rule says nothing about them.
Rule = Callable[[str, str], bool | None]


def find_positive(classes: Sequence[str]) -> str:
    """Find the positive one of two classes, which are sorted."""
    first, last = classes
    for rule in RULES:
        is_first = rule(_fold(first), _fold(last))
        if is_first is not None:
            return first if is_first else last
    return last


def _fold(text: str) -> str:
    return text.strip().casefold()


def _compare_numbers(first: str, last: str) -> bool | None:
    try:
        return float(first) > float(last)
    except ValueError:
        return None


def _compare(first: bool, last: bool) -> bool | None:
    """Return which of two has a property; None where both or none has it."""
    return None if first == last else first


def _compare_positive(first: str, last: str) -> bool | None:
    return _compare(first in POSITIVE, last in POSITIVE)


def _compare_negative(first: str, last: str) -> bool | None:
    return _compare(last in NEGATIVE, first in NEGATIVE)


def _compare_negation(first: str, last: str) -> bool | None:
    return _compare(_negates(last, first), _negates(first, last))


def _negates(text: str, other: str) -> bool:
    negation = NEGATION.fullmatch(text)
    return negation is not None and negation[2] == other


def _compare_sides(first: str, last: str) -> bool | None:
    if (ABOVE.match(first) and BELOW.match(last)) or (BELOW.match(first) and ABOVE.match(last)):
        return ABOVE.match(first) is not None
    return None


RULES: Sequence[Rule] = (
    _compare_numbers,
    _compare_positive,
    _compare_negative,
    _compare_negation,
    _compare_sides,
)
