"""Models over tables that are there already, and that Django leaves as they are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..ingest.files import FileError
from . import fields
from .existing import Existing, Field, understood
from .fields import call
from .inference import InferredColumn, InferredTable, Role, Wishes
from .planning import PlannedApp, PlannedModel, accessor_of, class_name, planned
from .writing import choices_name, plain, products, question


@dataclass(frozen=True, kw_only=True)
class Found:
    """An app over tables of the database."""

    app: PlannedApp
    #: By name, the base rows' first.
    tables: dict[str, tuple[Existing, InferredTable]]

    @property
    def base(self) -> str:
        return next(iter(self.tables))


def plan(name: str, existing: Sequence[Existing], wishes: Wishes, task: str | None) -> Found:
    """The app over the first table, all that it leads to, and those that lead to it. Raises FileError."""
    base, *others = existing
    of_others = Wishes(leave_out=wishes.leave_out, day_first=wishes.day_first)
    tables = {base.name: understood(base, wishes)} | {one.name: understood(one, of_others) for one in others}
    _check_apart(tables.values())
    models = [_model(tables[base.name], "")]
    models += [_model(tables[target], path) for path, target in _forward(base.name, existing)]
    reached = {model.table.layout.path.name for model in models}
    for one in others:
        for field in one.fields if one.name not in reached else ():
            if field.target == base.name:
                accessor = _accessor(one, tables[one.name], field)
                models.append(_model(tables[one.name], accessor, many=not field.unique))
    return Found(
        app=planned(name, models, task), tables={one.name: (one, tables[one.name]) for one in existing}
    )


def _check_apart(tables: Iterable[InferredTable]) -> None:
    by_name: dict[str, InferredTable] = {}
    for table in tables:
        other = by_name.setdefault(class_name(table, "table"), table)
        if other is not table:
            names = f"{other.layout.path} and {table.layout.path}"
            raise FileError(f"{names} would both be called {class_name(table, 'table')}: make a view of one.")


def _model(table: InferredTable, accessor: str, many: bool = False) -> PlannedModel:
    name = class_name(table, "table")
    return PlannedModel(name=name, table=table, key=table.key, accessor=accessor, many=many)


def _accessor(existing: Existing, table: InferredTable, field: Field) -> str:
    """What the rows that lead to a base row are called there; the relation's name where there are several."""
    relations = [other for other in existing.fields if other.target == field.target]
    name = accessor_of(class_name(table, "table"), not field.unique)
    return name if len(relations) == 1 else f"{name}_by_{field.name}"


def _forward(base: str, existing: Sequence[Existing]) -> Iterator[tuple[str, str]]:
    """The tables that the base leads to, each once: the path to them, and their names."""
    by_name = {one.name: one for one in existing}
    seen, waiting = {base}, [("", base)]
    while waiting:
        prefix, name = waiting.pop(0)
        for field in by_name[name].fields:
            if field.target and field.target not in seen:
                seen.add(field.target)
                waiting.append((f"{prefix}{field.name}__", field.target))
                yield f"{prefix}{field.name}", field.target


def sources(found: Found, command: str) -> dict[str, str]:
    """The app's files by their path; `command` is what wrote them."""
    sentence = question(found.app)
    return {
        "__init__.py": f'"""{sentence}"""\n',
        "models.py": models(found),
        "products.py": products(found.app),
        "README.md": README.format(name=found.app.name, sentence=sentence, command=command),
        "migrations/__init__.py": "",
    }


README = """# {name}

{sentence}

This app was written by

```console
$ {command}
```

Its models stand for tables that were there before; Django neither makes nor changes them. It is plain code, and yours:
rename, add validators and help texts, take features out or declare new ones.

```console
$ ./dev check    # is the declaration right?
$ ./dev up       # learns where there is no model yet, and serves it
```

`./dev rmproduct {name}` removes this folder; the tables stay.
"""


def models(found: Found) -> str:
    """The text of models.py: a table stands behind those that it leads to, where that is possible."""
    *names, last = found.tables
    named = f"The tables {', '.join(names)} and {last}" if names else f"The table {last}"
    parts = [f'"""{plain(named)}, which this app does not own."""\n\nfrom django.db import models\n']
    for existing, table in found.tables.values():
        parts.append("\n\n" + "\n".join(_written(found, existing, table)) + "\n")
    return "".join(parts)


def _written(found: Found, existing: Existing, table: InferredTable) -> Iterator[str]:
    yield f"class {class_name(table, 'table')}(models.Model):"
    model = _model(table, "")
    for column in table.columns:
        if fields.has_choices(column, found.app.problem):
            yield from fields.choices(choices_name(model, column), column)
            yield ""
    for column, field in zip(table.columns, existing.fields, strict=True):
        chosen = choices_name(model, column) if fields.has_choices(column, found.app.problem) else None
        yield _field(found, existing, column, field, chosen)
    yield ""
    yield "    class Meta:"
    yield "        managed = False"
    yield f"        db_table = {fields.quoted(existing.db_table)}"


def _field(
    found: Found, existing: Existing, column: InferredColumn, field: Field, choices: str | None
) -> str:
    kind, arguments = field.type, [f"{name}={_value(value)}" for name, value in field.parameters.items()]
    if column.role is Role.KEY:
        kind = {"AutoField": "IntegerField", "BigAutoField": "BigIntegerField"}.get(kind, kind)
        arguments.append("primary_key=True")
    if field.target:
        return _relation(found, existing, field, arguments)
    if choices:
        arguments.append(f"choices={choices}.choices")
    if (field.null or column.role is Role.LABEL) and column.role is not Role.KEY:
        arguments += ["null=True", "blank=True"]
    return call(f"    {field.name} = models.{kind}(", arguments)


def _relation(found: Found, existing: Existing, field: Field, arguments: list[str]) -> str:
    """To the base rows it goes both ways, to all others only there."""
    assert field.target
    target, table = found.tables[field.target][1], found.tables[existing.name][1]
    back = _accessor(existing, table, field) if field.target == found.base != existing.name else "+"
    arguments = [
        f'"{class_name(target, "table")}"' if field.target != existing.name else '"self"',
        "models.DO_NOTHING",
        f'related_name="{back}"',
        *arguments,
        *(["null=True", "blank=True"] if field.null else []),
    ]
    kind = "OneToOneField" if field.unique else "ForeignKey"
    return call(f"    {field.name} = models.{kind}(", arguments)


def _value(value: object) -> str:
    return fields.quoted(value) if isinstance(value, str) else repr(value)
