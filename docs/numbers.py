"""Numbers in the pages come from constants of the code: a marker behind a number names its constant.

`every five<!-- = store.jobs.jobs.LOOK --> seconds` says that `LOOK` is 5. A marker may calculate:
`<!-- = learning.selection.clock.SEARCH_SHARE * 100 -->`. A number that no constant holds is marked
`<!-- no constant -->`.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from math import isclose
from types import ModuleType
from typing import Any

MARKER = re.compile(r"(\S+?)<!-- = (.+?) -->")
UNMARKED = r"(?!\w|\S*?<!-- no constant -->)"
#: They stand for none, one and a pair more often than for a limit.
SMALL = {"0", "1", "2", "one", "once"}
#: What is no prose: fenced code, code in a line, targets of links, HTML elements that are no markers.
NO_PROSE = re.compile(
    r"^```.*?^```|`[^`\n]+`|\]\([^)\s]+\)|<(?!!--)[^>]+>|^\s*\d+\.\s", re.MULTILINE | re.DOTALL
)
WORDS: Mapping[str, float] = {
    "once": 1, "one": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100,
    "thousand": 1000, "half": 0.5,
}  # fmt: skip
UNITS = "seconds?|minutes?|hours?|days?|rows?|candidates?|folds?|waves?|batches|bytes|characters|percent|connections"
#: A number in digits, or a word for one before something that is counted.
NUMBER = re.compile(
    rf"(?<![\w/.,-])(?:\d[\d.,]*(?<![.,])|(?:{'|'.join(WORDS)})(?= (?:\w+ )?(?:{UNITS})\b)){UNMARKED}",
    re.IGNORECASE,
)
OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def faults(text: str) -> Iterator[str]:
    """Yield a sentence for each number of a page that differs from its constant, or names none."""
    for written, expression in MARKER.findall(text):
        try:
            value = evaluate(expression)
        except (AttributeError, ImportError) as error:
            yield f"{written!r} names {expression}, which is not there: {error}."
            continue
        if not says(written, value):
            yield f"{written!r} is said of {expression}, which is {value}."
    prose = NO_PROSE.sub(lambda code: " " if code[0].startswith("`") else "", MARKER.sub("…", text))
    for number in NUMBER.finditer(prose):
        if number[0].lower() in SMALL:
            continue
        around = " ".join(prose[max(0, number.start() - 40) : number.end() + 40].split())
        yield f"{number[0]!r} names no constant: … {around} …"


def says(written: str, value: float) -> bool:
    """Check if a number, as it is written in a text, is this value."""
    token = written.strip("(*_~`").lower().replace(",", "").rstrip("%")
    try:
        return isclose(WORDS[token] if token in WORDS else float(token), value)
    except ValueError:
        return False


def evaluate(expression: str, module: ModuleType | None = None) -> Any:
    """Calculate with constants by their dotted names, or by their names in `module`."""
    return _value(ast.parse(expression, mode="eval").body, module)


def _value(node: ast.expr, module: ModuleType | None) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.BinOp():
            return OPERATORS[type(node.op)](_value(node.left, module), _value(node.right, module))
        case ast.Name() if module is not None:
            return _number(getattr(module, node.id))
        case _:
            return _number(constant(ast.unparse(node)))


def _number(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


def constant(path: str) -> Any:
    """Find what a dotted name stands for: a module, then attributes."""
    names = path.split(".")
    for length in range(len(names), 0, -1):
        try:
            found: Any = import_module(".".join(names[:length]))
        except ModuleNotFoundError:
            continue
        for name in names[length:]:
            found = getattr(found, name)
        return found
    raise ImportError(f"There is no module {names[0]}")


PLACEHOLDER = re.compile(r"\{([\w.]+(?: [-+*/] [\w.]+)*)(?::([^}]*))?\}")


def without_placeholders(comment: str) -> str:
    """Leave out what the code fills in."""
    return PLACEHOLDER.sub("…", comment)


def filled(comment: str, module: ModuleType) -> str:
    """Replace `{NAME}` and `{package.module.NAME:,}` in a comment by the constant, formatted."""

    def value(placeholder: re.Match[str]) -> str:
        return format(evaluate(placeholder[1], module), placeholder[2] or "")

    return PLACEHOLDER.sub(value, comment)
