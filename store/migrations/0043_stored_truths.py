"""Truths as rows, which triggers keep equal to the words: what was a view of all words was computed by every read."""

from importlib import import_module

from django.db import migrations, models

from store.predictions.truth import STORED, TRUTHS

VIEW = import_module("store.migrations.0031_truth_policies").TRUTH_VIEW
SELECTED = TRUTHS.format(**STORED)

#: Whoever gives feedback while this is done waits, so that the triggers miss no word: for the policy's lock, which writers
#: take first, so that nobody waits for words who has read the view already, and would be waited for.
REPLACE_VIEW = """
SELECT pg_advisory_xact_lock(hashtextextended('truth policy ' || product, 0))
FROM (SELECT product FROM store_truthpolicy ORDER BY product) policies;
LOCK TABLE store_feedback, store_truthpolicy IN SHARE ROW EXCLUSIVE MODE;
DROP VIEW store_truth
"""
#: Who gives feedback writes the table from now on, with the rights that `./dev sql grants` prints: processes of the release
#: before this one serve until these are granted.
GRANT = """
DO $$
DECLARE speaker regrole;
BEGIN
    FOR speaker IN SELECT DISTINCT grantee FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = 'store_feedback'::regclass AND privilege_type = 'INSERT' AND grantee NOT IN (0, relowner)
    LOOP
        EXECUTE format(
            'GRANT SELECT, INSERT, DELETE, UPDATE (entity, answer, disputed, words) ON store_truth TO %s', speaker
        );
    END LOOP;
END $$
"""
#: Rows are locked before the words are read, in one order, so that of two transactions which change the words of a
#: subject the second one reads those of the first, too: a conflict locks a row also where its condition changes nothing.
#: What has no word any more stays at 0 words, and goes. Nothing is joined: a plan that expects few rows would take hours
#: for many. Writers hold what a change of the policy waits for.
TRIGGERS = f"""
CREATE FUNCTION lock_truths_of(products text[], alone boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
    FOR name IN SELECT DISTINCT each FROM unnest(products) AS each ORDER BY 1 LOOP
        IF alone THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('truths of ' || name, 0));
        ELSE
            PERFORM pg_advisory_xact_lock_shared(hashtextextended('truths of ' || name, 0));
        END IF;
    END LOOP;
END $$;
CREATE FUNCTION recount_truths(products text[], subjects uuid[], may_end boolean) RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE owners text[] := ARRAY(SELECT DISTINCT unnest(products));
BEGIN
    IF cardinality(subjects) = 0 THEN
        RETURN;
    END IF;
    PERFORM lock_truths_of(owners, false);
    INSERT INTO store_truth (product, subject, disputed, words)
    SELECT DISTINCT owner, about, false, 0 FROM unnest(products, subjects) AS changed (owner, about) ORDER BY 1, 2
    ON CONFLICT (product, subject) DO UPDATE SET words = 0 WHERE may_end;
    INSERT INTO store_truth AS stored (product, subject, entity, answer, disputed, words)
    SELECT DISTINCT ON (product, subject) product, subject, entity, answer, disputed, words FROM ({SELECTED}) counted
    WHERE product = ANY (owners) AND subject = ANY (subjects)
    ON CONFLICT (product, subject) DO UPDATE
    SET entity = excluded.entity, answer = excluded.answer, disputed = excluded.disputed, words = excluded.words
    WHERE (stored.entity, stored.answer, stored.disputed, stored.words)
        IS DISTINCT FROM (excluded.entity, excluded.answer, excluded.disputed, excluded.words);
    IF may_end THEN
        DELETE FROM store_truth WHERE product = ANY (owners) AND subject = ANY (subjects) AND words = 0;
    END IF;
END $$;
CREATE FUNCTION recount_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM recount_truths(COALESCE(array_agg(product), '{{}}'), COALESCE(array_agg(subject), '{{}}'), TG_OP = 'DELETE')
    FROM changed WHERE author <> 'TABLE';
    RETURN NULL;
END $$;
CREATE FUNCTION recount_changed_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM recount_truths(COALESCE(array_agg(product), '{{}}'), COALESCE(array_agg(subject), '{{}}'), true)
    FROM (
        SELECT id, product, subject, entity, author, answer, groups, retracted_at IS NULL FROM before
        EXCEPT SELECT id, product, subject, entity, author, answer, groups, retracted_at IS NULL FROM after
        UNION ALL (
            SELECT id, product, subject, entity, author, answer, groups, retracted_at IS NULL FROM after
            EXCEPT SELECT id, product, subject, entity, author, answer, groups, retracted_at IS NULL FROM before
        )
    ) changed WHERE author <> 'TABLE';
    RETURN NULL;
END $$;
CREATE FUNCTION recount_products() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE owner text := COALESCE(NEW.product, OLD.product);
BEGIN
    PERFORM lock_truths_of(ARRAY[owner], true);
    INSERT INTO store_truth AS stored (product, subject, entity, answer, disputed, words)
    SELECT DISTINCT ON (product, subject) product, subject, entity, answer, disputed, words FROM ({SELECTED}) counted
    WHERE product = owner ON CONFLICT (product, subject) DO UPDATE
    SET answer = excluded.answer, disputed = excluded.disputed, words = excluded.words
    WHERE (stored.answer, stored.disputed, stored.words)
        IS DISTINCT FROM (excluded.answer, excluded.disputed, excluded.words);
    RETURN NULL;
END $$;
CREATE FUNCTION forget_truths() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM store_truth;
    RETURN NULL;
END $$;
CREATE TRIGGER truths_of_added_words AFTER INSERT ON store_feedback
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION recount_words();
CREATE TRIGGER truths_of_deleted_words AFTER DELETE ON store_feedback
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION recount_words();
CREATE TRIGGER truths_of_changed_words AFTER UPDATE ON store_feedback
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION recount_changed_words();
CREATE TRIGGER truths_of_no_words AFTER TRUNCATE ON store_feedback
    FOR EACH STATEMENT EXECUTE FUNCTION forget_truths();
CREATE TRIGGER truths_by_another_policy AFTER INSERT OR DELETE ON store_truthpolicy
    FOR EACH ROW EXECUTE FUNCTION recount_products();
CREATE TRIGGER truths_by_a_changed_policy AFTER UPDATE ON store_truthpolicy
    FOR EACH ROW WHEN ((OLD.kind, OLD.groups, OLD.quorum) IS DISTINCT FROM (NEW.kind, NEW.groups, NEW.quorum))
    EXECUTE FUNCTION recount_products();
INSERT INTO store_truth (product, subject, entity, answer, disputed, words)
SELECT DISTINCT ON (product, subject) product, subject, entity, answer, disputed, words FROM ({SELECTED}) counted;
"""
NO_TRIGGERS = """
DROP TRIGGER truths_of_added_words ON store_feedback;
DROP TRIGGER truths_of_deleted_words ON store_feedback;
DROP TRIGGER truths_of_changed_words ON store_feedback;
DROP TRIGGER truths_of_no_words ON store_feedback;
DROP TRIGGER truths_by_another_policy ON store_truthpolicy;
DROP TRIGGER truths_by_a_changed_policy ON store_truthpolicy;
DROP FUNCTION recount_words();
DROP FUNCTION recount_changed_words();
DROP FUNCTION recount_products();
DROP FUNCTION forget_truths();
DROP FUNCTION recount_truths(text[], uuid[], boolean);
DROP FUNCTION lock_truths_of(text[], boolean);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0042_erasing'),
    ]

    operations = [
        migrations.RunSQL(REPLACE_VIEW, VIEW),
        migrations.DeleteModel(name='Truth'),
        migrations.CreateModel(
            name='Truth',
            fields=[
                ('pk', models.CompositePrimaryKey('product', 'subject', blank=True, editable=False, primary_key=True, serialize=False)),
                ('product', models.CharField(max_length=40)),
                ('subject', models.UUIDField()),
                ('entity', models.TextField(null=True)),
                ('answer', models.TextField(null=True)),
                ('disputed', models.BooleanField()),
                ('words', models.IntegerField()),
            ],
            options={
                'indexes': [
                    models.Index(condition=models.Q(('entity__isnull', False)), fields=['product', 'entity'], name='truths_by_entity'),
                    models.Index(condition=models.Q(('disputed', True)), fields=['product', 'subject'], name='disputed_truths'),
                ],
            },
        ),
        migrations.RunSQL(GRANT, migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
