"""Types of existing columns as PostgreSQL has them, where Django's inspection guesses or says nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db import connection

from learning.kinds import Kind, Substitute, substitute_for_type

from ..ingest.files import FileError
from . import fields
from .inference import InferredColumn, Role

#: The type, the enum's values and the expression of each column; a domain's type is the one below it.
STATEMENT = """
WITH RECURSIVE typed (name, type, modifier, generated, number) AS (
    SELECT attname, atttypid, atttypmod, attgenerated, attnum FROM pg_attribute
    WHERE attrelid = format('%%I.%%I', %s, %s)::regclass AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT typed.name, typbasetype, typtypmod, generated, number FROM typed JOIN pg_type ON oid = type
    WHERE typtype = 'd'
)
SELECT typed.name, typname, typcategory, format_type(type, nullif(modifier, -1)), modifier = -1,
    ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = type ORDER BY enumsortorder), generated,
    (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
     WHERE adrelid = format('%%I.%%I', %s, %s)::regclass AND adnum = number),
    ARRAY(SELECT source.attname::text FROM pg_attrdef JOIN pg_depend ON refobjid = adrelid
     AND (classid = 'pg_attrdef'::regclass AND objid = pg_attrdef.oid
          OR classid = 'pg_class'::regclass AND objid = adrelid AND objsubid = adnum)
     JOIN pg_attribute source ON attrelid = adrelid AND attnum = refobjsubid AND attnum <> adnum
     WHERE adrelid = format('%%I.%%I', %s, %s)::regclass AND adnum = number)
FROM typed JOIN pg_type ON pg_type.oid = type WHERE typtype <> 'd' ORDER BY number
"""
#: Fields that number rows, which Django takes for keys alone.
PLAIN = {
    "AutoField": "IntegerField",
    "BigAutoField": "BigIntegerField",
    "SmallAutoField": "SmallIntegerField",
}


@dataclass(frozen=True, kw_only=True)
class StoredType:
    """The type of a column."""

    #: The base type's name, as `pg_type` has it, and its category there.
    name: str
    category: str
    #: The type as SQL writes it.
    sql_name: str
    #: False for a numeric of any number of digits, and for other types without a modifier.
    has_modifier: bool
    #: The values of an enum in their order.
    enum: tuple[str, ...]
    #: The expression of a generated column, and whether it is stored.
    generated: str
    is_persisted: bool
    #: The columns that a generated column is computed from.
    sources: frozenset[str]

    @property
    def substitute(self) -> Substitute | None:
        """The expression to declare in place of the column; None where models learn from it."""
        return substitute_for_type(self.name, self.category)

    def declare(self, field: str, arguments: dict[str, object]) -> tuple[str, dict[str, object]]:
        """Return the class of the Django field, and its arguments, for those of Django's inspection."""
        if self.name == "numeric" and not self.has_modifier:
            return "FloatField", {}  # its digits have no limit, and a DecimalField's have one
        if self.substitute and field not in self.substitute.fields:
            return "TextField", {}  # a field that Django guesses, as it has none of the type
        return PLAIN.get(field, field), arguments

    def apply(self, column: InferredColumn, table: str) -> InferredColumn | None:
        """Infer again what follows from the type alone; None: nothing does.

        Raises: FileError where the column cannot be the label.
        """
        if self.substitute and column.role in (Role.LABEL, Role.TIME):
            raise FileError(
                f"{table}, column {column.header}: {self._article} cannot be the {column.role.lower()}. Name a column "
                "of a view that has it as a number, a text, a time or a yes and no."
            )
        if self.substitute and column.role is not Role.KEY:
            return self._leave_out(column, self.substitute)
        if self.category == "E":
            values = tuple(value for value in self.enum if value)
            return replace(column, type=Kind.CATEGORY, values=values)
        return None

    @property
    def _article(self) -> str:
        return f"{'an' if self.sql_name[:1] in 'aeiou' else 'a'} {self.sql_name}"

    def _leave_out(self, column: InferredColumn, substitute: Substitute) -> InferredColumn:
        remark = f"no model learns from {self._article}: {substitute.advise(column.name)}"
        return replace(column, role=Role.LEFT_OUT, type=Kind.TEXT, values=(), remarks=(remark,))

    def render_generated(self, start: str, output: str, arguments: list[str]) -> str:
        """Render the field of a generated column, which Django does not write.

        Args:
            start: the code up to the class of the field.
            output: the code of the field of its values.
        """
        expression = fields.quote(self.generated.replace("%", "%%"))
        own = [
            f"expression=RawSQL({expression}, ())",
            f"output_field={output}",
            f"db_persist={self.is_persisted}",
        ]
        return fields.render_call(f"{start}models.GeneratedField(", [*own, *arguments])


def read_types(schema: str, table: str) -> Mapping[str, StoredType]:
    """Read the types of a table's columns, by the columns' names."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [schema, table] * 3)
        rows = cursor.fetchall()
    return {
        column: StoredType(
            name=name,
            category=category,
            sql_name=sql_name,
            has_modifier=not is_bare,
            enum=tuple(enum),
            generated=expression if generated else "",
            is_persisted=generated == "s",
            sources=frozenset(sources) if generated else frozenset(),
        )
        for column, name, category, sql_name, is_bare, enum, generated, expression, sources in rows
    }


def is_quotable(column: str) -> bool:
    """Return True where Django can write the column's name: it doubles neither quotes nor percent signs."""
    return not set(column) & set('"%')
