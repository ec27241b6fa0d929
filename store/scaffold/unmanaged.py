"""Apps over existing tables of the database: unmanaged models, which Django does not migrate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db import models

from learning.kinds import UNLEARNED, kind_of_field

from ..ingest.files import FileError, field_names
from . import fields, linking
from .allowed_writes import find_writes
from .classes import find_classes, without_rare
from .existing import count_key, infer_existing
from .fields import render_call
from .inference import ColumnOptions, InferredColumn, InferredTable, Role
from .inspection import DatabaseColumn, DatabaseTable
from .linking import Link, Tables
from .lookups import plan_category
from .planning import PlannedApp, PlannedModel, build_accessor, build_app
from .row_names import RowName, name_rows, to_camel_case
from .views import render_keyed_view
from .writing import build_choices_name, build_question, render_products, render_row_names, to_plain_text


@dataclass(frozen=True, kw_only=True)
class UnmanagedApp:
    """A planned app over tables of the database."""

    plan: PlannedApp
    #: The tables by name, the base rows' first.
    tables: Tables
    #: What a row is called, by table.
    rows: Mapping[str, RowName]
    #: The relations by which rows are joined, by table.
    links: Mapping[str, tuple[Link, ...]]


def plan_app(
    name: str,
    existing: Sequence[DatabaseTable],
    options: ColumnOptions,
    task: str | None,
    keys: Mapping[str, str] | None = None,
) -> UnmanagedApp:
    """Plan an app over the first table, the tables that it references, and those that reference it.

    Args:
        keys: by other table, the column that holds the base's key.

    Raises: FileError.
    """
    columns = {table.name: (keys or {}).get(table.name) for table in existing[1:] if table.is_named}
    rows = _name_rows(existing)
    tables = _infer_tables(existing, options, columns, rows)
    base_table, base = next(iter(tables.values()))
    classes = find_classes(base_table, base, tables)
    if classes:
        base = without_rare(base)
        tables[base_table.name] = (base_table, base)
    label = base.label.name if classes and base.label else None
    class_names = {table: names.class_name for table, names in rows.items()}
    links = linking.find_links(tables, class_names, columns, label)
    models = [PlannedModel(rows=rows[base_table.name], table=base, key=base.key)]
    models += _build_models(tables, rows, links)
    writes = find_writes(base_table, base.label.header if base.label else None)
    plan = replace(build_app(name, models, task), classes=classes, writes=writes)
    by_table = {table: tuple(link for link in links if link.table == table) for table in tables}
    return UnmanagedApp(plan=plan, tables=tables, rows=rows, links=by_table)


def _infer_tables(
    existing: Sequence[DatabaseTable],
    options: ColumnOptions,
    columns: Mapping[str, str | None],
    rows: Mapping[str, RowName],
) -> dict[str, tuple[DatabaseTable, InferredTable]]:
    base, *others = existing
    key = _find_key(base, options.entity)
    tables = {base.name: infer_existing(base, replace(options, entity=key))}
    if not (counts := count_key(base, key)).are_distinct:
        raise FileError(
            f"{base.name}, column {key}: its values repeat, so that they name no row: {counts.rows:,} rows have "
            f"{counts.keys:,} different ones. Name another key with --entity."
        )
    row = build_accessor(rows[base.name].class_name, many=False)
    for other in others:
        is_named = other.name in columns
        if is_named:
            other = linking.refer_to_base(base, other, key, columns[other.name], row)
        own = ColumnOptions(entity=other.key, leave_out=options.leave_out, day_first=options.day_first)
        tables[other.name] = infer_existing(other, own, is_empty_accepted=not is_named)
    return tables


def _find_key(base: DatabaseTable, entity: str | None) -> str:
    """Find the column of the base's key. Raises FileError."""
    key = entity or base.key
    if key is None and base.keys:
        names = ", ".join(base.keys)
        raise FileError(
            f"{base.name} has a key of {len(base.keys)} columns ({names}), and an entity has one: name a column with "
            f"unique values with --entity, or a view with one: {render_keyed_view(base)}."
        )
    if key is None:
        raise FileError(f"{base.name} has no key of one column: name one with --entity.")
    field = base.find_field(key)
    return field.column if field else key  # inference refuses it with the columns that there are


def _name_rows(existing: Sequence[DatabaseTable]) -> dict[str, RowName]:
    """Name the rows of each table; where two would share a name, after the whole of the table's name."""
    names: dict[str, RowName] = {}
    for table in existing:
        name = name_rows(table.layout, "table")
        taken = {other.class_name for other in names.values()}
        if name.class_name in taken:
            whole = to_camel_case(field_names([table.relation])[0])
            numbered = (whole, *(f"{whole}{number}" for number in range(2, len(existing) + 2)))
            free = next(other for other in numbered if other not in taken)
            name = RowName(free, f"row of {table.name}", f"rows of {table.name}")
        names[table.name] = name
    return names


def _build_models(
    tables: Tables, rows: Mapping[str, RowName], links: Sequence[Link]
) -> Iterator[PlannedModel]:
    times: dict[str, str] = {}
    base_rows = next(iter(tables.values()))[1].rows
    for link in links:
        table = tables[link.table][1]
        model = PlannedModel(
            rows=rows[link.table],
            table=table,
            key=table.key,
            accessor=link.path,
            many=link.many,
            outer_time=times.get(link.path.rpartition("__")[0], ""),
        )
        times[link.path] = model.time
        is_referenced = link.field is None and not link.many
        yield plan_category(model, base_rows) if is_referenced else model


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
    first, *others = app.tables
    named = f" and {others[0]}" if len(others) == 1 else f" and {len(others)} others" if others else ""
    subject = f"The table{'s' * bool(others)} {first}{named}"
    parts = [
        f'"""{to_plain_text(subject)}, which this app does not own."""\n\nfrom django.db import models\n'
    ]
    if any(field.stored.generated for existing, _ in app.tables.values() for field in existing.fields):
        parts.append("from django.db.models.expressions import RawSQL\n")
    for existing, table in app.tables.values():
        parts.append("\n\n" + "\n".join(_render_model(app, existing, table)) + "\n")
    return "".join(parts)


def _render_model(app: UnmanagedApp, existing: DatabaseTable, table: InferredTable) -> Iterator[str]:
    rows, keys = app.rows[existing.name], list_key_fields(existing, table, app.links[existing.name])
    yield f"class {rows.class_name}(models.Model):"
    model = PlannedModel(rows=rows, table=table, key=table.key)
    choices = {
        column.name: build_choices_name(model, column)
        for column, field in zip(table.columns, existing.fields, strict=True)
        if fields.has_choices(column, app.plan.problem) and not field.target
    }
    for column in table.columns:
        if column.name in choices:
            yield from fields.render_choices(choices[column.name], column)
            yield ""
    if len(keys) > 1:
        if not existing.keys:
            yield "    # The table has no key: these columns stand in for one."
        names = [fields.quote(field.attribute) for field in keys]
        yield render_call("    pk = models.CompositePrimaryKey(", names)
    for column, field in zip(table.columns, existing.fields, strict=True):
        arguments = ["primary_key=True"] * (keys == (field,))
        is_null = (
            (field.null or column.role is Role.LABEL) and column.role is not Role.TIME and field not in keys
        )
        yield _render_field(app, existing, column, field, arguments, choices.get(column.name), is_null)
    for unnamed in existing.unnamed:
        yield f"    # Without {to_plain_text(unnamed)}, whose name Django cannot write: rename it in a view."
    yield ""
    yield "    class Meta:"
    yield "        managed = False"
    yield f"        db_table = {fields.quote(existing.db_table)}"
    yield from render_row_names(rows)


def list_key_fields(
    existing: DatabaseTable, table: InferredTable, links: Sequence[Link]
) -> tuple[DatabaseColumn, ...]:
    """List the fields of a model's key: those of the table's, else some that stand in for it.

    Such rows are only counted and aggregated, for which Django needs a key, and nothing needs a unique one.
    """
    if table.key:
        return (existing.fields[table.columns.index(table.key)],)
    if existing.keys:
        return tuple(field for column in existing.keys for field in existing.fields if field.column == column)
    references = [link.field for link in links if link.field and link.unique]
    if references:
        return (references[0],)
    first = [link.field for link in links if link.field]
    others = sorted(zip(table.columns, existing.fields, strict=True), key=lambda pair: pair[0].missing > 0)
    able = [field for column, field in others if _can_be_key(field) and field not in first]
    return (*first, *able)[: max(2, len(first))]


def _can_be_key(field: DatabaseColumn) -> bool:
    return kind_of_field(getattr(models, field.type, models.Field)) is not UNLEARNED


def _render_field(
    app: UnmanagedApp,
    existing: DatabaseTable,
    column: InferredColumn,
    field: DatabaseColumn,
    arguments: list[str],
    choices: str | None,
    is_null: bool,
) -> str:
    own = _render_arguments(field.arguments)
    null = ["null=True", "blank=True"] * is_null
    if field.target:
        return _render_relation(app, existing, field, [*own, *arguments, *null])
    kind = field.type
    if arguments or column.role is Role.KEY:
        kind = kind.replace("BigAutoField", "BigIntegerField").replace("AutoField", "IntegerField")
    targets = [
        (other.target, other.target_column) for table, _ in app.tables.values() for other in table.fields
    ]
    unique = ["unique=True"] * (not arguments and (existing.name, field.column) in targets)
    choice = [f"choices={choices}.choices"] if choices else []
    titles = [] if _says_title(field) else fields.list_titles(column)
    if field.stored.generated:
        values = f"models.{kind}({', '.join([*_render_arguments(field.parameters), *choice])})"
        named = _render_arguments({k: v for k, v in field.arguments.items() if k not in field.parameters})
        return field.stored.render_generated(f"    {field.name} = ", values, [*named, *titles, *null[:1]])
    return render_call(
        f"    {field.name} = models.{kind}(", [*own, *arguments, *unique, *titles, *choice, *null]
    )


def _says_title(field: DatabaseColumn) -> bool:
    """Return True where the field's name differs from the column's by the case of letters alone."""
    return field.name.replace("_", "") == field.column.replace("_", "").lower()


def _render_relation(
    app: UnmanagedApp, existing: DatabaseTable, field: DatabaseColumn, arguments: list[str]
) -> str:
    """Render a relation; only those by which rows are joined have a reverse accessor."""
    assert field.target
    target, table = app.tables[field.target]
    related_name = next((link.related_name for link in app.links[existing.name] if link.field == field), "+")
    column = target.find_field(field.target_column)
    is_key = bool(table.key and column and table.key.name == column.name)
    arguments = [
        f'"{app.rows[field.target].class_name}"' if field.target != existing.name else '"self"',
        "models.DO_NOTHING",
        f'related_name="{related_name}"',
        *([] if is_key or column is None else [f'to_field="{column.name}"']),
        *arguments,
    ]
    is_unique = field.unique or any(link.field == field and link.unique for link in app.links[existing.name])
    return render_call(
        f"    {field.name} = models.{'OneToOneField' if is_unique else 'ForeignKey'}(", arguments
    )


def _render_arguments(arguments: Mapping[str, object]) -> list[str]:
    return [f"{name}={_render_value(value)}" for name, value in arguments.items()]


def _render_value(value: object) -> str:
    return fields.quote(value) if isinstance(value, str) else repr(value)
