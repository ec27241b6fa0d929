"""A stand-in for `pg_input_is_valid`, which PostgreSQL has from 16 on and finds before this one."""

from django.db import migrations

# A column of a record is read as a column of a table is, with length and precision, while a cast cuts a text that is too
# long. Records take JSON and arrays from JSON, which is not how they are written as text.
CREATE = """
CREATE OR REPLACE FUNCTION exemplar.pg_input_is_valid(value text, type text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    IF type ~ '(^jsonb?|\\])$' THEN
        EXECUTE format('SELECT %L::%s', value, type);
    ELSE
        EXECUTE format('SELECT 1 FROM json_to_record(json_build_object(''v'', $1)) AS record (v %s)', type)
        USING value;
    END IF;
    RETURN true;
EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
    RETURN false;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("store", "0004_served_choices")]

    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION exemplar.pg_input_is_valid(text, text)")]
