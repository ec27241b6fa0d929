"""Subjects of an identity provider, with their users. A changed or deleted one changes who may do what."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

TRIGGER = """
CREATE TRIGGER note_access_change AFTER DELETE OR UPDATE ON exemplar.exemplar_identity
FOR EACH STATEMENT EXECUTE FUNCTION exemplar.note_access_change();
"""


class Migration(migrations.Migration):
    dependencies = [("exemplar", "0002_access")]

    operations = [
        migrations.CreateModel(
            name="Identity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("issuer", models.CharField(max_length=254)),
                ("subject", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="identities", to="exemplar.user"
                    ),
                ),
            ],
            options={"abstract": False, "verbose_name_plural": "identities"},
        ),
        migrations.AddConstraint(
            model_name="identity",
            constraint=models.UniqueConstraint(
                fields=("issuer", "subject"), name="one_user_per_issuer_and_subject"
            ),
        ),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER note_access_change ON exemplar.exemplar_identity"),
    ]
