"""The audit log, and the triggers that keep it as it was written."""

import django.db.models.functions.datetime
from django.db import migrations, models

#: What is younger stays, whoever deletes; what is older goes by the retention, which says that it is at work.
GUARD = """
CREATE FUNCTION exemplar.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('exemplar.audit_retention', true) = 'on'
        AND OLD.at < now() - interval '30 days'
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'The audit log is only appended to: % of exemplar_auditentry is refused.', TG_OP
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'EXEMPLAR_KEEP_AUDIT says after how many days entries are deleted.';
END
$$;
CREATE TRIGGER keep_audit BEFORE UPDATE OR DELETE ON exemplar.exemplar_auditentry
    FOR EACH ROW EXECUTE FUNCTION exemplar.keep_audit();
CREATE TRIGGER keep_all_of_audit BEFORE TRUNCATE ON exemplar.exemplar_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION exemplar.keep_audit();
"""
UNDO = "DROP FUNCTION exemplar.keep_audit() CASCADE"


class Migration(migrations.Migration):
    dependencies = [("exemplar", "0004_rates")]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("act", models.CharField(max_length=20)),
                ("author", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=10)),
                ("credential", models.CharField(blank=True, max_length=100)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("request_id", models.CharField(blank=True, max_length=100)),
                ("operation", models.CharField(blank=True, max_length=200)),
                ("product", models.CharField(blank=True, max_length=40)),
                ("ids", models.JSONField(default=list)),
                ("reason", models.TextField(blank=True)),
                ("details", models.JSONField(default=dict)),
            ],
            options={"verbose_name_plural": "audit entries"},
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["product", "-id"], name="audit_by_product"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["author", "-id"], name="audit_by_author"),
        ),
        migrations.RunSQL(GUARD, UNDO),
    ]
