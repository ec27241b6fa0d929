"""Links between existing tables: the paths from a base row to the rows of the other tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..ingest.files import FileError
from .inference import InferredTable
from .inspection import DatabaseColumn, DatabaseTable
from .planning import build_accessor

#: Tables by name, with what was inferred of them; the base rows' first.
Tables = Mapping[str, tuple[DatabaseTable, InferredTable]]


@dataclass(frozen=True, kw_only=True)
class Link:
    """The path from a base row to the rows of another table."""

    table: str
    #: The accessors, as `customer__region` or `rentals__lines`.
    path: str
    #: True where a base row has many of the rows.
    many: bool
    #: The field by which the rows refer to those of the table before; None: that table refers to these rows.
    field: DatabaseColumn | None = None
    #: The accessor of the rows on a row of the table before.
    related_name: str = ""
    #: True where a row of the table before has one of these rows at most.
    unique: bool = False


def find_links(
    tables: Tables, class_names: Mapping[str, str], columns: Mapping[str, str | None], label: str | None
) -> list[Link]:
    """Find the path to each table that the base refers to, directly or not, and to each of the joined tables.

    Args:
        class_names: the names of the models, by table.
        columns: the tables to join, with the column that refers to the base where the caller named it.
        label: the base's field whose table must not be joined, since it tells the label.

    Raises: FileError where there is no path to one of the joined tables.
    """
    base = next(iter(tables))
    links = list(_find_referenced(tables, label))
    owners = {base: Link(table=base, path="", many=False)} | {link.table: link for link in links}
    pending = [name for name in columns if name not in owners]
    while reached := _find_next(tables, class_names, owners, {name: columns[name] for name in pending}):
        links += reached
        owners[reached[0].table] = reached[0]
        pending.remove(reached[0].table)
    if pending:
        raise FileError(
            f"{pending[0]} does not refer to {base}: name the column that holds the key of {base}, as --entity "
            f"{pending[0]}.COLUMN, or leave {pending[0]} out."
        )
    return links


def _find_referenced(tables: Tables, label: str | None) -> Iterator[Link]:
    """Find the tables that the base references, directly or not, breadth first, once each."""
    base = next(iter(tables))
    visited, pending = {base}, [("", base)]
    while pending:
        prefix, name = pending.pop(0)
        for field in tables[name][0].fields:
            is_label = name == base and field.name == label
            if field.target and field.target not in visited and not is_label:
                visited.add(field.target)
                pending.append((f"{prefix}{field.name}__", field.target))
                yield Link(table=field.target, path=f"{prefix}{field.name}", many=False)


def _find_next(
    tables: Tables,
    class_names: Mapping[str, str],
    owners: Mapping[str, Link],
    pending: Mapping[str, str | None],
) -> list[Link]:
    """Find how a pending table refers to one that is reached, by each of its fields; owners near the base first."""
    for owner in owners.values():
        for name, column in pending.items():
            fields = [field for field in tables[name][0].fields if field.target == owner.table]
            if named := [field for field in fields if field.column == column]:
                fields = named
            if fields:
                accessors = Accessors(tables[owner.table][0], class_names[name], len(fields) > 1)
                return [_build_link(owner, *tables[name], field, accessors) for field in fields]
    return []


@dataclass(frozen=True)
class Accessors:
    """Names of the accessors of related rows on the rows of a table."""

    owner: DatabaseTable
    #: The model of the related rows.
    class_name: str
    #: True where several fields refer to the owner, so that each accessor is named after its own.
    several: bool

    def name(self, field: DatabaseColumn, many: bool) -> str:
        accessor = build_accessor(self.class_name, many)
        if self.several:
            accessor = f"{accessor}_by_{field.name}"
        taken = {name for other in self.owner.fields for name in (other.name, other.attribute)}
        return f"{accessor}_rows" if accessor in taken else accessor


def _build_link(
    owner: Link, table: DatabaseTable, inferred: InferredTable, field: DatabaseColumn, accessors: Accessors
) -> Link:
    column = inferred.columns[table.fields.index(field)]
    is_unique = field.unique or (table.is_view and column.unique)
    accessor = accessors.name(field, not is_unique)
    return Link(
        table=table.name,
        path=f"{owner.path}__{accessor}" if owner.path else accessor,
        many=owner.many or not is_unique,
        field=field,
        related_name=accessor,
        unique=is_unique,
    )


def refer_to_base(
    base: DatabaseTable, other: DatabaseTable, key: str, column: str | None, name: str
) -> DatabaseTable:
    """Make a foreign key of the column that holds the base's key, where the database does not say that it is one.

    Args:
        key: the column of the base's key.
        column: the column that the caller named. None: that of a view which is called like the base's key.
        name: what a base row is called.

    Raises: FileError where the table has no such column.
    """
    field = other.find_field(column or key)
    if column and field is None:
        names = ", ".join(field.column for field in other.fields)
        raise FileError(f"{other.name} has no column {column!r}; it has {names}.")
    is_meant = column or (other.is_view and key.lower() != "id")
    if field is None or not is_meant or field.target == base.name:
        return other
    used = {own for each in other.fields if each is not field for own in (each.name, each.attribute)}
    while used & {name, f"{name}_id"}:
        name = f"{name}_row"
    reference = replace(field, name=name, target=base.name, target_column=key)
    fields = (reference if each is field else each for each in other.fields)
    return replace(other, fields=tuple(fields))


def split_keys(tables: Sequence[DatabaseTable], names: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """Split `COLUMN` and `TABLE.COLUMN`: the base's key, and by other table the column that holds it.

    Raises: FileError where two columns of one table are named.
    """
    keys: dict[str, str] = {}
    for name in names:
        owner, _, column = name.rpartition(".")
        table = next(
            (
                each
                for each in tables
                if owner in (each.name, each.relation, f"{each.schema}.{each.relation}")
            ),
            None,
        )
        place, column = (table.name, column) if table else (tables[0].name, name)
        if keys.setdefault(place, column) != column:
            raise FileError(f"--entity names two columns of {place}, {keys[place]} and {column}: name one.")
    return keys.pop(tables[0].name, None), keys
