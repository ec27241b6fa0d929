"""A stand-in for `pg_input_is_valid`, which PostgreSQL has from 16 on and finds before this one."""

from django.db import migrations

# The types of most columns are expressions that PostgreSQL plans once: four microseconds instead of forty.
#
# Otherwise a column of a record is read as a column of a table is, with length and precision, while a cast cuts a text that
# is too long. Records take JSON and arrays from JSON, which is not how they are written as text.
CREATE = """
CREATE OR REPLACE FUNCTION exemplar.pg_input_is_valid(value text, type text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    CASE type
        WHEN 'integer' THEN RETURN value::integer IS NOT NULL;
        WHEN 'bigint' THEN RETURN value::bigint IS NOT NULL;
        WHEN 'smallint' THEN RETURN value::smallint IS NOT NULL;
        WHEN 'double precision' THEN RETURN value::double precision IS NOT NULL;
        WHEN 'numeric' THEN RETURN value::numeric IS NOT NULL;
        WHEN 'boolean' THEN RETURN value::boolean IS NOT NULL;
        WHEN 'date' THEN RETURN value::date IS NOT NULL;
        WHEN 'timestamp with time zone' THEN RETURN value::timestamp with time zone IS NOT NULL;
        WHEN 'time' THEN RETURN value::time IS NOT NULL;
        WHEN 'text' THEN RETURN true;
        WHEN 'json' THEN RETURN value::json IS NOT NULL;
        WHEN 'jsonb' THEN RETURN value::jsonb IS NOT NULL;
        ELSE
            IF type LIKE '%]' THEN
                EXECUTE format('SELECT %L::%s', value, type);
            ELSE
                EXECUTE format('SELECT 1 FROM json_to_record(json_build_object(''v'', $1)) AS record (v %s)', type)
                USING value;
            END IF;
            RETURN true;
    END CASE;
EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
    RETURN false;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("store", "0004_served_choices")]

    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION exemplar.pg_input_is_valid(text, text)")]
