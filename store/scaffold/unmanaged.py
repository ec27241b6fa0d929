"""Apps over existing tables of the database: unmanaged models, which Django does not migrate."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..ingest.files import FileError
from . import fields
from .existing import DatabaseColumn, DatabaseTable, infer_existing
from .fields import render_call
from .inference import ColumnOptions, InferredColumn, InferredTable, Role
from .planning import PlannedApp, PlannedModel, build_accessor, build_app
from .row_names import name_rows
from .writing import build_choices_name, build_question, render_products, render_row_names, to_plain_text


@dataclass(frozen=True, kw_only=True)
class UnmanagedApp:
    """A planned app over tables of the database."""

    plan: PlannedApp
    #: The tables by name, the base rows' first.
    tables: dict[str, tuple[DatabaseTable, InferredTable]]

    @property
    def base(self) -> str:
        return next(iter(self.tables))


def plan_app(
    name: str, existing: Sequence[DatabaseTable], options: ColumnOptions, task: str | None
) -> UnmanagedApp:
    """Plan an app over the first table, the tables that it references, and those that reference it.

    Raises: FileError.
    """
    base, *others = existing
    other_options = ColumnOptions(leave_out=options.leave_out, day_first=options.day_first)
    tables = {base.name: infer_existing(base, options)}
    tables |= {other.name: infer_existing(other, other_options) for other in others}
    _check_class_names(tables.values())
    models = [_build_model(tables[base.name], "")]
    models += [_build_model(tables[target], path) for path, target in _find_referenced(base.name, existing)]
    referenced = {model.table.layout.path.name for model in models}
    for other in others:
        for field in other.fields if other.name not in referenced else ():
            if field.target == base.name:
                accessor = _build_reverse_accessor(other, tables[other.name], field)
                models.append(_build_model(tables[other.name], accessor, many=not field.unique))
    return UnmanagedApp(
        plan=build_app(name, models, task),
        tables={table.name: (table, tables[table.name]) for table in existing},
    )


def build_class_name(table: InferredTable) -> str:
    """Build the name of a table's class from the table's name."""
    return name_rows(table.layout, "table").class_name


def _check_class_names(tables: Iterable[InferredTable]) -> None:
    """Raise FileError where two tables would have the same class name."""
    by_name: dict[str, InferredTable] = {}
    for table in tables:
        other = by_name.setdefault(build_class_name(table), table)
        if other is not table:
            names = f"{other.layout.path} and {table.layout.path}"
            raise FileError(f"{names} would both be called {build_class_name(table)}: create a view of one.")


def _build_model(table: InferredTable, accessor: str, many: bool = False) -> PlannedModel:
    return PlannedModel(
        rows=name_rows(table.layout, "table"), table=table, key=table.key, accessor=accessor, many=many
    )


def _build_reverse_accessor(existing: DatabaseTable, table: InferredTable, field: DatabaseColumn) -> str:
    """Build the accessor of rows that reference a base row, with the field's name where several fields do."""
    relations = [other for other in existing.fields if other.target == field.target]
    name = build_accessor(build_class_name(table), not field.unique)
    return name if len(relations) == 1 else f"{name}_by_{field.name}"


def _find_referenced(base: str, existing: Sequence[DatabaseTable]) -> Iterator[tuple[str, str]]:
    """Find the tables that the base references, directly or not, breadth first. Yields path and name, once each."""
    by_name = {table.name: table for table in existing}
    visited, pending = {base}, [("", base)]
    while pending:
        prefix, name = pending.pop(0)
        for field in by_name[name].fields:
            if field.target and field.target not in visited:
                visited.add(field.target)
                pending.append((f"{prefix}{field.name}__", field.target))
                yield f"{prefix}{field.name}", field.target


def render_files(app: UnmanagedApp, command: str) -> dict[str, str]:
    """Render the app's files, by path. The README names the `command` that wrote them."""
    sentence = build_question(app.plan)
    return {
        "__init__.py": f'"""{sentence}"""\n',
        "models.py": render_models(app),
        "products.py": render_products(app.plan),
        "README.md": README.format(name=app.plan.name, sentence=sentence, command=command),
        "migrations/__init__.py": "",
    }


README = """# {name}

{sentence}

This app was written by

```console
$ {command}
```

Its models stand for existing tables; Django neither creates nor changes them. It is plain code, and yours: rename, add
validators and help texts, take features out or declare new ones.

```console
$ ./dev check    # is the declaration right?
$ ./dev up       # learns where there is no model yet, and serves it
```

`./dev rmproduct {name}` removes this folder; the tables stay.
"""


def render_models(app: UnmanagedApp) -> str:
    """Render models.py, in the order of the tables."""
    *names, last = app.tables
    subject = f"The tables {', '.join(names)} and {last}" if names else f"The table {last}"
    parts = [
        f'"""{to_plain_text(subject)}, which this app does not own."""\n\nfrom django.db import models\n'
    ]
    for existing, table in app.tables.values():
        parts.append("\n\n" + "\n".join(_render_model(app, existing, table)) + "\n")
    return "".join(parts)


def _render_model(app: UnmanagedApp, existing: DatabaseTable, table: InferredTable) -> Iterator[str]:
    yield f"class {build_class_name(table)}(models.Model):"
    model = _build_model(table, "")
    for column in table.columns:
        if fields.has_choices(column, app.plan.problem):
            yield from fields.render_choices(build_choices_name(model, column), column)
            yield ""
    for column, field in zip(table.columns, existing.fields, strict=True):
        choices = build_choices_name(model, column) if fields.has_choices(column, app.plan.problem) else None
        yield _render_field(app, existing, column, field, choices)
    yield ""
    yield "    class Meta:"
    yield "        managed = False"
    yield f"        db_table = {fields.quote(existing.db_table)}"
    yield from render_row_names(model.rows)


def _render_field(
    app: UnmanagedApp,
    existing: DatabaseTable,
    column: InferredColumn,
    field: DatabaseColumn,
    choices: str | None,
) -> str:
    kind = field.type
    arguments = [f"{name}={_render_value(value)}" for name, value in field.parameters.items()]
    if column.role is Role.KEY:
        kind = {"AutoField": "IntegerField", "BigAutoField": "BigIntegerField"}.get(kind, kind)
        arguments.append("primary_key=True")
    if field.target:
        return _render_relation(app, existing, field, arguments)
    arguments += fields.list_titles(column)
    if choices:
        arguments.append(f"choices={choices}.choices")
    if (field.null or column.role is Role.LABEL) and column.role is not Role.KEY:
        arguments += ["null=True", "blank=True"]
    return render_call(f"    {field.name} = models.{kind}(", arguments)


def _render_relation(
    app: UnmanagedApp, existing: DatabaseTable, field: DatabaseColumn, arguments: list[str]
) -> str:
    """Render a relation; only relations to the base rows have a reverse accessor."""
    assert field.target
    target, table = app.tables[field.target][1], app.tables[existing.name][1]
    has_reverse = field.target == app.base != existing.name
    related_name = _build_reverse_accessor(existing, table, field) if has_reverse else "+"
    arguments = [
        f'"{build_class_name(target)}"' if field.target != existing.name else '"self"',
        "models.DO_NOTHING",
        f'related_name="{related_name}"',
        *arguments,
        *(["null=True", "blank=True"] if field.null else []),
    ]
    kind = "OneToOneField" if field.unique else "ForeignKey"
    return render_call(f"    {field.name} = models.{kind}(", arguments)


def _render_value(value: object) -> str:
    return fields.quote(value) if isinstance(value, str) else repr(value)
