"""Packed days of live quality, and triggers that note whatever changes what counts of them."""

import django.db.models.deletion
from django.db import migrations, models


TRIGGERS = """
CREATE FUNCTION note_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO store_changedsubject (product, subject) SELECT DISTINCT product, subject FROM changed;
    RETURN NULL;
END $$;
CREATE FUNCTION note_word() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO store_changedsubject (product, subject) VALUES (NEW.product, NEW.subject);
    RETURN NULL;
END $$;
CREATE FUNCTION note_predictions() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO store_changedsubject (product, at)
    SELECT DISTINCT product, date_trunc('day', created_at, 'UTC') FROM changed;
    RETURN NULL;
END $$;
CREATE FUNCTION note_prediction() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO store_changedsubject (product, at) VALUES (NEW.product, date_trunc('day', NEW.created_at, 'UTC'));
    RETURN NULL;
END $$;
CREATE FUNCTION note_policies() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO store_changedsubject (product) VALUES (COALESCE(NEW.product, OLD.product));
    RETURN NULL;
END $$;
CREATE TRIGGER words_were_added AFTER INSERT ON store_feedback
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_words();
CREATE TRIGGER words_were_deleted AFTER DELETE ON store_feedback
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_words();
CREATE TRIGGER a_word_was_changed AFTER UPDATE ON store_feedback FOR EACH ROW
    WHEN ((OLD.subject, OLD.author, OLD.answer, OLD.created_at, OLD.retracted_at, OLD.groups)
        IS DISTINCT FROM (NEW.subject, NEW.author, NEW.answer, NEW.created_at, NEW.retracted_at, NEW.groups))
    EXECUTE FUNCTION note_word();
CREATE TRIGGER predictions_were_deleted AFTER DELETE ON store_prediction
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_predictions();
CREATE TRIGGER a_prediction_was_served AFTER UPDATE ON store_prediction FOR EACH ROW
    WHEN (OLD.served IS DISTINCT FROM NEW.served) EXECUTE FUNCTION note_prediction();
CREATE TRIGGER a_policy_was_changed AFTER INSERT OR UPDATE OR DELETE ON store_truthpolicy
    FOR EACH ROW EXECUTE FUNCTION note_policies();
"""
NO_TRIGGERS = """
DROP TRIGGER words_were_added ON store_feedback;
DROP TRIGGER words_were_deleted ON store_feedback;
DROP TRIGGER a_word_was_changed ON store_feedback;
DROP TRIGGER predictions_were_deleted ON store_prediction;
DROP TRIGGER a_prediction_was_served ON store_prediction;
DROP TRIGGER a_policy_was_changed ON store_truthpolicy;
DROP FUNCTION note_words();
DROP FUNCTION note_word();
DROP FUNCTION note_predictions();
DROP FUNCTION note_prediction();
DROP FUNCTION note_policies();
"""
#: The arrays of a day are not worth compressing.
STORAGE = """
ALTER TABLE store_qualityday ALTER COLUMN rows SET STORAGE EXTERNAL, ALTER COLUMN others SET STORAGE EXTERNAL,
    ALTER COLUMN steps SET STORAGE EXTERNAL
"""


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0035_trials'),
    ]

    operations = [
        migrations.CreateModel(
            name='QualityState',
            fields=[
                ('product', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('packed_until', models.DateField()),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ChangedSubject',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product', models.CharField(max_length=40)),
                ('subject', models.UUIDField(null=True)),
                ('at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['product', 'id'], name='changed_subjects_in_order')],
            },
        ),
        migrations.CreateModel(
            name='QualityDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product', models.CharField(max_length=40)),
                ('day', models.DateField()),
                ('dirty', models.BooleanField(default=True)),
                ('packed_at', models.DateTimeField(null=True)),
                ('classes', models.JSONField(default=list)),
                ('rows', models.BinaryField(default=bytes)),
                ('others', models.BinaryField(default=bytes)),
                ('steps', models.BinaryField(default=bytes)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='store.modelversion')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('dirty', True)), fields=['product', '-day'], name='dirty_days_of_quality')],
                'constraints': [models.UniqueConstraint(fields=('product', 'day', 'model'), name='one_quality_per_day_and_version')],
            },
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
