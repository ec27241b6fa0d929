"""Django fields of inferred columns, as Python code."""

from collections.abc import Iterator, Sequence

from learning.problem import Problem

from ..products import choice_names
from .inference import InferredColumn, Role

#: The line length of the project's formatter.
WIDTH = 110
#: Lengths of text keys; the first that is enough is taken.
LENGTHS = (20, 50, 100, 255, 1000)


def render_call(start: str, arguments: Sequence[str]) -> str:
    """Render a call, with line breaks where it is too long. `start` ends with the opening bracket."""
    line = f"{start}{', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(start) - len(start.lstrip()))
    inner = f"{indent}    {', '.join(arguments)}"
    if len(inner) <= WIDTH:
        return f"{start}\n{inner}\n{indent})"
    return "\n".join([start, *(f"{indent}    {argument}," for argument in arguments), f"{indent})"])


def quote(text: str) -> str:
    """Render a string literal, in double quotes where the text has none itself."""
    literal = repr(text)
    if literal[0] == "'" and '"' not in text:
        return '"' + literal[1:-1].replace("\\'", "'") + '"'
    return literal


def render_field(column: InferredColumn, choices: str | None) -> str:
    """Render a field; `choices` names the class of its values."""
    name, arguments = _type(column)
    if choices:
        arguments = [*arguments, f"choices={choices}.choices"]
    if column.optional:
        arguments = [*arguments, "null=True", "blank=True"]
    return render_call(f"    {column.name} = models.{name}(", [*arguments, *list_titles(column)])


def render_key(column: InferredColumn) -> str:
    """Render the field of an entity's key."""
    if not is_text_key(column):
        name, arguments = _type(column)
    else:
        length = next((length for length in LENGTHS if column.longest <= length), column.longest)
        name, arguments = "CharField", [f"max_length={length}"]
    return render_call(
        f"    {column.name} = models.{name}(", [*arguments, "primary_key=True", *list_titles(column)]
    )


def is_text_key(column: InferredColumn) -> bool:
    """Return True where the field of this key is a CharField."""
    return not column.type.is_integer


def has_choices(column: InferredColumn, problem: type[Problem]) -> bool:
    """Return True for categories and for integers that are classes."""
    is_class = column.role is Role.LABEL and problem.has_classes and column.type.is_integer
    is_closed = column.type.is_category and not column.type.is_open
    return (is_closed and column.role is not Role.KEY) or is_class


def render_choices(name: str, column: InferredColumn) -> Iterator[str]:
    """Render the class of a category's values, line by line."""
    is_integer = column.type.is_integer
    yield f"    class {name}(models.{'IntegerChoices' if is_integer else 'TextChoices'}):"
    members = choice_names.name_values(column.values)
    for value, member in members.items():
        literal = value if is_integer else quote(value)
        needs_title = is_integer or not _is_title_of(value, member)
        line = f"        {member} = {literal}{f', {quote(value)}' if needs_title else ''}"
        yield line if len(line) <= WIDTH else render_call(f"        {member} = (", [literal, quote(value)])


def _is_title_of(value: str, member: str) -> bool:
    """Return True where Django derives the title from the member: the value, with capitals if it has none."""
    title, words = member.replace("_", " ").title(), value.replace("_", " ")
    # "EUR" and "iOS" would be shown to people as "Eur" and "Ios".
    return title == words or title.lower() == words


def _type(column: InferredColumn) -> tuple[str, list[str]]:
    return column.type.declare_field(column)


def list_titles(column: InferredColumn) -> list[str]:
    """Render the title as it was typed, where the field's name does not say it."""
    derived = (column.name, column.name.replace("_", " ").capitalize())
    return [] if column.header in (*derived, "") else [f"verbose_name={quote(column.header)}"]
