"""Fields: a column as the Python text of its Django field."""

import re
from collections.abc import Iterator, Sequence

from learning.problem import Problem

from ..ingest.files import field_names
from .inference import InferredColumn, Role

#: As the project's formatter breaks lines.
WIDTH = 110
#: Lengths that a key of text may have.
LENGTHS = (20, 50, 100, 255, 1000)


def call(start: str, arguments: Sequence[str]) -> str:
    """A call, broken where a line would be too long."""
    line = f"{start}{', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(start) - len(start.lstrip()))
    inner = f"{indent}    {', '.join(arguments)}"
    if len(inner) <= WIDTH:
        return f"{start}\n{inner}\n{indent})"
    return "\n".join([start, *(f"{indent}    {argument}," for argument in arguments), f"{indent})"])


def quoted(text: str) -> str:
    """The text as Python writes it, in double quotes where it has none itself."""
    written = repr(text)
    if written[0] == "'" and '"' not in text:
        return '"' + written[1:-1].replace("\\'", "'") + '"'
    return written


def declared(column: InferredColumn, choices: str | None) -> str:
    """The line, or lines, of a field."""
    name, arguments = _type(column)
    if choices:
        arguments = [*arguments, f"choices={choices}.choices"]
    if column.optional:
        arguments = [*arguments, "null=True", "blank=True"]
    return call(f"    {column.name} = models.{name}(", [*arguments, *_help(column)])


def key(column: InferredColumn) -> str:
    """The field of an entity's key."""
    if not is_text_key(column):
        name, arguments = _type(column)
    else:
        length = next((length for length in LENGTHS if column.longest <= length), column.longest)
        name, arguments = "CharField", [f"max_length={length}"]
    return call(f"    {column.name} = models.{name}(", [*arguments, "primary_key=True", *_help(column)])


def is_text_key(column: InferredColumn) -> bool:
    return not column.type.is_integer


def has_choices(column: InferredColumn, problem: type[Problem]) -> bool:
    is_class = column.role is Role.LABEL and problem.has_classes and column.type.is_integer
    return (column.type.is_category and column.role is not Role.KEY) or is_class


def choices(name: str, column: InferredColumn) -> Iterator[str]:
    """The class of a category's values."""
    whole = column.type.is_integer
    yield f"    class {name}(models.{'IntegerChoices' if whole else 'TextChoices'}):"
    members = _members(column.values)
    for value, member in zip(column.values, members, strict=True):
        written = value if whole else quoted(value)
        title = member.replace("_", " ").title()
        differs = not whole and title.casefold() != value.replace("_", " ").casefold()
        line = f"        {member} = {written}{f', {written}' if differs else ''}"
        yield line if len(line) <= WIDTH else call(f"        {member} = (", [written, written])


def _members(values: Sequence[str]) -> list[str]:
    """Names in upper case: of numbers CLASS_1, of what has no letters VALUE_0."""
    wanted = []
    for place, value in enumerate(values):
        sign = "MINUS_" if value.startswith("-") else ""
        if re.fullmatch(r"[+-]?[\d,.]+", value):
            wanted.append(f"CLASS_{sign}{value.lstrip('+-')}")
            continue
        (name,) = field_names([value])
        wanted.append(
            f"VALUE_{place}" if name == "column_0" else name.removesuffix("_field").removeprefix("column_")
        )
    return [_member(name) for name in field_names(wanted)]


def _member(name: str) -> str:
    member = name.removesuffix("_field").upper()
    # Digits begin no name, enums keep some for themselves, and linters take I and O for 1 and 0.
    unfit = member[:1].isdigit() or member in ("MRO", "NAME", "VALUE", "LABEL", "I", "O")
    return f"VALUE_{member}" if unfit else member


def _type(column: InferredColumn) -> tuple[str, list[str]]:
    if column.role is Role.TIME:
        return "DateTimeField", []
    return column.type.declare_field(column)


def _help(column: InferredColumn) -> list[str]:
    """The original header, where the name does not say it."""
    return [] if column.header == column.name else [f"help_text={quoted(column.header)}"]
