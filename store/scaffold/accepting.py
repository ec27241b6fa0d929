"""New choices of a field, written into the models.py of an app beside manage.py, and the migration for them.

Only what the scaffold itself writes is edited: a choices class within the model's class, named by the field.
"""

import ast
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import models

from ..exceptions import StoreError
from ..ingest.new_choices import NewChoices
from ..products import choice_names
from ..products.product import DataProduct
from .app import get_folder
from .fields import quote


class CannotAccept(StoreError):
    """The choices cannot be written into models.py."""

    code = "BAD_INPUT"


@dataclass(frozen=True)
class Place:
    """The source of a field's choices."""

    path: Path
    #: The line behind the last member, counted from 0, and the blanks before a member.
    line: int
    indent: str
    members: dict[str, str]
    is_integer: bool
    #: The line, and the first and last byte in it, of `max_length`; None: the field has none.
    max_length: tuple[int, int, int] | None = None


@contextmanager
def accepted(choices: Sequence[NewChoices]) -> Iterator[bool]:
    """Write the choices into their models.py, and take them back where the block raises.

    Yields: True where one of them is new there.

    Raises: CannotAccept before anything is written.
    """
    paths = {get_models_path(new.field) for new in choices}
    before = {path: path.read_text(encoding="utf-8") for path in paths}
    after = dict(before)
    for new in choices:
        path = get_models_path(new.field)
        after[path] = add_choices(after[path], new, path)
    _write(after)
    try:
        yield after != before
    except BaseException:
        _write(before)
        raise


def _write(sources: Mapping[Path, str]) -> None:
    """Replace files, each at once."""
    for path, source in sources.items():
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(source, encoding="utf-8")
        os.replace(draft, path)


def get_models_path(field: models.Field) -> Path:
    """Get the models.py of a field. Raises CannotAccept where it is not beside manage.py."""
    model = field.model
    path = get_folder(model._meta.app_label) / "models.py"
    if Path(apps.get_app_config(model._meta.app_label).path) != path.parent or not path.is_file():
        raise CannotAccept(
            f"{model.__name__} is not in an app beside manage.py: add the choices to {field.name} there."
        )
    return path


def check_positive(product: DataProduct, new: NewChoices) -> None:
    """Raise CannotAccept where a third class would contradict the declaration of the positive one of two."""
    path = product.join.label_path
    positive = getattr(product.problem, "positive", None)
    if positive is not None and path and path.column == new.field:
        raise CannotAccept(
            f"{product} has two classes, of which {positive!r} is positive: take positive= out of "
            f"{product.join.model._meta.app_label}/products.py first."
        )


def add_choices(source: str, new: NewChoices, path: Path) -> str:
    """Add the values that are no choices yet, and lengthen the field where one is longer. Raises CannotAccept."""
    place = _find_place(source, new.field, path)
    values = [value for value in new.values if value not in place.members]
    if not values:
        return source
    names = choice_names.name_values(values, recorded=place.members)
    lines = source.encode().splitlines(keepends=True)
    if place.max_length:
        _lengthen(lines, place.max_length, max(map(len, values)))
    members = (_render_member(place, names[value], value) for value in values)
    lines[place.line : place.line] = [f"{place.indent}{member}\n".encode() for member in members]
    edited = b"".join(lines).decode()
    try:
        ast.parse(edited)
    except SyntaxError as error:
        raise CannotAccept(_describe_form(new.field, path)) from error
    return edited


def _describe_form(field: models.Field, path: Path) -> str:
    return (
        f"{path}: the choices of {field.name} are not in a class of their own within "
        f"{field.model.__name__}, as newproduct writes them: add the choices by hand."
    )


def _render_member(place: Place, name: str, value: str) -> str:
    return f"{name} = {int(value) if place.is_integer else quote(value)}, {quote(value)}"


def _lengthen(lines: list[bytes], at: tuple[int, int, int], longest: int) -> None:
    line, start, end = at
    length = max(int(lines[line][start:end]), longest)
    lines[line] = lines[line][:start] + str(length).encode() + lines[line][end:]


def _find_place(source: str, field: models.Field, path: Path) -> Place:
    """Find the choices class that the field names. Raises CannotAccept where the source has another form."""
    try:
        model = _find_class(ast.parse(source).body, field.model.__name__)
        call = next(
            node.value
            for node in model.body
            if isinstance(node, ast.Assign) and _is_name(node.targets[0], field.name)
        )
        assert isinstance(call, ast.Call)
        options = {keyword.arg: keyword.value for keyword in call.keywords}
        named = options["choices"]
        assert (
            isinstance(named, ast.Attribute) and named.attr == "choices" and isinstance(named.value, ast.Name)
        )
        class_ = _find_class(model.body, named.value.id)
        return _build_place(class_, options.get("max_length"), path)
    except (SyntaxError, StopIteration, AssertionError, KeyError, IndexError, ValueError) as error:
        raise CannotAccept(_describe_form(field, path)) from error


def _build_place(class_: ast.ClassDef, length: ast.expr | None, path: Path) -> Place:
    base, last = class_.bases[0], class_.body[-1]
    assert isinstance(base, ast.Attribute) and last.end_lineno
    members = {}
    for node in class_.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value
            members[str(ast.literal_eval(value))] = node.targets[0].id
    has_length = isinstance(length, ast.Constant) and isinstance(length.value, int)
    return Place(
        path=path,
        line=last.end_lineno,
        indent=" " * last.col_offset,
        members=members,
        is_integer=base.attr == "IntegerChoices",
        max_length=(length.lineno - 1, length.col_offset, length.end_col_offset or 0)
        if has_length and isinstance(length, ast.Constant)
        else None,
    )


def _find_class(body: Sequence[ast.stmt], name: str) -> ast.ClassDef:
    return next(node for node in body if isinstance(node, ast.ClassDef) and node.name == name)


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


@contextmanager
def locked(labels: Sequence[str]) -> Iterator[None]:
    """Lock the folders of apps against another process that changes them."""
    folders = [os.open(get_folder(label), os.O_RDONLY) for label in sorted(set(labels))]
    try:
        for folder in folders:
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        for folder in folders:
            os.close(folder)


def complete_migrations(label: str) -> None:
    """Write and apply what the app's migrations lack, as after an interruption; its models are loaded."""
    if (get_folder(label) / "migrations").is_dir() and label not in settings.OURS:
        call_command("makemigrations", label, interactive=False, verbosity=0)
        call_command("migrate", label, interactive=False, verbosity=0)
